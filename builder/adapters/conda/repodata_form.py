"""One of the two forms of a repodata, plain or compressed, read while it comes and compared with the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import zstandard

from builder.mirrors.probe import Zst
from builder.mirrors.repodata import Scanner
from builder.mirrors.transport import Unavailable

START: Final = 1 << 16
"""Bytes of JSON of which both forms must be the same."""


@dataclass
class Index:
    """One of the two forms of a repodata, as far as it was read."""

    scanner: Scanner | None = None
    start: bytes = b""
    total: int | None = None
    """Bytes of JSON, as the server or the compressed frame says."""
    cause: str | None = None
    """Why it could not be had."""
    broken: bool = False
    is_cut: bool = False

    @property
    def size(self) -> int:
        """Bytes of JSON that were read."""
        return self.scanner.size if self.scanner else 0

    def scan(self, pieces: Iterator[bytes], *, compressed: bool) -> None:
        """Reads it; raises Unavailable for a plain one that is none."""
        scanner = Scanner(now=time.time())
        unpack = None
        start = bytearray()
        for piece in pieces:
            if compressed and unpack is None:
                self.total = _frame_size(piece)
                unpack = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
            try:
                json = unpack.decompress(piece) if unpack else piece
            except zstandard.ZstdError:
                self.broken, self.cause = True, "it cannot be decompressed"
                return
            start += json[: START - len(start)]
            scanner.feed(json)
        scanner.end()
        self.start = bytes(start)
        if scanner.is_repodata:
            self.scanner = scanner
        else:
            self.cause = "what it gives for repodata is none"
            if not compressed:
                raise Unavailable(cause=self.cause)


def _frame_size(head: bytes) -> int | None:
    with suppress(zstandard.ZstdError):
        size = zstandard.frame_content_size(head)
        return size if size >= 0 else None
    return None


def compared(zst: Index, plain: Index) -> Zst | None:
    """Whether both forms hold the same."""
    if zst.broken:
        return "unreadable"
    if zst.scanner is None:
        return None if zst.is_cut else "missing"
    if plain.scanner is None:
        return None
    common = min(len(zst.start), len(plain.start))
    sizes = (zst.size if not zst.is_cut else zst.total, plain.total)
    if zst.start[:common] != plain.start[:common] or (None not in sizes and sizes[0] != sizes[1]):
        return "differs"
    if None in sizes:
        return "same start"
    return "same" if common == sizes[0] else "same size"
