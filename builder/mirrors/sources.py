"""Where a file of the lock may be had: on which mirrors, and at which address of each."""

from __future__ import annotations

import threading

from builder.errors import BuilderError, RecipeError
from builder.mirrors.catalogue import PYPI, UPSTREAM, Mirrors, is_loopback
from builder.mirrors.entry import address, kind_of
from builder.mirrors.index import files_of, project_of
from builder.mirrors.transport import Transport, Unavailable
from builder.models.lock import Artifact


class Sources:
    """The mirrors of one recipe, in its order of preference. Safe to ask from several threads."""

    def __init__(
        self,
        mirrors: Mirrors,
        *,
        transport: Transport,
        pip: tuple[str, ...] = (UPSTREAM,),
        apt: tuple[str, ...] = (UPSTREAM,),
        conda: tuple[str, ...] = (),
    ) -> None:
        """pip, apt, conda: names of mirrors; those of conda are for channels and for installers."""
        self._mirrors, self._transport = mirrors, transport
        self._order = {"pypi": pip, "debian": apt, "conda": conda, "installer": conda, None: ()}
        self._pages: dict[str, dict[str, str]] = {}
        self._asking: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def names(self, artifact: Artifact) -> tuple[str, ...]:
        """The mirrors that carry the artifact's source. Raises RecipeError when there is none."""
        source = artifact.source
        asked = self._order[kind_of(source)]
        names = tuple(n for n in dict.fromkeys(asked) if self._mirrors.carries(n, source))
        if not names:
            raise RecipeError(
                f"no mirror of the recipe carries {source}",
                where=artifact.path,
                seen=f"mirrors: {', '.join(asked) or 'none'}",
                remedy=f"add one that does: {', '.join(self._mirrors.carrying(source))}",
            )
        return names

    def agent(self, name: str, artifact: Artifact) -> str | None:
        """What to be called there; None: what this program is called."""
        return self._mirrors.agent(name, artifact.source)

    def urls(self, name: str, artifact: Artifact) -> tuple[str, ...]:
        """The addresses of an artifact on a mirror, to be tried in order; may ask its index. Raises Unavailable."""
        try:
            roots = self._mirrors.roots(name, artifact.source)
        except BuilderError as error:
            raise Unavailable(cause=f"{error.what}: {error.seen}", contact=False) from None
        if artifact.source == PYPI:
            return (self._file(roots[0], artifact.filename, self.agent(name, artifact)),)
        return tuple(address(root, artifact.path) for root in roots)

    def _file(self, index: str, filename: str, agent: str | None) -> str:
        page = f"{index}/{project_of(filename)}/"
        url = self._listed(page, agent).get(filename)
        if url is None:
            raise Unavailable(cause="its index does not list the file")
        if page.startswith("https:") and not url.startswith("https:") and not is_loopback(url):
            raise Unavailable(cause="its index leads from https to plain http")
        return url

    def _listed(self, page: str, agent: str | None) -> dict[str, str]:
        """The files of a page, asked for once in a run."""
        with self._guard:
            asking = self._asking.setdefault(page, threading.Lock())
        with asking:
            if page not in self._pages:
                self._pages[page] = files_of(self._transport.page(page, agent=agent))
            return self._pages[page]
