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
ALIKE: Final = 2.0
"""Mirrors within this factor of the fastest are equal: of them the recipe's first is asked."""
_NOTHING: Final = 0.02
"""Seconds that are no difference either."""
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
    strikes: int = 0
    trials: int = 0
    """How often it was asked without having failed; counts until it has sent something."""
    rests_until: float = -math.inf
    answer: float | None = None
    """Seconds until it answers."""
    rate: Rate = field(default_factory=Rate)

    @property
    def known(self) -> bool:
        """Whether it has sent anything."""
        return self.rate.bytes > 0

    def time(self, size: float) -> float:
        """Seconds that a file of so many bytes takes, by what was seen."""
        return (self.answer or 0.0) + self.rate.time(size)


class Health:
    """What is known of each mirror, measured and not asked. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: defaultdict[str, _Record] = defaultdict(_Record)
        self._guard = threading.RLock()

    def order(self, names: Iterable[str], size: int = 0) -> list[str]:
        """The names in the order to ask them for so many bytes.

        First one of which nothing is known, for one file; then those that are about as fast as the fastest, as the
        recipe has them; the slower ones, fastest first; and at last those that keep failing.
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
            return (2 if record.trials else 0, record.trials)
        if record.time(size) <= ALIKE * best + _NOTHING:
            return (1, 0)
        return (3, record.time(size))

    def soonest(self, names: Sequence[str], size: int) -> tuple[str, float] | None:
        """Of the mirrors that have sent something the one that would bring so many bytes first, and in how long."""
        with self._guard:
            times = ((self._of[n].time(size), n) for n in names if self._usable(n))
            best = min(times, default=None)
            return (best[1], best[0]) if best else None

    def _usable(self, name: str) -> bool:
        return self._of[name].known and self._of[name].rests_until <= self._clock()

    def has_unknown(self, names: Sequence[str]) -> bool:
        """Whether one of them has sent nothing yet, and has not failed."""
        with self._guard:
            records = [self._of[n] for n in names]
            return any(not r.known and r.rests_until <= self._clock() for r in records)

    def patience(self, name: str) -> float:
        """Seconds to wait for its answer alone: by what it has shown, so that one that falls silent costs little."""
        with self._guard:
            return min(PATIENCE, HEDGE + 4 * (self._of[name].answer or 0.0))

    def asked(self, name: str) -> None:
        """It is asked for a file."""
        with self._guard:
            self._of[name].trials += 1

    def answered(self, name: str, seconds: float) -> None:
        """It began to send a file after so long."""
        with self._guard:
            record = self._of[name]
            record.answer = seconds if record.answer is None else (record.answer + seconds) / 2
            record.rate.add(0, seconds)  # a mirror that only sent small files is not taken for a fast one
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
            stranger = not contact and record.answer is None
            record.strikes += STRIKES if stranger else 1
            record.trials = max(0, record.trials - 1)
            if record.strikes >= STRIKES:
                rest = math.inf if stranger else max(rest, REST)
            if rest:
                record.rests_until = max(record.rests_until, now + rest)
