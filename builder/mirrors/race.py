"""Asks one mirror, and the next one as well when the first does not answer soon: a dead host costs half a second."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from builder.mirrors.transport import Answer, Unavailable

HEDGE: Final = 0.5
"""Seconds without an answer after which another mirror is asked too."""
PATIENCE: Final = 3.0
"""The same for a mirror that has answered in this run."""


class Stopped(Exception):  # noqa: N818 - no error: somebody else failed, or the user wants to stop
    """The work is to end now."""


class Health:
    """How each mirror has done in this run; decides whom to ask first. Safe to use from several threads."""

    LAST: Final = 3

    def __init__(self) -> None:
        self._strikes: dict[str, int] = {}
        self._answered: set[str] = set()

    def order(self, names: Sequence[str]) -> list[str]:
        """The names as they are, with those that keep failing at the end."""
        return sorted(names, key=lambda n: self._strikes.get(n, 0) >= self.LAST)

    def good(self, name: str) -> None:
        """It gave what it was asked for."""
        self._answered.add(name)
        self._strikes[name] = 0

    def bad(self, name: str, *, contact: bool) -> None:
        """It failed; without contact, and never any before, it goes to the end at once."""
        weight = 1 if contact or name in self._answered else self.LAST
        self._strikes[name] = self._strikes.get(name, 0) + weight

    def patience(self, name: str) -> float:
        """Seconds to wait for it alone."""
        return PATIENCE if name in self._answered else HEDGE


Result = tuple[str, "Answer | Exception"]


class Race:
    """Opens one file on several mirrors, one after the other or overlapping; the first answer wins."""

    def __init__(self, opener: Callable[[str], Answer], *, health: Health, stop: threading.Event) -> None:
        self._opener, self._health, self._stop = opener, health, stop
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._over = False

    def run(self, names: Sequence[str], failed: Callable[[str, Unavailable], None]) -> tuple[str, Answer] | None:
        """The first mirror that answers, and its answer; None when all fail, of which `failed` hears each."""
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
                    self._overtaken(running)
                    return name, got
            return None
        finally:
            self._end()

    def _start(self, name: str, running: list[str]) -> None:
        running.append(name)
        threading.Thread(target=self._open, args=(name,), name=f"open-{name}", daemon=True).start()

    def _open(self, name: str) -> None:
        got: Answer | Exception
        try:
            got = self._opener(name)
        except Exception as error:  # raised again by `run`: a thread's error must not be lost
            got = error
        with self._guard:
            if not self._over:
                self._results.put((name, got))
                return
        if not isinstance(got, Exception):
            got.close()

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

    def _overtaken(self, running: list[str]) -> None:
        for name in running:
            self._health.bad(name, contact=False)

    def _end(self) -> None:
        """Late answers close themselves; those that came together with the winner are closed here."""
        with self._guard:
            self._over = True
        while not self._results.empty():
            _, got = self._results.get()
            if not isinstance(got, Exception):
                got.close()
