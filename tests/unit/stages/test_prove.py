from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import gate_examples as examples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import CheckFailed, UnprovenError
from builder.models.base import ImageId, sha256_of
from builder.models.report import CheckResult, Outcome, Proof, Report
from builder.stages.prove import (
    combine,
    other_questions,
    require_answers,
    require_same_questions,
    too_old,
    unproven,
    with_answers,
)

IMAGE: ImageId = examples.image().id
OTHER: ImageId = examples.image("sha256:other").id
BY = Proof(engine="Engine 28 (linux/amd64)", host="gpu")
NAMES = ("python", "cuda", "nvidia-smi")
VERDICTS = (Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.UNPROVEN)
FINAL = (Outcome.FAIL, Outcome.ERROR)


def result(name: str, outcome: Outcome, image: ImageId = IMAGE, key: str = "") -> CheckResult:
    return CheckResult(
        name=name, outcome=outcome, summary=f"{name} said", seconds=0.1, key=sha256_of(key or name), image=image
    )


def report(*outcomes: Outcome, **changes: Any) -> Report:
    digest = sha256_of("x")
    results = tuple(result(name, outcome) for name, outcome in zip(NAMES, outcomes, strict=False))
    made = {
        "name": "demo",
        "image": IMAGE,
        "recipe": digest,
        "lock": digest,
        "rendering": digest,
        "engine": "Engine 26",
    }
    return Report(**{**made, "results": results, **changes})


def outcomes(of: Report) -> tuple[Outcome, ...]:
    return tuple(r.outcome for r in of.results)


FIRST = report(Outcome.PASS, Outcome.PASS, Outcome.UNPROVEN)
reports = st.tuples(*[st.sampled_from(VERDICTS)] * len(NAMES)).map(lambda found: report(*found))


@given(reports, reports, reports)
def test_reports_are_put_together_in_any_order_and_as_often_as_one_likes(a: Report, b: Report, c: Report) -> None:
    assert outcomes(combine(a, b)) == outcomes(combine(b, a))
    assert outcomes(combine(combine(a, b), c)) == outcomes(combine(a, combine(b, c)))
    assert combine(a, a) == a
    assert combine(combine(a, b), b) == combine(a, b)


@given(st.lists(reports, min_size=1, max_size=6))
def test_no_report_washes_a_failure_away(several: list[Report]) -> None:
    whole = several[0]
    for one in several[1:]:
        whole = combine(whole, one)
    for position, name in enumerate(NAMES):
        had = {one.results[position].outcome for one in several}
        assert (whole.results[position].outcome in FINAL) == bool(had & {*FINAL}), name
        assert (whole.results[position].outcome is Outcome.UNPROVEN) == (had == {Outcome.UNPROVEN}), name


@given(reports, st.sampled_from(VERDICTS))
def test_an_answer_changes_an_open_question_and_nothing_else(first: Report, verdict: Outcome) -> None:
    open_ = [r.name for r in first.with_outcome(Outcome.UNPROVEN)]
    got = with_answers(first, tuple(result(name, verdict) for name in open_), BY)
    for before, after in zip(first.results, got.results, strict=True):
        if before.outcome is not Outcome.UNPROVEN or verdict is Outcome.UNPROVEN:
            assert after == before
        else:
            assert (after.outcome, after.proven) == (verdict, BY)
    assert got.model_copy(update={"results": ()}) == first.model_copy(update={"results": ()})


@pytest.mark.parametrize("field", ["name", "image", "recipe", "lock", "rendering"])
def test_report_about_something_else_is_not_taken_in(field: str) -> None:
    value = {"name": "other", "image": OTHER}.get(field, sha256_of("y"))
    with pytest.raises(CheckFailed, match=f"demo: what was brought is about another {field}"):
        combine(FIRST, report(*outcomes(FIRST), **{field: value}))


@pytest.mark.parametrize(
    "results",
    [
        (),
        FIRST.results[:2],
        FIRST.results[::-1],
        (*FIRST.results[:2], result("nvidia-smi", Outcome.PASS, key="an older script")),
        (*FIRST.results, result("more", Outcome.PASS)),
    ],
)
def test_report_with_other_questions_is_not_taken_in(results: tuple[CheckResult, ...]) -> None:
    with pytest.raises(CheckFailed, match="demo: what was brought is about other questions"):
        combine(FIRST, FIRST.model_copy(update={"results": results}))


def test_check_that_is_skipped_in_one_report_alone_is_not_put_together() -> None:
    with pytest.raises(CheckFailed, match="another skip of nvidia-smi"):
        combine(FIRST, report(Outcome.PASS, Outcome.PASS, Outcome.SKIP))
    assert combine(report(Outcome.SKIP), report(Outcome.SKIP)) == report(Outcome.SKIP)


def test_what_another_report_proved_says_by_which_engine() -> None:
    other = report(Outcome.PASS, Outcome.PASS, Outcome.PASS, engine="Engine 28")
    assert combine(FIRST, other).results[2].proven == Proof(engine="Engine 28", host="")
    assert combine(FIRST, other).results[0].proven is None
    proven = with_answers(FIRST, (result("nvidia-smi", Outcome.PASS),), BY)
    assert combine(FIRST, proven) == proven


@pytest.mark.parametrize(
    "answer",
    [
        result("nvidia-smi", Outcome.PASS, image=OTHER),
        result("nvidia-smi", Outcome.PASS, key="an older script"),
        result("cuda", Outcome.PASS),  # has an answer already
        result("no such", Outcome.PASS),
    ],
)
def test_answer_to_something_else_is_not_taken_in(answer: CheckResult) -> None:
    with pytest.raises(CheckFailed, match=r"demo: what was brought is about another (question than|image)"):
        with_answers(FIRST, (answer,), BY)


@pytest.mark.parametrize("verdict", FINAL)
def test_image_that_failed_has_nothing_left_to_prove(verdict: Outcome) -> None:
    assert unproven(FIRST) == {"nvidia-smi"}
    assert unproven(report(*[Outcome.PASS] * 3)) == frozenset()
    with pytest.raises(CheckFailed) as caught:
        unproven(report(verdict, Outcome.PASS, Outcome.UNPROVEN))
    assert caught.value.what == "demo: 1 of 3 checks did not pass, so there is nothing to prove"
    assert [(f.where, f.what) for f in caught.value.faults] == [("python", f"{verdict.value} python said")]


def test_questions_that_have_changed_are_named() -> None:
    keys = tuple(r.key for r in FIRST.results)
    require_same_questions(FIRST, keys)
    assert other_questions(FIRST, keys[:2]) == ("other checks",)
    with pytest.raises(CheckFailed) as caught:
        require_same_questions(FIRST, (*keys[:2], sha256_of("newer")))
    assert caught.value.seen == "nvidia-smi: another script, other arguments, or other layers"


def test_engines_count_an_images_size_as_they_like() -> None:
    sized = FIRST.model_copy(update={"results": (*FIRST.results, result("size", Outcome.PASS))})
    assert other_questions(sized, (*(r.key for r in FIRST.results), sha256_of("another size"))) == ()


def test_host_that_proves_nothing_is_told_with_its_reason() -> None:
    require_answers((result("cuda", Outcome.UNPROVEN), result("nvidia-smi", Outcome.FAIL)), BY)
    with pytest.raises(UnprovenError) as caught:
        require_answers((result("nvidia-smi", Outcome.UNPROVEN),), BY)
    assert caught.value.what == "this host cannot prove nvidia-smi either; report and names stay as they were"
    assert caught.value.where == "gpu (Engine 28 (linux/amd64))"
    assert caught.value.faults[0].what == "UNPROVEN nvidia-smi said"


NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(("hours", "old"), [(1, False), (23, False), (25, True), (-25, True), (None, True)], ids=str)
def test_pass_that_depends_on_the_day_is_too_old_after_a_day(hours: int | None, old: bool) -> None:
    asked = None if hours is None else NOON - timedelta(hours=hours)
    dated = result("trust", Outcome.PASS).model_copy(update={"asked": asked})
    found = report(results=(dated, result("python", Outcome.PASS), result("clock", Outcome.SKIP)))
    assert too_old(found, frozenset(("trust", "clock")), NOON) == ({"trust"} if old else set())


def test_answer_to_what_passed_too_long_ago_is_taken_and_proves_nothing_else() -> None:
    old = frozenset(("python",))
    again = (result("python", Outcome.FAIL),)
    assert outcomes(with_answers(FIRST, again, BY, old=old))[0] is Outcome.FAIL
    with pytest.raises(UnprovenError, match="this host cannot prove nvidia-smi either"):
        require_answers((result("python", Outcome.PASS), result("nvidia-smi", Outcome.UNPROVEN)), BY, old=old)
    require_answers((result("python", Outcome.PASS),), BY, old=old)
    require_answers((result("python", Outcome.FAIL), result("nvidia-smi", Outcome.UNPROVEN)), BY, old=old)


def test_check_that_could_not_be_carried_out_proves_nothing() -> None:
    with pytest.raises(CheckFailed, match="1 of 2 checks could not be carried out there; the report stays as it was"):
        require_answers((result("cuda", Outcome.PASS), result("nvidia-smi", Outcome.ERROR)), BY)
