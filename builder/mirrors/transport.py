"""What failover needs of HTTP: a port, which `builder.adapters.http.client` carries out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import builder

HTML: Final = "answers with a page of HTML, not with the file"

CONDA_AGENT: Final = (
    "conda/25.9.1 requests/2.32.5 CPython/3.9.23 Linux/6.1.0 debian/12 glibc/2.36 solver/libmamba "
    f"builder/{builder.__version__}"
)
"""As conda forms its own (`Context.user_agent` in conda/base/context.py); the same from every host. Mirrors of conda
channels turn away what is not conda (FACTS 3)."""


@dataclass(kw_only=True, eq=False)  # not frozen: Python writes an exception's traceback to it
class Unavailable(Exception):  # noqa: N818 - no error of ours: the next mirror is asked
    """A mirror did not give what it was asked for."""

    cause: str
    """For people, without the host: `HTTP 403`, `connection refused`."""
    host: str | None = None
    contact: bool = True
    """False when no server answered at all: the mirror is tried last from now on."""
    again: bool = False
    """It may go better soon: an overloaded server, a connection that broke."""
    after: float | None = None
    """Seconds that the server asks to wait (Retry-After)."""
    wrong: str | None = None
    """The SHA-256 of a whole file of wrong bytes."""
    slow: bool = False
    """It did send, but another mirror is far faster."""

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of a package index."""

    text: str
    media_type: str
    url: str
    """After redirects: what relative links are relative to."""


class Answer(Protocol):
    """A file that a server began to send."""

    offset: int
    """Where in the file the body begins: what was asked for, or 0 from a server that does not know ranges."""
    size: int | None
    """Bytes of the whole file, when the server says so."""
    host: str

    def chunks(self) -> Iterator[bytes]:
        """The body; raises Unavailable when it ends early or stalls."""

    def abort(self) -> None:
        """Ends it early: a read that another thread is in returns at once."""

    def close(self) -> None:
        """Lets go of it, read to the end or not."""


class Transport(Protocol):
    """GET, with the host's own proxy, trust and credentials; `agent` is what to be called, None: builder's own name."""

    def page(self, url: str, *, agent: str | None = None) -> Page:
        """A page of a package index; raises Unavailable."""

    def open(self, url: str, *, offset: int = 0, agent: str | None = None) -> Answer:
        """A file, from `offset` bytes on; raises Unavailable for anything but a file."""

    def close(self) -> None:
        """Ends everything that is under way, from any thread."""
