"""When a file under way is called off, and when it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from builder.mirrors.health import Health
from builder.mirrors.watch import Stream, Watch

MB = 1_000_000
SECOND = 1.0


class Body:
    """An answer that notes whether it was ended early."""

    offset, size, host = 0, None, "host.test"
    aborted = False

    def chunks(self) -> Iterator[bytes]:
        yield b""

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None: ...


class Scene:
    """One file of 100 MB under way at `here`, looked at every half second; others have shown what they can."""

    def __init__(self, *, others: dict[str, float | None], size: int = 100 * MB, answer: float = 0.01) -> None:
        self.health, self.body, self.now = Health(lambda: self.now), Body(), 1000.0
        for name, rate in others.items():
            if rate is not None:
                self.health.asked(name)
                self.health.answered(name, 0.01)
                self.health.took(name, int(rate), SECOND)
        self.health.asked("here")
        self.health.answered("here", answer)
        self.watch = Watch(self.health, clock=lambda: self.now)
        self.stream = Stream(name="here", answer=self.body, left=size, others=tuple(others), since=self.now)

    def comes(self, rate: float, *, seconds: float) -> str | None:
        """Why it was called off, if it was, while bytes came at a rate."""
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            self.stream.got += int(rate / 2)
            self.watch.look(self.stream, self.now)
        assert self.body.aborted is (self.stream.slow is not None)
        return self.stream.slow


def test_a_tenth_of_another_mirrors_rate_is_called_off_within_a_second() -> None:
    assert Scene(others={"fast": 10 * MB}).comes(1 * MB, seconds=1) == "is far slower than fast"


def test_half_of_another_mirrors_rate_is_not() -> None:
    assert Scene(others={"fast": 10 * MB}).comes(5 * MB, seconds=19) is None


def test_nothing_is_called_off_where_all_are_equally_slow() -> None:
    assert Scene(others={"a": 1000, "b": 1100}).comes(1000, seconds=60) is None


def test_nothing_is_called_off_where_no_other_mirror_is_left() -> None:
    assert Scene(others={}).comes(1, seconds=60) is None


def test_what_is_nearly_done_is_not_called_off() -> None:
    assert Scene(others={"fast": 10 * MB}, size=1_600_000).comes(1 * MB, seconds=1.5) is None


def test_a_trickle_is_called_off_for_a_mirror_of_which_nothing_is_known() -> None:
    scene = Scene(others={"new": None})
    assert scene.comes(1000, seconds=2.5) is None
    assert scene.comes(1000, seconds=1) == "sends less than 100 kB/s"


def test_silence_is_called_off_as_well() -> None:
    scene = Scene(others={"other": 1 * MB})
    assert scene.comes(1 * MB, seconds=10) is None
    assert scene.comes(0, seconds=4) == "is far slower than other"


def test_a_short_pause_is_not() -> None:
    scene = Scene(others={"other": 1 * MB})
    assert scene.comes(1 * MB, seconds=10) is None
    assert scene.comes(0, seconds=1) is None


def test_a_far_server_is_given_time_to_speed_up() -> None:
    scene = Scene(others={"fast": 10 * MB}, answer=0.4)
    assert scene.comes(0.5 * MB, seconds=2) is None
    assert scene.comes(0.5 * MB, seconds=1) == "is far slower than fast"


@pytest.mark.parametrize("rest", [60.0, 0.0])
def test_a_mirror_that_rests_overtakes_nobody(rest: float) -> None:
    scene = Scene(others={"fast": 10 * MB})
    scene.health.bad("fast", contact=True, rest=rest)
    assert (scene.comes(1 * MB, seconds=5) is None) is bool(rest)


def test_what_comes_in_is_what_is_known_of_the_mirror() -> None:
    scene = Scene(others={})
    scene.comes(2 * MB, seconds=5)
    assert scene.health.soonest(["here"], 20 * MB) == ("here", pytest.approx(10, rel=0.05))
