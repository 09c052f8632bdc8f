"""When a certificate has too little time left, by role."""

from __future__ import annotations

import pytest
from certificates import BEGIN, DAY, LEAF, MIDDLE, ROOT, certificate

from builder.trust.certs import Cert
from builder.trust.expiry import Role, State, days_of, judge, judged, limits_with


@pytest.mark.parametrize(
    ("made", "after", "role", "state", "why"),
    [
        (LEAF, 47, Role.LEAF, State.FINE, ""),
        (LEAF, 49, Role.LEAF, State.DUE, "less than 25% of its lifetime left"),
        (LEAF, 62, Role.LEAF, State.DUE, "fewer than 3 days left"),
        (LEAF, 64, Role.LEAF, State.EXPIRED, "ended on 2026-03-06"),
        (LEAF, -1, Role.LEAF, State.NOT_YET, "begins on 2026-01-01"),
        (MIDDLE, 930, Role.INTERMEDIATE, State.FINE, ""),
        (MIDDLE, 941, Role.INTERMEDIATE, State.DUE, "fewer than 60 days left"),
        (ROOT, 6900, Role.ROOT, State.FINE, ""),
        (ROOT, 6940, Role.ROOT, State.DUE, "fewer than 365 days left"),
    ],
)
def test_each_role_is_due_in_its_own_time(made: Cert, after: int, role: Role, state: State, why: str) -> None:
    found = judge(made, at=BEGIN + after * DAY)
    assert (found.role, found.state, found.why) == (role, state, why)
    assert found.days == (made.not_after - BEGIN).days - after


def test_a_leaf_of_47_days_is_not_due_all_its_life() -> None:
    short = certificate(47, ca=False, issuer="ca")
    states = [judge(short, at=BEGIN + n * DAY).state for n in range(47)]
    assert states.count(State.FINE) == 36  # three quarters of it


def test_a_leaf_of_ten_years_is_not_due_with_two_left() -> None:
    """A site's own authority issues for long; a quarter of that is no renewal that failed."""
    long = certificate(3650, ca=False, issuer="ca")
    assert judge(long, at=BEGIN + 3600 * DAY).state is State.FINE
    assert judge(long, at=BEGIN + 3621 * DAY).why == "less than 25% of its lifetime left"
    assert judge(long, at=BEGIN + 2800 * DAY, limits=limits_with(share=0.25)).state is State.DUE


def test_a_users_own_limits_are_for_every_role() -> None:
    limits = limits_with(days=60)
    assert [judge(c, at=BEGIN, limits=limits).state for c in (LEAF, MIDDLE, ROOT)] == [State.FINE] * 3
    assert judge(LEAF, at=BEGIN + 5 * DAY, limits=limits).why == "fewer than 60 days left"
    assert judge(ROOT, at=BEGIN + 3 * DAY, limits=limits_with(share=1.0)).state is State.DUE


def test_the_first_to_end_comes_first_and_each_once() -> None:
    found = judged((ROOT, LEAF, ROOT, MIDDLE), at=BEGIN)
    assert [e.certificate for e in found] == [LEAF, MIDDLE, ROOT]


@pytest.mark.parametrize(("text", "days"), [("60d", 60), ("8w", 56), ("3m", 90), ("1y", 365), ("7", 7), (" 2 D ", 2)])
def test_spans_are_read(text: str, days: int) -> None:
    assert days_of(text) == days


@pytest.mark.parametrize("text", ["", "d", "6h", "-1d", "1.5y"])
def test_other_spans_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        days_of(text)
