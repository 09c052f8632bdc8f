"""Progress as lines of a log: one when a task starts, one when it ends, and one in ten seconds between.

A task within a task has the lines between alone: its start and end are details of the outer one.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from builder.cli.amounts import amount_text, rate_text, summary, time_text
from builder.progress import Task, Unit

EVERY = 10.0
"""Seconds between two lines of one task."""
BEAT = 1.0
"""Seconds after which a task that says nothing of itself is looked at."""


class Lines:
    """Progress in a log. Safe to call from several threads: each line is one write."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream or sys.stderr, clock
        self._lock, self._running = threading.Lock(), list[_LineTask]()

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        """Says when the outermost task starts and how it ends."""
        task = _LineTask(label, total, unit, self.say, self._clock)
        with self._lock:
            say = _nothing if self._running else self.say
            self._running.append(task)
        say(f"{label}: started" + (f" ({amount_text(total, unit)})" if total else ""))
        end, over = "stopped", threading.Event()
        beat = threading.Thread(target=self._beat, args=(task, over), daemon=True)
        beat.start()
        try:
            yield task
            end = "done"
        finally:
            over.set()
            beat.join()
            with self._lock:
                self._running.remove(task)
            say(f"{label}: {end}, {task.summary()}")

    def _beat(self, task: _LineTask, over: threading.Event) -> None:
        """Has the innermost task told every so often: work that waits for an answer says nothing of itself."""
        while not over.wait(BEAT):
            if self._running[-1] is task:
                task.beat()

    def say(self, text: str) -> None:
        """Writes the line at once."""
        self._stream.write(text + "\n")
        self._stream.flush()


def _nothing(_text: str) -> None: ...


class _LineTask:
    def __init__(
        self, label: str, total: int | None, unit: Unit, say: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._label, self._total, self._unit, self._say, self._clock = label, total, unit, say, clock
        self._done, self._detail, self._lock = 0, "", threading.Lock()
        self._start = self._last = clock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount
            self._tell()

    def detail(self, text: str) -> None:
        with self._lock:
            self._detail = text
            self._tell()

    def total(self, amount: int) -> None:
        with self._lock:
            self._total = amount

    def beat(self) -> None:
        """Tells that it still waits, if it has said nothing for a while."""
        with self._lock:
            self._tell()

    def summary(self) -> str:
        return summary(self._done, self._unit, self._clock() - self._start)

    def _tell(self) -> None:
        now = self._clock()
        if now - self._last < EVERY:
            return
        self._last = now
        parts = [*self._moved(now - self._start), *([self._detail] if self._detail else [])]
        self._say(f"{self._label}: {', '.join(parts) or 'still at it'}")

    def _moved(self, seconds: float) -> Iterator[str]:
        rate = self._done / seconds
        if self._total:
            share = 100 * self._done // self._total
            yield f"{share} % ({amount_text(self._done, self._unit)} of {amount_text(self._total, self._unit)})"
        elif self._done:
            yield amount_text(self._done, self._unit)
        if rate > 0:
            yield rate_text(rate, self._unit)
            if self._total and self._total > self._done:
                yield f"{time_text((self._total - self._done) / rate)} left"
