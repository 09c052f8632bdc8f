"""Whom to ask first, by what each mirror has shown."""

from __future__ import annotations

import pytest

from builder.mirrors.health import AGAIN, HEDGE, PATIENCE, REST, Health

MB = 1_000_000


class Clock:
    """A time that moves when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def sent(health: Health, name: str, *, rate: float, answer: float = 0.01) -> None:
    """A mirror is asked, and sends for a second at a rate."""
    health.asked(name)
    health.answered(name, answer)
    health.took(name, int(rate), 1.0)
    health.good(name)
    health.done(name)


def test_the_recipes_order_holds_where_nothing_is_known(health: Health) -> None:
    assert health.order(["a", "b", "c"]) == ["a", "b", "c"]


def test_files_that_start_together_try_each_mirror(health: Health) -> None:
    first = []
    for _ in range(4):
        first.append(health.order(["a", "b"])[0])
        health.asked(first[-1])
    assert first == ["a", "b", "a", "b"]


def test_a_mirror_that_is_hardly_known_gets_a_file_at_a_time(health: Health) -> None:
    sent(health, "a", rate=MB)
    assert health.order(["a", "b"]) == ["b", "a"]
    health.asked("b")
    assert health.order(["a", "b"]) == ["a", "b"]


def test_mirrors_that_are_about_as_fast_keep_the_recipes_order(health: Health) -> None:
    sent(health, "a", rate=7 * MB)
    sent(health, "b", rate=10 * MB)
    assert health.order(["a", "b"], 100 * MB) == ["a", "b"]


def test_a_far_slower_mirror_is_asked_after_the_fast_ones(health: Health) -> None:
    for name, rate in {"slow": 1, "slower": 0.5, "fast": 10, "fine": 8}.items():
        sent(health, name, rate=rate * MB)
    assert health.order(["slower", "slow", "fine", "fast"], 100 * MB) == ["fine", "fast", "slow", "slower"]


def test_for_a_small_file_the_answer_counts_and_not_the_rate(health: Health) -> None:
    sent(health, "far", rate=50 * MB, answer=0.4)
    sent(health, "near", rate=5 * MB, answer=0.01)
    assert health.order(["far", "near"], 1000) == ["near", "far"]
    assert health.order(["near", "far"], 500 * MB) == ["far", "near"]


def test_the_latest_rate_counts_most(health: Health) -> None:
    sent(health, "a", rate=10 * MB)
    for _ in range(5):
        health.took("a", MB, 1.0)
    found = health.soonest(["a"], MB)
    assert found is not None
    assert 0.8 < found[1] < 1.2


def test_a_mirror_that_sent_one_small_file_is_not_taken_for_a_fast_one(health: Health) -> None:
    health.asked("a")
    health.answered("a", 0.1)
    health.took("a", 10_000, 0.0001)
    health.done("a")
    assert health.soonest(["a"], 100 * MB) is None
    for _ in range(2):
        health.answered("a", 0.1)
        health.took("a", 10_000, 0.0001)
    found = health.soonest(["a"], 100 * MB)
    assert found is not None
    assert found[1] > 50


def test_what_it_took_to_connect_is_no_measure_of_a_mirror(health: Health) -> None:
    for answer in (0.5, 0.4, 0.01):
        health.answered("a", answer)
        health.took("a", 10_000, 0.001)
    found = health.soonest(["a"], 10_000)
    assert found is not None
    assert found[1] < 0.05


def test_a_slower_mirror_is_tried_again_after_a_while(health: Health, clock: Clock) -> None:
    sent(health, "a", rate=1 * MB)
    sent(health, "b", rate=10 * MB)
    assert health.order(["a", "b"], 10 * MB) == ["b", "a"]
    clock.now += AGAIN + 1
    assert health.order(["a", "b"], 10 * MB) == ["a", "b"]
    health.asked("a")
    assert health.order(["a", "b"], 10 * MB) == ["b", "a"]


def test_a_mirror_that_never_answered_rests_for_the_whole_run_at_its_first_silence(
    health: Health, clock: Clock
) -> None:
    health.asked("a")
    health.bad("a", contact=False)
    clock.now += 10_000
    assert health.order(["a", "b", "c"]) == ["b", "c", "a"]


def test_one_that_answers_too_late_is_no_dead_one(health: Health) -> None:
    health.asked("a")
    health.bad("a", contact=False)
    health.answered("a", 0.8)
    health.done("a")
    assert health.order(["a", "b"]) == ["a", "b"]


def test_a_mirror_that_answers_badly_rests_the_third_time_and_only_for_a_while(health: Health, clock: Clock) -> None:
    orders = []
    for _ in range(3):
        health.bad("a", contact=True)
        orders.append(health.order(["a", "b"]))
    assert orders == [["a", "b"], ["a", "b"], ["b", "a"]]
    clock.now += REST + 1
    assert health.order(["a", "b"]) == ["a", "b"]


def test_a_mirror_that_asks_to_wait_is_left_for_so_long(health: Health, clock: Clock) -> None:
    health.bad("a", contact=True, rest=7.0)
    assert health.order(["a", "b"]) == ["b", "a"]
    clock.now += 8
    assert health.order(["a", "b"]) == ["a", "b"]


def test_one_success_makes_good_what_was_before(health: Health) -> None:
    health.bad("a", contact=False)
    health.answered("a", 0.01)
    health.good("a")
    assert health.order(["a", "b"]) == ["a", "b"]
    health.bad("a", contact=False)
    assert health.order(["a", "b"]) == ["a", "b"]


def test_who_answers_fast_is_soon_missed_and_who_answers_slowly_is_waited_for(health: Health) -> None:
    sent(health, "near", rate=MB, answer=0.01)
    sent(health, "far", rate=MB, answer=0.4)
    sent(health, "very far", rate=MB, answer=5.0)
    waits = [health.patience(n) for n in ("unknown", "near", "far", "very far")]
    assert waits == [HEDGE, pytest.approx(HEDGE + 0.04), pytest.approx(HEDGE + 1.6), PATIENCE]


def test_a_resting_mirror_overtakes_nobody(health: Health) -> None:
    sent(health, "a", rate=MB)
    health.bad("a", contact=True, rest=5.0)
    assert health.soonest(["a", "b"], MB) is None
    assert health.has_unknown(["a"]) is False
    assert health.has_unknown(["a", "b"]) is True
