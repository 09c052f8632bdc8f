"""The mirrors by name, and the address of each thing that a mirror carries."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from builder.errors import HostError, RecipeError
from builder.mirrors.entry import PYPI, Catalogue, Mirror, is_loopback, kind_of
from builder.mirrors.transport import CONDA_AGENT

__all__ = ["OFFICIAL", "PYPI", "UPSTREAM", "Catalogue", "Clients", "Mirror", "Mirrors", "is_loopback"]

UPSTREAM: Final = "upstream"
OFFICIAL: Final = "official"
"""The entry of the hosts that everything conda comes from."""


class Clients(Protocol):
    """What the package clients on this host are configured with."""

    def pypi_index(self) -> str:
        """pip's own index if it is set, else the one that uv uses."""

    def apt_roots(self, source: str) -> tuple[str, ...]:
        """apt's own roots of `debian` or `debian-security`; raises HostError when there are none."""

    def conda_root(self, channel: str) -> str | None:
        """Where conda's own configuration has a channel; None when it says nothing of it."""


class Mirrors:
    """The catalogue, with `upstream` answered by the host's own clients."""

    def __init__(self, catalogue: Mapping[str, Mirror], *, clients: Clients) -> None:
        self._catalogue, self._clients = catalogue, clients

    @property
    def entries(self) -> Mapping[str, Mirror]:
        """Every mirror by name, the site's own first; `upstream` is none of them."""
        return self._catalogue

    def entry(self, name: str) -> Mirror:
        """The mirror of that name; raises RecipeError."""
        return self._named(name)

    def index_url(self, name: str) -> str:
        """The package index of a mirror, without a slash at its end.

        Raises RecipeError for a mirror that does not exist or has no index, HostError when upstream cannot be told.
        """
        return self.roots(name, PYPI)[0]

    def apt_roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of `debian` or `debian-security` on a mirror, in the order to try them; raises as `index_url`."""
        return self.roots(name, source)

    def channel_root(self, name: str, channel: str) -> str:
        """The root of a channel on a mirror, which holds its subdirs; raises as `index_url`."""
        return self.roots(name, f"{channel}/noarch")[0].removesuffix("/noarch")

    def roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of any source of a lock; raises as `index_url`. `entry.address` puts a path below one.

        A channel with its subdir (`conda-forge/linux-64`), an installer (`miniconda`, `miniforge`), `pypi`,
        `debian`, `debian-security`.
        """
        roots = self._upstream(source) if name == UPSTREAM else self._named(name).roots(source)
        if not roots:
            raise RecipeError(
                f"the mirror {name} does not carry {source}",
                remedy=f"name one that does: {', '.join(self.carrying(source))}",
            )
        if name == UPSTREAM and kind_of(source) == "conda":
            _refuse_plain(roots[0], source)
        return roots

    def carries(self, name: str, source: str) -> bool:
        """Whether a mirror has a source at all; upstream may. Raises RecipeError for a mirror that does not exist."""
        return name == UPSTREAM or bool(self._named(name).roots(source))

    def carrying(self, source: str) -> tuple[str, ...]:
        """The names of all that carry a source, upstream last."""
        return (*(n for n, m in self._catalogue.items() if m.roots(source)), UPSTREAM)

    def backend(self, name: str, source: str) -> str:
        """The mirror whose servers answer for a source (`conda-forge`, `pypi`, ...), as far as the data knows."""
        seen = [name]
        while (entry := self._catalogue.get(seen[-1])) and source in entry.behind and entry.behind[source] not in seen:
            seen.append(entry.behind[source])
        return seen[-1]

    def independent_first(self, names: Sequence[str], source: str) -> list[str]:
        """The names, the first of each backend before all others: two that one backend answers for agree always.

        source: as in `conda-forge/linux-64`.
        """
        first: dict[str, str] = {}
        for name in names:
            real = OFFICIAL if name == UPSTREAM and self.is_official(source) else name
            first.setdefault(self.backend(real, source.rpartition("/")[0]), name)
        return sorted(names, key=lambda name: name not in first.values())

    def agent(self, name: str, source: str) -> str | None:
        """What a client calls itself there: as the mirror wants it, else as conda, of conda's own files."""
        entry = self._catalogue.get(name)
        as_conda = CONDA_AGENT if kind_of(source) in ("conda", "installer") else None
        return (entry.user_agent if entry else None) or as_conda

    def is_official(self, source: str) -> bool:
        """Whether upstream is the official host: this host's conda is configured with nothing else for it."""
        return kind_of(source) in ("conda", "installer") and self._upstream(source) == self._official(source) != ()

    def baked(self, names: tuple[str, ...], source: str) -> tuple[str, ...]:
        """The roots that an image is given for a channel or `pypi`, in order, one for each independent backend.

        `upstream` is the official host for a channel and nothing for `pypi`: never what this host is configured
        with. Plain http (which only loopback may have) is left out. Raises RecipeError for a root with a login.
        """
        found: dict[str, str] = {}
        for name in names:
            real = OFFICIAL if name == UPSTREAM and source != PYPI else name
            roots = () if real == UPSTREAM else self._for_image(real, source)
            if roots and roots[0].startswith("https:"):
                found.setdefault(self.backend(real, source), _without_login(roots[0], name))
        return tuple(dict.fromkeys(found.values()))

    def _for_image(self, name: str, source: str) -> tuple[str, ...]:
        entry = self._named(name)
        return entry.roots(source) if source == PYPI else entry.channel_roots(source)

    def _upstream(self, source: str) -> tuple[str, ...]:
        match kind_of(source):
            case "pypi":
                return (self._clients.pypi_index(),)
            case "debian":
                return self._clients.apt_roots(source)
            case "conda":
                channel, _, subdir = source.rpartition("/")
                own = self._clients.conda_root(channel)
                return (f"{own}/{subdir}",) if own else self._official(source)
            case _:
                return self._official(source)

    def _official(self, source: str) -> tuple[str, ...]:
        entry = self._catalogue.get(OFFICIAL)
        return entry.roots(source) if entry else ()

    def _named(self, name: str) -> Mirror:
        if name not in self._catalogue:
            near = difflib.get_close_matches(name, (*self._catalogue, UPSTREAM))
            raise RecipeError(
                f"no mirror is called {name!r}",
                seen=f"known: {', '.join((*self._catalogue, UPSTREAM))}",
                remedy=f"did you mean {near[0]}?" if near else "name one of those, or add it to BUILDER_MIRRORS",
            )
        return self._catalogue[name]


def _refuse_plain(root: str, source: str) -> None:
    """Raises HostError for a channel over plain http: a list of hashes that anybody may have written is none."""
    channel, _, subdir = source.rpartition("/")
    if not root.startswith("https:") and not is_loopback(root):
        raise HostError(
            f"conda on this host is configured to ask for {channel} over {urlsplit(root).scheme}, which anybody may "
            "change",
            seen=root.removesuffix(f"/{subdir}").rpartition("@")[2],
            remedy="give it an https address in ~/.condarc, or name mirrors in the recipe, as in `mirrors: [tuna]`",
        )


def _without_login(root: str, name: str) -> str:
    if "@" in urlsplit(root).netloc:
        raise RecipeError(
            "no login may be written into an image",
            where=f"the mirror {name}",
            seen="its address has one before the @",
            remedy="put the login into ~/.netrc of the hosts that build, and take it out of the mirror's address",
        )
    return root
