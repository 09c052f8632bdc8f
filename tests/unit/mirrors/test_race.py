"""Whom to ask first, and when to ask another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from builder.mirrors.health import Health
from builder.mirrors.race import Race, Stopped
from builder.mirrors.transport import Unavailable


class Answered:
    """An answer that notes whether it was closed."""

    offset, size, host = 0, None, "host.test"

    def __init__(self) -> None:
        self.closed = threading.Event()

    def chunks(self) -> Iterator[bytes]:
        yield b""

    def close(self) -> None:
        self.closed.set()


def test_a_late_answer_is_closed() -> None:
    slow, fast = Answered(), Answered()

    def opener(name: str) -> Answered:
        time.sleep(0.9 if name == "slow" else 0)
        return slow if name == "slow" else fast

    race = Race(opener, health=Health(), stop=threading.Event())
    assert race.run(["slow", "fast"], lambda *_: None) == ("fast", fast)
    assert slow.closed.wait(2.0)
    assert not fast.closed.is_set()


def test_failures_are_told_in_turn_and_none_is_left() -> None:
    said: list[str] = []

    def opener(name: str) -> Answered:
        raise Unavailable(cause=f"no {name}")

    race = Race(opener, health=Health(), stop=threading.Event())
    assert race.run(["a", "b"], lambda name, why: said.append(f"{name}: {why}")) is None
    assert said == ["a: no a", "b: no b"]


def test_a_fault_of_our_own_is_no_failure_of_a_mirror() -> None:
    def opener(name: str) -> Answered:
        raise KeyError(name)

    with pytest.raises(KeyError):
        Race(opener, health=Health(), stop=threading.Event()).run(["a", "b"], lambda *_: None)


def test_it_stops_when_it_is_told_to() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()

    def opener(name: str) -> Answered:
        time.sleep(3)
        return Answered()

    began = time.monotonic()
    with pytest.raises(Stopped):
        Race(opener, health=Health(), stop=stop).run(["a"], lambda *_: None)
    assert time.monotonic() - began < 1.0
