"""The mirrors by name, and the address of each thing that a mirror carries."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from typing import Annotated, Final, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, RootModel

from builder.errors import RecipeError
from builder.models.base import Model

UPSTREAM: Final = "upstream"
PYPI: Final = "pypi"


def is_loopback(url: str) -> bool:
    """Whether a URL names this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _root(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no http or https address of a folder")
    return url.rstrip("/")


def _index(url: str) -> str:
    if not url.startswith("https:") and not is_loopback(url):
        raise ValueError(f"{url!r}: a package index is asked over https alone")
    return url


Root = Annotated[str, AfterValidator(_root)]
Roots = Annotated[tuple[Root, ...], Field(min_length=1)]
Indexes = Annotated[tuple[Annotated[Root, AfterValidator(_index)], ...], Field(min_length=1)]


class Mirror(Model):
    """What one mirror carries: for each source its roots, in the order to try them."""

    pypi: Indexes | None = None
    debian: Roots | None = None
    debian_security: Roots | None = Field(default=None, alias="debian-security")

    def roots(self, source: str) -> tuple[str, ...]:
        """The roots of a source of the lock; empty when this mirror does not carry it."""
        carried = {PYPI: self.pypi, "debian": self.debian, "debian-security": self.debian_security}
        return carried.get(source) or ()


class Catalogue(RootModel[dict[str, Mirror]]):
    """Every public mirror by name, as `builder/data/mirrors.yaml` has them."""


class Clients(Protocol):
    """What the package clients on this host are configured with."""

    def pypi_index(self) -> str:
        """pip's own index if it is set, else the one that uv uses."""

    def apt_roots(self, source: str) -> tuple[str, ...]:
        """apt's own roots of `debian` or `debian-security`; raises HostError when there are none."""


class Mirrors:
    """The catalogue, with `upstream` answered by the host's own clients."""

    def __init__(self, catalogue: Mapping[str, Mirror], *, clients: Clients) -> None:
        self._catalogue, self._clients = catalogue, clients

    def index_url(self, name: str) -> str:
        """The package index of a mirror, without a slash at its end.

        Raises RecipeError for a mirror that does not exist or has no index, HostError when upstream cannot be told.
        """
        return self.roots(name, PYPI)[0]

    def apt_roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of `debian` or `debian-security` on a mirror, in the order to try them; raises as `index_url`."""
        return self.roots(name, source)

    def roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of any source; raises as `index_url`."""
        if name == UPSTREAM:
            return (self._clients.pypi_index(),) if source == PYPI else self._clients.apt_roots(source)
        roots = self._named(name).roots(source)
        if not roots:
            raise RecipeError(
                f"the mirror {name} does not carry {source}",
                remedy=f"name one that does: {', '.join(self.carrying(source))}",
            )
        return roots

    def carries(self, name: str, source: str) -> bool:
        """Whether a mirror has a source at all; upstream may. Raises RecipeError for a mirror that does not exist."""
        return name == UPSTREAM or bool(self._named(name).roots(source))

    def carrying(self, source: str) -> tuple[str, ...]:
        """The names of all that carry a source, upstream last."""
        return (*(n for n, m in self._catalogue.items() if m.roots(source)), UPSTREAM)

    def _named(self, name: str) -> Mirror:
        if name not in self._catalogue:
            near = difflib.get_close_matches(name, (*self._catalogue, UPSTREAM))
            raise RecipeError(
                f"no mirror is called {name!r}",
                seen=f"known: {', '.join((*self._catalogue, UPSTREAM))}",
                remedy=f"did you mean {near[0]}?" if near else "name one of those, or add it to BUILDER_MIRRORS",
            )
        return self._catalogue[name]
