"""One subdir's repodata from one mirror after another: downloaded whole, unpacked once for all that agree."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Final

import zstandard

from builder.adapters.conda.cache import Kept, NewFile, RepodataCache
from builder.adapters.http.client import Body, Http
from builder.conda.repodata import Reading
from builder.conda.solve import Part, fault
from builder.mirrors.race import Stopped
from builder.mirrors.transport import Unavailable
from builder.models.base import Sha256

WINDOW: Final = 20.0
SLOWEST: Final = 20_000
"""Fewer bytes than that in WINDOW seconds: a mirror that drips is as good as dead."""
LARGEST: Final = 4_000_000_000
"""Bytes of repodata.json: ten times conda-forge's. A mirror could send a bomb."""
_PIECE: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One mirror's repodata of one subdir."""

    mirror: str
    part: Part
    sha256: Sha256
    """Of repodata.json."""
    newest: int
    """When its newest package was made, seconds since 1970."""


@dataclass(kw_only=True)
class Asked:
    """One mirror that is being asked, in a thread of its own."""

    mirror: str
    agent: str | None = None
    """What to be called there."""
    transport: Http = field(default_factory=Http)
    over: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    came: bool = False
    """Whether all of it is here: what is left to do is ours, and no slowness of the mirror's."""

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.over.set()
        self.transport.close()


@dataclass(frozen=True, kw_only=True)
class Download:
    """The repodata of one subdir."""

    source: str
    """As in `conda-forge/linux-64`."""
    cache: RepodataCache
    advance: Callable[[int], None]
    """Hears of bytes as they come."""
    _one: threading.Lock = field(default_factory=threading.Lock)
    """Held while a file is unpacked: it takes a processor, and while it is looked at the file is mapped into memory."""
    _seen: dict[str, Kept | Unavailable] = field(default_factory=dict)
    """By hash of what was sent: what is in it."""

    def copy(self, asked: Asked, root: str) -> Copy:
        """From `.json.zst`, a tenth of the bytes, else from `.json`, which every mirror has.

        Raises Unavailable, DiskError, Stopped when nobody waits for it any more.
        """
        try:
            return self._read(asked, f"{root}/repodata.json.zst")
        except Unavailable as first:
            if not first.contact or first.slow:
                raise
            try:
                return self._read(asked, f"{root}/repodata.json")
            except Unavailable as second:
                raise second if first.cause == "HTTP 404" else first from None

    def _read(self, asked: Asked, url: str) -> Copy:
        """What is kept, if the mirror says that it is still so, else what the mirror has now."""
        kept = self.cache.kept(url)
        try:
            answer = asked.transport.open(url, agent=asked.agent, conditions=kept.conditions() if kept else None)
        except Unavailable as said:
            if kept is None or said.cause != "HTTP 304":
                raise
            now = kept
        else:
            found = self._fetched(answer, asked, zst=url.endswith(".zst"))
            now = found.model_copy(update={"etag": answer.etag, "modified": answer.modified})
        self.cache.keep(url, now)
        part = Part(source=self.source, path=self.cache.path(now.sha256))
        return Copy(mirror=asked.mirror, part=part, sha256=now.sha256, newest=now.newest)

    def _fetched(self, answer: Body, asked: Asked, *, zst: bool) -> Kept:
        digest = hashlib.sha256()
        with ExitStack() as stack:
            stack.callback(answer.close)
            sent = stack.enter_context(self.cache.new())
            for piece in self._pieces(answer, asked):
                digest.update(piece)
                sent.write(piece)
            asked.came = True
            with self._one:
                known = digest.hexdigest()
                if known not in self._seen:
                    self._seen[known] = self._looked_at(sent, asked, zst=zst)
        found = self._seen[known]
        if isinstance(found, Unavailable):
            raise Unavailable(cause=found.cause, host=answer.host)
        return found

    def _looked_at(self, sent: NewFile, asked: Asked, *, zst: bool) -> Kept | Unavailable:
        """Unpacks it into the cache; what it is, or why it is no repodata."""
        reading = Reading(now=time.time())
        with self.cache.new() as file:
            try:
                for piece in _unpacked(sent.reopened(), zst=zst):
                    if asked.over.is_set():
                        raise Stopped
                    reading.feed(piece)
                    file.write(piece)
                    if reading.size > LARGEST:
                        return Unavailable(cause=f"its repodata is longer than {LARGEST:,} bytes")
            except zstandard.ZstdError as error:
                return Unavailable(cause=f"its repodata.json.zst is garbled: {error}")
            digest = reading.sha256()
            if wrong := reading.fault() or fault(Part(source=self.source, path=file.path)):
                return Unavailable(cause=wrong)
            file.keep_as(digest)
        return Kept(sha256=digest, newest=reading.newest)

    def _pieces(self, answer: Body, asked: Asked) -> Iterator[bytes]:
        """The body, whole. Raises Unavailable when it is cut short or drips, Stopped when nobody waits for it."""
        got, since, there = 0, time.monotonic(), 0
        for piece in answer.chunks():
            if asked.over.is_set():
                raise Stopped
            got += len(piece)
            self.advance(len(piece))
            yield piece
            if time.monotonic() - since > WINDOW:
                if got - there < SLOWEST:
                    raise Unavailable(cause=f"sends less than {SLOWEST / WINDOW:,.0f} B/s", host=answer.host, slow=True)
                since, there = time.monotonic(), got
        if asked.over.is_set():
            raise Stopped
        if answer.size is not None and got != answer.size:
            raise Unavailable(cause=f"ended after {got:,} of {answer.size:,} bytes", host=answer.host, again=True)


def _unpacked(file: IO[bytes], *, zst: bool) -> Iterator[bytes]:
    """The file, or what zstd packed into it in one frame or several."""
    with file:
        source = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) if zst else file
        while piece := source.read(_PIECE):
            yield piece
