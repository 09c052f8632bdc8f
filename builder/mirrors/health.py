"""How each mirror has done in this run: whom to ask first, and how soon another would have brought the same."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

HEDGE: Final = 0.5
"""Seconds without an answer after which another mirror is asked too."""
PATIENCE: Final = 3.0
"""The same, at most, for a mirror that is known to answer slowly."""
ALIKE: Final = 1.5
"""Mirrors within this factor of the fastest are equal: of them the recipe's first is asked."""
_NOTHING: Final = 0.005
"""Seconds that are no difference either."""
AGAIN: Final = 15.0
"""Seconds after which a slower mirror gets another file: it, or its first measure, may have been slow by chance."""
_ENOUGH: Final = 3
"""Files,"""
_LONG_ENOUGH: Final = 0.4
"""or seconds of one, after which a mirror is known."""
_DOUBT: Final = 0.02
"""Seconds."""
STRIKES: Final = 3
"""Failures in a row after which a mirror rests."""
REST: Final = 30.0
"""Seconds; one that never answered rests for the whole run."""


@dataclass
class Rate:
    """Bytes a second, of which the latest count most: what was seen a second of transfer ago counts half."""

    bytes: float = 0.0
    seconds: float = 0.0

    def add(self, size: float, seconds: float) -> None:
        """So many bytes came in so many seconds."""
        keep = 0.5**seconds
        self.bytes, self.seconds = self.bytes * keep + size, self.seconds * keep + seconds

    def time(self, size: float) -> float:
        """Seconds that so many bytes take."""
        return size * self.seconds / self.bytes if self.bytes else math.inf

    @property
    def value(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds if self.seconds else 0.0


@dataclass
class _Record:
    under_way: int = 0
    asked_at: float = -math.inf
    strikes: int = 0
    rests_until: float = -math.inf
    answers: int = 0
    answer: float = 0.0
    """Seconds until it answers; what it took to connect is soon forgotten."""
    rate: Rate = field(default_factory=Rate)

    @property
    def known(self) -> bool:
        """Whether it has sent enough to be judged by."""
        return self.rate.bytes > 0 and (self.answers >= _ENOUGH or self.rate.seconds >= _LONG_ENOUGH)

    def time(self, size: float) -> float:
        """Seconds that a file of so many bytes takes, by what was seen."""
        # A body that came with its headers took no time at all: not for that is its mirror taken for a fast one.
        return self.answer + size * (self.rate.seconds + _DOUBT) / self.rate.bytes if self.rate.bytes else math.inf


class Health:
    """What is known of each mirror, measured and not asked. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: defaultdict[str, _Record] = defaultdict(_Record)
        self._guard = threading.RLock()

    def order(self, names: Iterable[str], size: int = 0) -> list[str]:
        """The names in the order to ask them for so many bytes.

        First one that is hardly known, if nobody asks it just now; then those that are about as fast as the fastest,
        as the recipe has them; the slower ones, fastest first; and at last those that keep failing.
        """
        with self._guard:
            names = list(names)
            best = min((self._of[n].time(size) for n in names if self._usable(n)), default=math.inf)
            return sorted(names, key=lambda n: self._rank(n, size, best))

    def _rank(self, name: str, size: int, best: float) -> tuple[int, float]:
        record = self._of[name]
        if record.rests_until > self._clock():
            return (4, record.rests_until)
        if not record.known:
            return (2 if record.under_way else 0, record.under_way)
        if record.time(size) <= ALIKE * best + _NOTHING:
            return (1, 0)
        if self._clock() - record.asked_at > AGAIN:
            return (0, 0)
        return (3, record.time(size))

    def soonest(self, names: Sequence[str], size: int) -> tuple[str, float] | None:
        """Of the mirrors that are known the one that would bring so many bytes first, and in how long."""
        with self._guard:
            times = ((self._of[n].time(size), n) for n in names if self._usable(n))
            best = min(times, default=None)
            return (best[1], best[0]) if best else None

    def _usable(self, name: str) -> bool:
        return self._of[name].known and self._of[name].rests_until <= self._clock()

    def has_unknown(self, names: Sequence[str]) -> bool:
        """Whether one of them is hardly known, and has not failed."""
        with self._guard:
            records = [self._of[n] for n in names]
            return any(not r.known and r.rests_until <= self._clock() for r in records)

    def patience(self, name: str) -> float:
        """Seconds to wait for its answer alone: by what it has shown, so that one that falls silent costs little."""
        with self._guard:
            return min(PATIENCE, HEDGE + 4 * self._of[name].answer)

    def asked(self, name: str) -> None:
        """It is asked for a file; `done` follows."""
        with self._guard:
            self._of[name].under_way += 1
            self._of[name].asked_at = self._clock()

    def done(self, name: str) -> None:
        """What it was asked for is over, in whichever way."""
        with self._guard:
            self._of[name].under_way -= 1

    def answered(self, name: str, seconds: float) -> None:
        """It began to send a file after so long."""
        with self._guard:
            record = self._of[name]
            record.answer = min(seconds, (record.answer + seconds) / 2) if record.answers else seconds
            record.answers += 1
            if record.rests_until == math.inf:  # too late for the file that it was asked for, and yet no dead one
                record.strikes, record.rests_until = 0, -math.inf

    def took(self, name: str, size: int, seconds: float) -> None:
        """It sent so many bytes of a file in so long."""
        with self._guard:
            self._of[name].rate.add(size, seconds)

    def good(self, name: str) -> None:
        """It gave what it was asked for."""
        with self._guard:
            record = self._of[name]
            record.strikes, record.rests_until = 0, -math.inf

    def bad(self, name: str, *, contact: bool, rest: float = 0.0) -> None:
        """It failed; without contact, and never any before, it rests at once. `rest`: seconds that it asks for."""
        with self._guard:
            record, now = self._of[name], self._clock()
            stranger = not contact and not record.answers
            record.strikes += STRIKES if stranger else 1
            if record.strikes >= STRIKES:
                rest = math.inf if stranger else max(rest, REST)
            if rest:
                record.rests_until = max(record.rests_until, now + rest)
