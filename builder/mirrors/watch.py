"""Looks at every file under way, several times a second, and calls off what another mirror would bring far sooner.

Called off is not lost: the bytes stay, another mirror sends the rest. It happens once a file and mirror, and never
where all are equally slow, or where no other mirror is left: there a trickle is progress.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from builder.mirrors.health import Health, Rate
from builder.mirrors.transport import Answer

TICK: Final = 0.1
WINDOW: Final = 0.5
"""Seconds over which a rate is measured."""
FAR_SLOWER: Final = 3.0
"""The rest has to take so many times as long as at the other mirror,"""
COST: Final = 0.5
"""and so many seconds more: asking anew takes a moment too."""
FLOOR: Final = 100_000
"""Bytes a second, below which a mirror is given up for one of which nothing is known yet,"""
FLOOR_AFTER: Final = 3.0
"""after so many seconds."""


@dataclass(kw_only=True, eq=False)
class Stream:
    """One file under way."""

    name: str
    """The mirror's."""
    answer: Answer
    left: int
    """Bytes that it has to send."""
    others: Sequence[str]
    """Mirrors that could send them as well."""
    got: int = 0
    """Bytes that it has sent; counted by who reads."""
    slow: str | None = None
    """Why it was called off."""
    rate: Rate = field(default_factory=Rate)
    counted: int = 0
    since: float = 0.0
    """Up to where, and up to when, `rate` goes."""
    age: float = 0.0


class Watch:
    """Every stream of a run, and the thread that looks at them for as long as there are any."""

    def __init__(self, health: Health, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._health, self._clock = health, clock
        self._streams: set[Stream] = set()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, stream: Stream) -> Iterator[None]:
        """Looks at a stream until the end of the `with` block."""
        stream.since = self._clock()
        with self._guard:
            self._streams.add(stream)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._guard:
                self._streams.discard(stream)
                self._measure(stream, self._clock())

    def _run(self) -> None:
        while True:
            time.sleep(TICK)
            with self._guard:  # held throughout: nothing that has ended is called off
                if not self._streams:
                    self._thread = None
                    return
                for stream in self._streams:
                    self.look(stream, self._clock())

    def look(self, stream: Stream, now: float) -> None:
        """Measures a stream, and calls it off when another mirror would be far faster."""
        if now - stream.since < WINDOW or stream.slow:
            return
        self._measure(stream, now)
        stream.slow = self._verdict(stream)
        if stream.slow:
            stream.answer.abort()

    def _measure(self, stream: Stream, now: float) -> None:
        got, seconds = stream.got, max(now - stream.since, 1e-6)
        stream.rate.add(got - stream.counted, seconds)
        self._health.took(stream.name, got - stream.counted, seconds)
        stream.counted, stream.since, stream.age = got, now, stream.age + seconds

    def _verdict(self, stream: Stream) -> str | None:
        left = stream.left - stream.counted
        if left <= 0 or stream.age < self._health.patience(stream.name):  # far servers take their time to speed up
            return None
        other = self._health.soonest(stream.others, left)
        if other and stream.rate.time(left) > FAR_SLOWER * other[1] + COST:
            return f"is far slower than {other[0]}"
        if stream.age >= FLOOR_AFTER and stream.rate.value < FLOOR and self._health.has_unknown(stream.others):
            return f"sends less than {FLOOR // 1000} kB/s"
        return None
