"""Asks one mirror, and the next one as well when the first does not answer soon: a dead host costs half a second."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from builder.mirrors.health import Health
from builder.mirrors.transport import Answer, Unavailable


class Stopped(Exception):  # noqa: N818 - no error: somebody else failed, or the user wants to stop
    """The work is to end now."""


Result = tuple[str, "Answer | Exception"]


class Race:
    """Opens one file on several mirrors, one after the other or overlapping; the first answer wins."""

    def __init__(self, opener: Callable[[str], Answer], *, health: Health, stop: threading.Event) -> None:
        self._opener, self._health, self._stop = opener, health, stop
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._over = False
        self.late: list[str] = []
        """Mirrors that had not answered when another did."""

    def run(self, names: Sequence[str], failed: Callable[[str, Unavailable], None]) -> tuple[str, Answer] | None:
        """The first mirror that answers, and its answer, whose end is to be told to `Health.done`; None when all fail.

        `failed` hears of each that does.
        """
        waiting, running = list(names), list[str]()
        try:
            while waiting or running:
                if not running:
                    self._start(waiting.pop(0), running)
                result = self._wait(running, hedge=bool(waiting))
                if result is None:
                    self._start(waiting.pop(0), running)
                    continue
                name, got = result
                running.remove(name)
                if isinstance(got, Unavailable):
                    failed(name, got)
                elif isinstance(got, Exception):
                    raise got
                else:
                    self.late = running
                    return name, got
            return None
        finally:
            self._end()

    def _start(self, name: str, running: list[str]) -> None:
        running.append(name)
        self._health.asked(name)
        threading.Thread(target=self._open, args=(name,), name=f"open-{name}", daemon=True).start()

    def _open(self, name: str) -> None:
        got: Answer | Exception
        began = time.monotonic()
        try:
            got = self._opener(name)
            self._health.answered(name, time.monotonic() - began)
        except Exception as error:  # raised again by `run`: a thread's error must not be lost
            got = error
            self._health.done(name)
        with self._guard:
            if not self._over:
                self._results.put((name, got))
                return
        self._drop(name, got)

    def _wait(self, running: list[str], *, hedge: bool) -> Result | None:
        """The next result; None when it is time to ask another mirror. Raises Stopped."""
        until = time.monotonic() + self._health.patience(running[-1])
        while not self._stop.is_set():
            try:
                return self._results.get(timeout=0.1)
            except queue.Empty:
                if hedge and time.monotonic() >= until:
                    return None
        raise Stopped

    def _end(self) -> None:
        """Late answers close themselves; those that came together with the winner are closed here."""
        with self._guard:
            self._over = True
        while not self._results.empty():
            self._drop(*self._results.get())

    def _drop(self, name: str, got: Answer | Exception) -> None:
        if not isinstance(got, Exception):
            got.close()
            self._health.done(name)
