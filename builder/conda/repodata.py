"""Repodata as it streams to disk: what it is, how new it is, and whether it is repodata at all. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Final, cast

from builder.models.base import Sha256

_TIMESTAMP: Final = re.compile(rb'"timestamp":\s*(\d{9,13})\D')
_LONGEST: Final = 40
"""Bytes of a match that may have begun in the piece before."""
_HEAD: Final = 4096
_MILLISECONDS: Final = 253_402_300_799
"""Above this, conda's own rule, a timestamp counts milliseconds: it would be after the year 9999."""


def seconds(timestamp: int) -> int:
    """A record's timestamp, old ones in seconds and newer ones in milliseconds, as seconds since 1970."""
    return timestamp // 1000 if timestamp > _MILLISECONDS else timestamp


class Reading:
    """Reads repodata.json in pieces, as they come."""

    def __init__(self, *, now: float) -> None:
        """now: seconds since 1970; a package from after that says nothing about how new the repodata is."""
        self._hash, self._until = hashlib.sha256(), int(now)
        self._head, self._tail = b"", b""
        self.size = 0
        self.newest = 0
        """When its newest package was made, seconds since 1970; 0 when no record tells."""

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
        self._hash.update(piece)
        self.size += len(piece)
        if len(self._head) < _HEAD:
            self._head = (self._head + piece)[:_HEAD]
        text = self._tail + piece
        stamps = (seconds(int(found)) for found in set(_TIMESTAMP.findall(text)))
        self.newest = max((self.newest, *(stamp for stamp in stamps if stamp <= self._until)))
        self._tail = text[-_LONGEST:]

    def sha256(self) -> Sha256:
        """Of all that was fed."""
        return cast(Sha256, self._hash.hexdigest())

    def fault(self) -> str | None:
        """Why this cannot be repodata, in words; None when it may be. The JSON itself is for the solver to judge."""
        head = self._head.lstrip()
        if head[:1] == b"<":
            return "answers with a page of HTML, not with repodata"
        if not head.startswith(b"{"):
            return "answers with something that is no repodata" if head else "answers with nothing"
        if not self._tail.rstrip().endswith(b"}"):
            return f"its repodata breaks off after {self.size:,} bytes"
        return None
