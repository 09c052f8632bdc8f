from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gate_examples as examples
import pytest

from builder.checks import CHECKS
from builder.checks.mutations import mutations
from builder.errors import CheckFailed, EngineError
from builder.models.engine import Completed, ImageFacts
from builder.models.mutation import Mutated, Mutation, Verdict
from builder.progress import Silent
from builder.stages.check_audit import AUDIT
from builder.stages.check_size import SIZE
from builder.stages.mutate import Subject, mutate, require_caught

MUTANT = examples.image("sha256:mutant")


class Saying(examples.HostRunner):
    """A runner whose containers all answer the same."""

    def __init__(self, outcome: str, summary: str) -> None:
        super().__init__()
        self.answer = json.dumps({"outcome": outcome, "summary": summary, "evidence": {}}).encode()
        self.asked: list[str] = []

    def run_check(self, image: Any, **_: Any) -> Completed:
        self.asked.append(image)
        return Completed(exit_code=0, stdout=self.answer, stderr=b"", seconds=0.0)


@dataclass
class Copies:
    """Gives the same mutant for every script, and counts those that are still there."""

    scripts: list[str] = field(default_factory=list)
    variables: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    there: int = 0
    mutant: ImageFacts = MUTANT
    broken: str = ""

    @contextmanager
    def __call__(
        self, image: ImageFacts, script: str, variables: tuple[tuple[str, str], ...] = ()
    ) -> Iterator[ImageFacts]:
        assert image == examples.image()
        self.scripts.append(script)
        self.variables.append(variables)
        if self.broken:
            raise EngineError("a script that alters an image ended with exit code 2", seen=self.broken)
        self.there += 1
        try:
            yield self.mutant
        finally:
            self.there -= 1


def mutation(**changes: Any) -> Mutation:
    given = {"name": "gone", "check": "imports", "finds": "does not import", "script": "rm x\n"}
    return Mutation.model_validate({**given, **changes})


def subject(runner: Saying, copies: Copies, **changes: Any) -> Subject:
    return Subject(
        recipe=examples.recipe(**changes),
        plan=examples.plan(),
        lock=examples.lock(),
        image=examples.image(),
        runner=runner,
        auditor=examples.audited(examples.finding()),
        altered=copies,
    )


def one(runner: Saying, copies: Copies, which: Mutation) -> Mutated:
    (found,) = mutate(subject(runner, copies), (which,), Silent())
    return found


@pytest.mark.parametrize(
    ("outcome", "summary", "verdict"),
    [
        ("FAIL", "json does not import", Verdict.CAUGHT),
        ("FAIL", "Python is 3.8", Verdict.ACCIDENT),
        ("PASS", "all import", Verdict.MISSED),
        ("UNPROVEN", "no GPU", Verdict.MISSED),
        ("ERROR", "the check itself crashed, json does not import", Verdict.MISSED),
    ],
)
def test_a_mutation_is_caught_by_a_fail_for_its_own_reason_alone(outcome: str, summary: str, verdict: Verdict) -> None:
    runner, copies = Saying(outcome, summary), Copies()
    found = one(runner, copies, mutation())
    assert (found.verdict, found.name, found.check) == (verdict, "gone", "imports")
    assert summary in found.summary
    assert runner.asked == [MUTANT.id]
    assert copies.there == 0


def test_the_script_is_told_where_the_environment_is() -> None:
    copies = Copies()
    one(Saying("FAIL", "json does not import"), copies, mutation())
    (script,) = copies.scripts
    assert script.startswith("PREFIX=/opt/env\nCONDA=''\nROOM=0\nRUN=''\nSITE=")
    assert script.endswith("\nrm x\n")


@pytest.mark.parametrize(("run", "program"), [(["my prog", "-x"], "'my prog'"), ("echo a | cat", "/bin/sh")])
def test_the_script_is_told_what_the_recipe_runs_and_what_its_budget_leaves(run: object, program: str) -> None:
    copies = Copies()
    asked = subject(Saying("FAIL", "x"), copies, checks=["imports", {"command": {"run": run}}], budget={"size": "3MB"})
    mutate(asked, (mutation(),), Silent())
    assert copies.scripts[0].splitlines()[2:4] == ["ROOM=2000000", f"RUN={program}"]


def test_variables_are_set_in_the_mutants_configuration() -> None:
    copies = Copies()
    one(Saying("FAIL", "json does not import"), copies, mutation(variables=(("A", "0"),)))
    assert copies.variables == [(("A", "0"),)]


def test_the_size_of_the_mutant_is_judged() -> None:
    copies = Copies(mutant=examples.image("sha256:mutant", size=3_000_001))
    asked = subject(Saying("PASS", ""), copies, budget={"size": "3MB"})
    (found,) = mutate(asked, (mutation(check="size", finds="more than the budget"),), Silent())
    assert found.verdict is Verdict.CAUGHT


def test_the_audit_catches_its_own() -> None:
    found = one(Saying("PASS", ""), Copies(), mutation(check=AUDIT, finds="^CONDA001 /opt/conda/.condarc:2"))
    assert found.verdict is Verdict.CAUGHT


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"check": "cudnn"}, "the recipe does not ask for it"),
        ({"check": "trust"}, "the recipe skips it"),
        ({"needs": ("wheels",)}, "there is no wheels"),
        ({"needs": ("torch", "conda")}, "there is no conda, torch"),
    ],
)
def test_what_the_image_has_not_is_not_broken(changes: dict[str, Any], why: str) -> None:
    copies, checks = Copies(), [{"imports": {"modules": ["json"]}}, {"check": "trust", "skip": "not now"}]
    (found,) = mutate(subject(Saying("PASS", ""), copies, checks=checks), (mutation(**changes),), Silent())
    assert (found.verdict, found.summary) == (Verdict.NOTHING, why)
    assert copies.scripts == []


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [("UNPROVEN", Verdict.NOTHING), ("PASS", Verdict.MISSED), ("ERROR", Verdict.MISSED), ("FAIL", Verdict.CAUGHT)],
)
def test_what_only_shows_on_a_gpu_is_left_out_where_there_is_none(outcome: str, verdict: Verdict) -> None:
    found = one(Saying(outcome, "does not import"), Copies(), mutation(needs=("gpu",)))
    assert (found.verdict, found.summary.rpartition("does")[2]) == (verdict, " not import")


def test_a_script_that_fails_stops_all() -> None:
    with pytest.raises(EngineError, match=r"exit code 2"):
        one(Saying("PASS", ""), Copies(broken="rm: cannot remove x"), mutation())


def test_results_come_in_the_order_of_the_mutations() -> None:
    asked = tuple(mutation(name=f"m{number}") for number in range(5))
    found = mutate(subject(Saying("FAIL", "does not import"), Copies()), asked, Silent())
    assert [m.name for m in found] == [m.name for m in asked]


def test_what_escaped_is_told() -> None:
    def result(name: str, verdict: Verdict) -> Mutated:
        return Mutated(name=name, check="imports", verdict=verdict, summary="said", seconds=0.1)

    caught = (result("a", Verdict.CAUGHT), result("b", Verdict.NOTHING))
    require_caught("demo", caught)
    with pytest.raises(CheckFailed, match=r"^demo: 2 of 3 mutations were not caught for their own reason$") as raised:
        require_caught("demo", (*caught, result("c", Verdict.MISSED), result("d", Verdict.ACCIDENT)))
    assert [(f.where, f.what) for f in raised.value.faults] == [
        ("imports: c", "MISSED: said"),
        ("imports: d", "BY ACCIDENT: said"),
    ]


def test_every_check_has_a_mutation() -> None:
    assert {m.check for m in mutations()} == {*CHECKS, AUDIT, SIZE}


def test_mutations_have_names_of_their_own() -> None:
    names = [m.name for m in mutations()]
    assert len(names) == len(set(names))


def test_every_spelling_is_a_mutation() -> None:
    spelled = [m for m in mutations() if m.name.startswith("ssl-verify-")]
    assert len(spelled) == 24
    assert spelled[8].script.splitlines()[0] == "SPELLING='ssl_verify: '\\''no'\\'''"


def test_a_variable_is_spelled_too() -> None:
    (empty,) = (m for m in mutations() if m.name == "ssl-verify-by-variable-empty")
    assert empty.variables == (("CONDA_SSL_VERIFY", ""),)
