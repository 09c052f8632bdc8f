"""Downloads repodata from several mirrors at once: conda itself gives up at the first dead one (FACTS 3)."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import zstandard

from builder.adapters.conda_cache import ConditionalHttp, Kept, RepodataCache
from builder.adapters.http import Body
from builder.conda.repodata import Reading
from builder.conda.solve import Part, fault
from builder.errors import BuilderError, DiskError
from builder.mirrors.race import Stopped
from builder.mirrors.transport import Unavailable
from builder.models.base import Sha256

MIRRORS: Final = 3
"""Mirrors whose repodata is compared: enough to tell a stale or lying one, and no more load on them than that."""
GRACE: Final = 2.0
"""Seconds that the others have when one mirror has given its repodata, and half of what that one took beside."""
ROUNDS: Final = 2
LONGEST_WAIT: Final = 10.0
"""Seconds: no server's Retry-After is obeyed beyond that."""
WINDOW: Final = 20.0
SLOWEST: Final = 20_000
"""Fewer bytes than that in WINDOW seconds: a mirror that drips is as good as dead."""
LARGEST: Final = 4_000_000_000
"""Bytes of repodata.json: ten times conda-forge's. A mirror could send a bomb."""
_TICK: Final = 0.2
_BITE: Final = 4096
"""Bytes to unpack at a time: of a bomb, a thousandth part goes off before it is noticed."""


class Roots(Protocol):
    """Where a mirror has its things; `builder.mirrors` knows."""

    def roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of a source on a mirror. Raises RecipeError, HostError."""

    def carries(self, name: str, source: str) -> bool:
        """Whether a mirror has a source. Raises RecipeError for a mirror that does not exist."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One mirror's repodata of one subdir."""

    mirror: str
    part: Part
    sha256: Sha256
    """Of repodata.json."""
    newest: int
    """When its newest package was made, seconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What the mirrors gave for one subdir."""

    source: str
    copies: tuple[Copy, ...]
    """In the recipe's order of mirrors."""
    failed: dict[str, Unavailable]
    """By mirror, in the recipe's order."""
    slow: tuple[str, ...]
    """Mirrors that were not waited for."""


Result = tuple[str, "Copy | Unavailable | DiskError"]


@dataclass(kw_only=True)
class _Asked:
    """One mirror that is being asked, in a thread of its own."""

    mirror: str
    transport: ConditionalHttp = field(default_factory=ConditionalHttp)
    over: threading.Event = field(default_factory=threading.Event)

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.over.set()
        self.transport.close()


@dataclass(frozen=True, kw_only=True)
class Gatherer:
    """Asks mirrors for repodata. Its threads end soon after `stop` is set."""

    mirrors: Roots
    cache: RepodataCache
    advance: Callable[[int], None] = lambda _: None
    """Hears of bytes as they come."""
    stop: threading.Event = field(default_factory=threading.Event)
    _parsing: threading.Lock = field(default_factory=threading.Lock)
    _faults: dict[str, str | None] = field(default_factory=dict)
    """By hash: what is wrong with a file that was looked at, so that mirrors that agree cost one look."""

    def gather(self, source: str, names: Sequence[str]) -> Gathered:
        """The repodata of `conda-forge/linux-64` from the first mirrors that give it, at most three.

        No mirror's silence is waited for longer than a few seconds when another one has answered.
        Raises DiskError, Stopped.
        """
        failed: dict[str, Unavailable] = {}
        asking = tuple(names)
        for turn in range(ROUNDS):
            found, slow = self._round(source, asking, failed)
            asking = tuple(name for name in names if name in failed and failed[name].again)
            if found or not asking or turn == ROUNDS - 1:
                break
            pause = max([0.5, *(failed[name].after or 0.0 for name in asking)])
            if self.stop.wait(min(pause, LONGEST_WAIT)):
                raise Stopped
        copies = tuple(found[name] for name in names if name in found)
        failures = {name: failed[name] for name in names if name in failed}
        return Gathered(source=source, copies=copies, failed=failures, slow=slow)

    def _round(
        self, source: str, names: Sequence[str], failed: dict[str, Unavailable]
    ) -> tuple[dict[str, Copy], tuple[str, ...]]:
        """Asks mirrors until enough have answered; those that gave it, and those that were too slow."""
        results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        waiting, running, found = deque(names), dict[str, _Asked](), dict[str, Copy]()
        began, until = time.monotonic(), float("inf")
        try:
            while len(found) < MIRRORS and (waiting or running) and time.monotonic() < until:
                while waiting and len(running) + len(found) < MIRRORS:
                    asked = _Asked(mirror=waiting.popleft())
                    running[asked.mirror] = asked
                    threading.Thread(target=self._ask, args=(source, asked, results), daemon=True).start()
                if (result := self._next(results, until)) is None:
                    continue
                name, got = result
                running.pop(name)
                if isinstance(got, Copy):
                    found[name] = got
                    failed.pop(name, None)
                    until = min(until, time.monotonic() + GRACE + (time.monotonic() - began) / 2)
                elif isinstance(got, Unavailable):
                    failed[name] = got
                else:
                    raise got
        finally:
            for asked in running.values():
                asked.abandon()
        return found, tuple(running)

    def _next(self, results: queue.SimpleQueue[Result], until: float) -> Result | None:
        if self.stop.is_set():
            raise Stopped
        try:
            return results.get(timeout=min(max(until - time.monotonic(), 0.001), _TICK))
        except queue.Empty:
            return None

    def _ask(self, source: str, asked: _Asked, results: queue.SimpleQueue[Result]) -> None:
        """In a thread: whatever comes of it is put into `results`, unless nobody waits for it any more."""
        try:
            results.put((asked.mirror, self._copy(source, asked)))
        except Stopped:
            return
        except (Unavailable, DiskError) as said:
            results.put((asked.mirror, said))
        except BuilderError as error:
            results.put((asked.mirror, Unavailable(cause=f"{error.what}: {error.seen}", contact=False)))
        except Exception as error:  # whatever a mirror sends is that mirror's failure
            results.put((asked.mirror, Unavailable(cause=f"{type(error).__name__}: {error}")))
        finally:
            asked.transport.close()

    def _copy(self, source: str, asked: _Asked) -> Copy:
        """From `.json.zst`, a tenth of the bytes, else from `.json`, which every mirror has."""
        (root, *_) = self.mirrors.roots(asked.mirror, source)
        try:
            return self._read(source, asked, f"{root}/repodata.json.zst")
        except Unavailable as first:
            if not first.contact or first.slow:
                raise
            try:
                return self._read(source, asked, f"{root}/repodata.json")
            except Unavailable as second:
                raise second if first.cause == "HTTP 404" else first from None

    def _read(self, source: str, asked: _Asked, url: str) -> Copy:
        """What is kept, if the mirror says that it is still so, else what the mirror has now."""
        kept = self.cache.kept(url)
        try:
            answer = asked.transport.ask(url, kept)
        except Unavailable as said:
            if kept is None or said.cause != "HTTP 304":
                raise
            self.cache.keep(url, kept)
            return self._copy_of(kept, source, asked)
        try:
            reading = self._downloaded(answer, asked, zst=url.endswith(".zst"))
        finally:
            answer.close()
        part = Part(source=source, path=self.cache.path(reading.sha256()))
        if wrong := reading.fault() or self._fault(part, reading.sha256()):
            raise Unavailable(cause=wrong, host=answer.host)
        now = Kept(sha256=reading.sha256(), newest=reading.newest, **asked.transport.stamp())
        self.cache.keep(url, now)
        return self._copy_of(now, source, asked)

    def _copy_of(self, kept: Kept, source: str, asked: _Asked) -> Copy:
        part = Part(source=source, path=self.cache.path(kept.sha256))
        return Copy(mirror=asked.mirror, part=part, sha256=kept.sha256, newest=kept.newest)

    def _downloaded(self, answer: Body, asked: _Asked, *, zst: bool) -> Reading:
        """Into the cache, under its hash."""
        reading = Reading(now=time.time())
        with self.cache.new() as file:
            for piece in _decoded(self._pieces(answer, asked), zst=zst):
                reading.feed(piece)
                file.write(piece)
                if reading.size > LARGEST:
                    raise Unavailable(cause=f"its repodata is longer than {LARGEST:,} bytes", host=answer.host)
            file.keep_as(reading.sha256())
        return reading

    def _fault(self, part: Part, digest: Sha256) -> str | None:
        """One file at a time, as each is mapped into memory while it is looked at."""
        with self._parsing:
            if digest not in self._faults:
                self._faults[digest] = fault(part)
            return self._faults[digest]

    def _pieces(self, answer: Body, asked: _Asked) -> Iterator[bytes]:
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


def _decoded(pieces: Iterator[bytes], *, zst: bool) -> Iterator[bytes]:
    """What zstd packed, in one frame or several."""
    if not zst:
        yield from pieces
        return
    decoder = zstandard.ZstdDecompressor().decompressobj()
    try:
        for piece in pieces:
            for begin in range(0, len(piece), _BITE):
                rest = piece[begin : begin + _BITE]
                while rest:
                    if decoder.eof:
                        decoder = zstandard.ZstdDecompressor().decompressobj()
                    yield decoder.decompress(rest)
                    rest = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise Unavailable(cause=f"its repodata.json.zst is garbled: {error}") from None
    if not decoder.eof:
        raise Unavailable(cause="its repodata.json.zst breaks off", again=True)
