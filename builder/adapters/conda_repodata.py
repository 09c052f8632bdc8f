"""Downloads repodata from several mirrors at once: conda itself gives up at the first dead one (FACTS 3)."""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import zstandard

from builder.adapters.http import Body, Http
from builder.conda.repodata import Reading
from builder.conda.solve import Part, fault
from builder.errors import BuilderError
from builder.mirrors.transport import Unavailable
from builder.models.base import Sha256

MIRRORS: Final = 3
"""Mirrors whose repodata is compared: enough to tell a stale or lying one, and no more load on them than that."""
GRACE: Final = 2.0
"""Seconds that the others have when one mirror has given its repodata, and half of what that one took beside."""
WINDOW, SLOWEST = 20.0, 20_000
"""Fewer bytes than that in so many seconds: a mirror that drips is as good as dead."""
ROUNDS: Final = 2
LONGEST_WAIT: Final = 10.0
"""Seconds: no server's Retry-After is obeyed beyond that."""
_LARGEST: Final = 4_000_000_000


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
    """By mirror, in the order of failing."""
    slow: tuple[str, ...]
    """Mirrors that were not waited for."""


@dataclass(kw_only=True)
class _Asked:
    """One mirror that is being asked, in a thread of its own."""

    mirror: str
    transport: Http = field(default_factory=Http)
    over: threading.Event = field(default_factory=threading.Event)

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.over.set()
        self.transport.close()


class Abandoned(Exception):  # noqa: N818 - no error: others were faster
    """Nobody waits for this download any more."""


@dataclass(frozen=True, kw_only=True)
class Gatherer:
    """Asks mirrors for repodata, into a folder."""

    mirrors: Roots
    folder: Path
    advance: Callable[[int], None] = lambda _: None
    """Hears of bytes as they come."""
    _parsing: threading.Lock = field(default_factory=threading.Lock)
    _right: dict[str, str | None] = field(default_factory=dict)
    """By hash: the fault of a file that was looked at, so that mirrors that agree cost one look."""

    def gather(self, source: str, names: Sequence[str]) -> Gathered:
        """The repodata of `conda-forge/linux-64` from the first mirrors that give it, at most three.

        No mirror's silence is waited for longer than a few seconds when another one has answered. Raises nothing.
        """
        failed: dict[str, Unavailable] = {}
        for turn in range(ROUNDS):
            found, slow = self._round(source, names, failed)
            again = tuple(n for n in names if n in failed and failed[n].again)
            if found or not again or turn == ROUNDS - 1:
                break
            time.sleep(min(max([0.5, *(failed[n].after or 0.0 for n in again)]), LONGEST_WAIT))
            names = again
        copies = tuple(found[name] for name in names if name in found)
        return Gathered(source=source, copies=copies, failed=failed, slow=slow)

    def _round(
        self, source: str, names: Sequence[str], failed: dict[str, Unavailable]
    ) -> tuple[dict[str, Copy], tuple[str, ...]]:
        results: queue.SimpleQueue[tuple[str, Copy | Unavailable]] = queue.SimpleQueue()
        waiting, running, found = deque(names), dict[str, _Asked](), dict[str, Copy]()
        began, until = time.monotonic(), float("inf")
        try:
            while len(found) < MIRRORS and (waiting or running):
                while waiting and len(running) + len(found) < MIRRORS:
                    asked = _Asked(mirror=waiting.popleft())
                    running[asked.mirror] = asked
                    threading.Thread(target=self._ask, args=(source, asked, results), daemon=True).start()
                try:
                    name, got = results.get(timeout=min(max(until - time.monotonic(), 0.001), 1.0))
                except queue.Empty:
                    if time.monotonic() >= until:
                        break
                    continue
                running.pop(name)
                if isinstance(got, Unavailable):
                    failed[name] = got
                    continue
                found[name] = got
                failed.pop(name, None)
                if until == float("inf"):
                    until = time.monotonic() + GRACE + (time.monotonic() - began) / 2
        finally:
            for asked in running.values():
                asked.abandon()
        return found, tuple(running)

    def _ask(self, source: str, asked: _Asked, results: queue.SimpleQueue[tuple[str, Copy | Unavailable]]) -> None:
        try:
            copy = self._copy(source, asked)
        except Abandoned:
            return
        except Unavailable as said:
            results.put((asked.mirror, said))
        except BuilderError as error:
            results.put((asked.mirror, Unavailable(cause=f"{error.what}: {error.seen}", contact=False)))
        except Exception as error:  # whatever a mirror sends is that mirror's failure
            results.put((asked.mirror, Unavailable(cause=f"{type(error).__name__}: {error}")))
        else:
            results.put((asked.mirror, copy))
        finally:
            asked.transport.close()

    def _copy(self, source: str, asked: _Asked) -> Copy:
        """From `.json.zst`, a tenth of the bytes, else from `.json`, which every mirror has."""
        (root, *_) = self.mirrors.roots(asked.mirror, source)
        try:
            return self._downloaded(source, asked, f"{root}/repodata.json.zst")
        except Unavailable as first:
            if not first.contact or asked.over.is_set():
                raise
            try:
                return self._downloaded(source, asked, f"{root}/repodata.json")
            except Unavailable as second:
                raise second if first.cause == "HTTP 404" else first from None

    def _downloaded(self, source: str, asked: _Asked, url: str) -> Copy:
        reading = Reading(now=time.time())
        answer = asked.transport.open(url)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".partial-", delete=False) as file:
            path = Path(file.name)
            try:
                for piece in _decoded(self._pieces(answer, asked), zst=url.endswith(".zst")):
                    reading.feed(piece)
                    file.write(piece)
            except BaseException:
                path.unlink()
                raise
            finally:
                answer.close()
        kept = path.replace(self.folder / f"{reading.sha256()}.json")
        part = Part(source=source, path=kept)
        if wrong := reading.fault() or self._fault(part, reading.sha256()):
            raise Unavailable(cause=wrong, host=answer.host)
        return Copy(mirror=asked.mirror, part=part, sha256=reading.sha256(), newest=reading.newest)

    def _fault(self, part: Part, digest: Sha256) -> str | None:
        """One file at a time, as each is mapped into memory while it is looked at."""
        with self._parsing:
            if digest not in self._right:
                self._right[digest] = fault(part)
            return self._right[digest]

    def _pieces(self, answer: Body, asked: _Asked) -> Iterator[bytes]:
        """The body, whole. Raises Unavailable when it is cut short or drips, Abandoned."""
        got, since, there = 0, time.monotonic(), 0
        for piece in answer.chunks():
            if asked.over.is_set():
                raise Abandoned
            got += len(piece)
            self.advance(len(piece))
            yield piece
            if time.monotonic() - since > WINDOW:
                if got - there < SLOWEST:
                    raise Unavailable(cause=f"sends less than {SLOWEST / WINDOW / 1000:.0f} kB/s", host=answer.host)
                since, there = time.monotonic(), got
        if asked.over.is_set():
            raise Abandoned
        if answer.size is not None and got != answer.size:
            raise Unavailable(cause=f"ended after {got:,} of {answer.size:,} bytes", host=answer.host, again=True)


def _decoded(pieces: Iterator[bytes], *, zst: bool) -> Iterator[bytes]:
    """What zstd packed; bounded, for a mirror could send a bomb."""
    if not zst:
        yield from pieces
        return
    decoder, total = zstandard.ZstdDecompressor().decompressobj(), 0
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if decoder.eof:
                    decoder = zstandard.ZstdDecompressor().decompressobj()
                out = decoder.decompress(rest)
                rest = decoder.unused_data if decoder.eof else b""
                total += len(out)
                if total > _LARGEST:
                    raise Unavailable(cause=f"its repodata unpacks to more than {_LARGEST:,} bytes")
                yield out
    except zstandard.ZstdError as error:
        raise Unavailable(cause=f"its repodata.json.zst is garbled: {error}") from None
    if not decoder.eof:
        raise Unavailable(cause="its repodata.json.zst breaks off", again=True)
