"""Downloads repodata from several mirrors at once: conda itself gives up at the first dead one (FACTS 3)."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from builder.adapters.conda.cache import RepodataCache
from builder.adapters.conda.download import Asked, Copy, Download
from builder.errors import BuilderError, DiskError
from builder.mirrors.race import Stopped
from builder.mirrors.transport import Unavailable

MIRRORS: Final = 3
"""Mirrors whose repodata is compared: enough to tell a stale or lying one, and no more load on them than that."""
GRACE: Final = 2.0
"""Seconds that the others have when one mirror has given its repodata, and half of what that one took beside."""
ROUNDS: Final = 2
LONGEST_WAIT: Final = 10.0
"""Seconds: no server's Retry-After is obeyed beyond that."""
_TICK: Final = 0.2
_LINGER: Final = 1.0
"""Seconds that stopped downloads have to remove what they wrote."""


class Roots(Protocol):
    """Where a mirror has its things; `builder.mirrors` knows."""

    def roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of a source on a mirror. Raises RecipeError, HostError."""

    def agent(self, name: str, source: str) -> str | None:
        """What to be called there."""

    def carries(self, name: str, source: str) -> bool:
        """Whether a mirror has a source. Raises RecipeError for a mirror that does not exist."""

    def independent_first(self, names: Sequence[str], source: str) -> list[str]:
        """The names, one of each backend before all others."""

    def carrying(self, source: str) -> tuple[str, ...]:
        """The names of all that carry a source."""


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


@dataclass(frozen=True, kw_only=True)
class Gatherer:
    """Asks mirrors for repodata. Its threads end soon after `stop` is set."""

    mirrors: Roots
    cache: RepodataCache
    advance: Callable[[int], None] = lambda _: None
    """Hears of bytes as they come."""
    stop: threading.Event = field(default_factory=threading.Event)

    def gather(self, source: str, names: Sequence[str]) -> Gathered:
        """The repodata of `conda-forge/linux-64` from the first mirrors that give it, at most three.

        No mirror's silence is waited for longer than a few seconds when another one has answered.
        Raises DiskError, Stopped.
        """
        download = Download(source=source, cache=self.cache, advance=self.advance)
        failed: dict[str, Unavailable] = {}
        asking = tuple(names)
        for turn in range(ROUNDS):
            found, slow = self._round(download, asking, failed)
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
        self, download: Download, names: Sequence[str], failed: dict[str, Unavailable]
    ) -> tuple[dict[str, Copy], tuple[str, ...]]:
        """Asks mirrors until enough have answered; those that gave it, and those that were too slow."""
        results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        waiting, running, found = deque(names), dict[str, Asked](), dict[str, Copy]()
        began, until = time.monotonic(), float("inf")
        try:
            while len(found) < MIRRORS and (waiting or running):
                if time.monotonic() >= until and not any(asked.came for asked in running.values()):
                    break
                while waiting and len(running) + len(found) < MIRRORS:
                    name = waiting.popleft()
                    asked = running[name] = Asked(mirror=name, agent=self.mirrors.agent(name, download.source))
                    asked.thread = threading.Thread(target=self._ask, args=(download, asked, results), daemon=True)
                    asked.thread.start()
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
            if self.stop.is_set():
                _wait(running.values())
        return found, tuple(running)

    def _next(self, results: queue.SimpleQueue[Result], until: float) -> Result | None:
        if self.stop.is_set():
            raise Stopped
        try:
            return results.get(timeout=min(max(until - time.monotonic(), 0.001), _TICK))
        except queue.Empty:
            return None

    def _ask(self, download: Download, asked: Asked, results: queue.SimpleQueue[Result]) -> None:
        """In a thread: whatever comes of it is put into `results`, unless nobody waits for it any more."""
        try:
            (root, *_) = self.mirrors.roots(asked.mirror, download.source)
            results.put((asked.mirror, download.copy(asked, root)))
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


def _wait(asked: Iterable[Asked]) -> None:
    """For downloads that nobody waits for to end: the program does, and would leave their files behind."""
    until = time.monotonic() + _LINGER
    for one in asked:
        if one.thread:
            one.thread.join(max(0.0, until - time.monotonic()))
