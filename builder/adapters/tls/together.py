"""Several questions at once, each with its answer or None when the time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Asked:
    """Runs calls in daemon threads: one that hangs in the resolver holds nobody up, not even the end of the program."""

    def __init__(self, calls: Sequence[Callable[[], object]]) -> None:
        self._answers: list[object] = [None] * len(calls)
        self._threads = [
            threading.Thread(target=self._run, args=(number, call), daemon=True) for number, call in enumerate(calls)
        ]
        for thread in self._threads:
            thread.start()

    def answers(self, seconds: float) -> list[object]:
        """What is there after at most that many seconds; None for a call that failed or still runs."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return list(self._answers)

    def _run(self, number: int, call: Callable[[], object]) -> None:
        try:
            self._answers[number] = call()
        except Exception:
            self._answers[number] = None


def together(calls: Sequence[Callable[[], _T]], seconds: float) -> list[_T | None]:
    """All at once; None for one that failed or is not done in time."""
    return Asked(calls).answers(seconds)  # type: ignore[return-value]
