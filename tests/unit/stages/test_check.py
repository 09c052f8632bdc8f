from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import gate_examples as examples
import pytest
from pydantic import ValidationError

from builder.checks import CHECKS
from builder.errors import CheckFailed, EngineError, RecipeError
from builder.models.base import ImageId, Sha256
from builder.models.engine import Completed, EngineFacts, ImageFacts
from builder.models.plan import Action, File, Layer, Link, Plan
from builder.models.recipe import Recipe
from builder.models.report import Outcome, Proof, Report
from builder.progress import Silent
from builder.stages.check import ask, check, keys, validate
from builder.stages.check_audit import AUDIT, Auditor
from builder.stages.questions import expected

LOWER = ("sha256:rootfs", "sha256:environment", "sha256:wheels")


def run(
    recipe: Recipe,
    image: ImageFacts | None = None,
    runner: examples.HostRunner | None = None,
    previous: Report | None = None,
    *,
    all_checks: bool = False,
    base: str | None = None,
    auditor: Auditor | None = None,
) -> Report:
    return check(
        recipe=recipe,
        plan=examples.plan(base),
        lock=examples.lock(),
        rendering=examples.RENDERING,
        image=image or examples.image(),
        runner=runner or examples.HostRunner(),
        auditor=auditor or examples.audited(),
        progress=Silent(),
        previous=previous,
        all_checks=all_checks,
    )


def outcomes(report: Report) -> dict[str, Outcome]:
    """Of the checks that the recipe asks for."""
    return {r.name: r.outcome for r in report.results if r.name != AUDIT}


def test_report_is_bound_to_image_recipe_lock_and_rendering() -> None:
    recipe, image = examples.recipe(), examples.image()
    report = run(recipe, image)
    assert (report.name, report.image, report.rendering) == ("demo", image.id, examples.RENDERING)
    assert (report.recipe, report.lock) == (recipe.content_digest(), examples.lock().content_digest())
    assert report.engine == "Host 1 (linux/amd64)"
    assert outcomes(report) == {"imports": Outcome.PASS}
    assert report.results[0].image == image.id


def test_script_runs_in_the_plans_environment_from_standard_input() -> None:
    runner = examples.HostRunner()
    run(examples.recipe(), runner=runner)
    assert runner.ran[0][:3] == ("/opt/env/bin/python", "-B", "-c")


def test_one_failure_does_not_keep_the_others_from_running() -> None:
    checks = [{"imports": {"modules": ["no_such_module"]}}, {"imports": {"modules": ["json"]}}]
    report = run(examples.recipe(checks=checks))
    assert outcomes(report) == {"imports": Outcome.FAIL, "imports-2": Outcome.PASS}
    assert report.results[0].summary.startswith("`import no_such_module` fails: ModuleNotFoundError")


def test_crash_of_a_check_is_an_error_with_its_traceback() -> None:
    checks = [{"python": {"version": "3"}}]
    runner = examples.HostRunner()
    recipe = examples.recipe(checks=checks)
    broken = examples.plan().model_copy(update={"prefix": "\0"})  # no path: os.path.realpath refuses it
    report = check(
        recipe=recipe,
        plan=broken,
        lock=examples.lock(),
        rendering=examples.RENDERING,
        image=examples.image(),
        runner=runner,
        auditor=examples.audited(),
        progress=Silent(),
    )
    result, _audit = report.results
    assert result.outcome is Outcome.ERROR
    assert result.summary.startswith("the check itself crashed: ValueError: ")
    assert "embedded null" in result.summary  # 3.13 says more


def test_skip_keeps_the_recipes_reason_and_runs_nothing() -> None:
    runner = examples.HostRunner()
    report = run(examples.recipe(checks=[{"check": "trust", "skip": "no TLS here"}]), runner=runner)
    assert (report.results[0].outcome, report.results[0].summary) == (Outcome.SKIP, "no TLS here")
    assert runner.ran == []


def test_skip_is_not_overruled_by_a_result_of_before() -> None:
    runner, asked = examples.HostRunner(), {"check": "imports", "with": {"modules": ["json"]}}
    before = run(examples.recipe(checks=[asked]))
    report = run(examples.recipe(checks=[{**asked, "skip": "not today"}]), runner=runner, previous=before)
    assert (report.results[0].outcome, report.results[0].summary) == (Outcome.SKIP, "not today")
    assert runner.ran == []


@pytest.mark.parametrize("reason", ["", " ", "\n"])
def test_skip_needs_a_reason(reason: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        examples.recipe(checks=[{"check": "trust", "skip": reason}])


def test_engine_without_gpu_leaves_the_gpu_check_unproven() -> None:
    recipe = examples.recipe(checks=["nvidia-smi"])
    report = run(recipe, runner=examples.HostRunner(refused="could not select device driver"))
    assert report.results[0].outcome is Outcome.UNPROVEN
    assert report.results[0].summary == "the engine gives no GPU: could not select device driver"


def test_stale_containers_are_swept_first() -> None:
    runner = examples.HostRunner()
    run(examples.recipe(), runner=runner)
    assert runner.swept == 1


def test_pass_is_carried_over_a_changed_trust_layer_and_keeps_the_image_that_it_ran_in() -> None:
    old, new = examples.image(*LOWER, "sha256:trust"), examples.image(*LOWER, "sha256:newer")
    runner = examples.HostRunner()
    report = run(examples.recipe(), new, runner, previous=run(examples.recipe(), old))
    assert runner.ran == []
    assert (report.image, report.results[0].image) == (new.id, old.id)
    assert report.results[0].outcome is Outcome.PASS


TRUST = {"name": "trust", "action": Action.INSTALL_TRUST}


def planned(**changes: Any) -> Plan:
    """The plan with another trust layer."""
    plan, given = examples.plan(), {"title": "3 anchors", "artifacts": (examples.artifact("old.pem"),), **changes}
    return plan.model_copy(update={"layers": (*plan.layers[:-1], Layer(**{**TRUST, **given}))})


def questions(plan: Plan, image: ImageFacts, name: str = "imports") -> Sha256:
    recipe = examples.recipe(checks=[name])
    return keys(recipe=recipe, plan=plan, lock=examples.lock(), image=image)[0]


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - {"trust", "condarc", "cuda", "model", "command"}))
def test_other_certificates_ask_no_check_again_that_does_not_read_them(name: str) -> None:
    refreshed = planned(title="4 anchors", artifacts=(examples.artifact("new.pem"),))
    before = questions(planned(), examples.image(*LOWER, "sha256:trust"), name)
    assert questions(refreshed, examples.image(*LOWER, "sha256:newer"), name) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"files": (File(path="/opt/env/lib/python3.9/site-packages/_builder_trust.py", content="import sys\n"),)},
        {"links": (Link(path="/usr/lib/ssl/cert.pem", target="/etc/ssl/cert.pem"),)},
        {"inputs": (File(path="debconf", content="x"),)},
        {"action": Action.INSTALL_TRUST_RHEL},
    ],
    ids=("files", "links", "inputs", "action"),
)
@pytest.mark.parametrize("name", ["python", "imports", "user", "clock", "reproducible", "packages", "secrets"])
def test_every_check_is_asked_again_when_more_of_the_trust_layer_changes_than_certificates(
    name: str, changes: dict[str, Any]
) -> None:
    image = examples.image(*LOWER, "sha256:trust")
    assert questions(planned(**changes), image, name) != questions(planned(), image, name)


def test_every_check_is_asked_again_when_the_trust_layers_step_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    image = examples.image(*LOWER, "sha256:trust")
    before = questions(planned(), image)
    texts = {"common": "", "install-trust": "chmod 666 /out/etc/wgetrc"}
    monkeypatch.setattr("builder.stages.questions.step_texts", lambda *_: texts)
    assert questions(planned(), image) != before


def test_carried_result_says_the_engine_that_it_ran_on() -> None:
    class Newer(examples.HostRunner):
        def version(self) -> EngineFacts:
            return super().version().model_copy(update={"version": "2"})

    before = run(examples.recipe())
    asked = [{"imports": {"modules": ["json"]}}, {"imports": {"modules": ["sys"]}}]
    report = run(examples.recipe(checks=asked), runner=Newer(), previous=before)
    assert report.engine == "Host 2 (linux/amd64)"
    assert [r.engine for r in report.results] == [before.engine, report.engine, before.engine]


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_pass_is_not_carried_over_a_changed_layer_that_the_check_reads(changed: int) -> None:
    layers = [*LOWER, "sha256:trust"]
    old = examples.image(*layers)
    layers[changed] = "sha256:newer"
    runner = examples.HostRunner()
    run(examples.recipe(), examples.image(*layers), runner, previous=run(examples.recipe(), old))
    assert len(runner.ran) == 1


def test_pass_is_not_carried_over_a_changed_environment_variable() -> None:
    runner = examples.HostRunner()
    run(examples.recipe(), examples.image(env=(("A", "1"),)), runner, previous=run(examples.recipe()))
    assert len(runner.ran) == 1


def test_pass_is_not_carried_over_changed_arguments() -> None:
    runner = examples.HostRunner()
    other = examples.recipe(checks=[{"imports": {"modules": ["json", "csv"]}}])
    run(other, runner=runner, previous=run(examples.recipe()))
    assert len(runner.ran) == 1


def test_pass_is_not_carried_over_a_changed_script(monkeypatch: pytest.MonkeyPatch) -> None:
    previous = run(examples.recipe())
    text = "builder.stages.questions.script_of"
    from builder.checks import script_of

    monkeypatch.setattr(text, lambda name: script_of(name) + "\n# newer\n")
    runner = examples.HostRunner()
    run(examples.recipe(), runner=runner, previous=previous)
    assert len(runner.ran) == 1


@pytest.mark.parametrize("module", ["no_such_module", "json"])
def test_only_a_pass_is_carried_over(module: str) -> None:
    recipe = examples.recipe(checks=[{"imports": {"modules": [module]}}])
    runner = examples.HostRunner()
    run(recipe, runner=runner, previous=run(recipe))
    assert len(runner.ran) == (1 if module == "no_such_module" else 0)


def test_unproven_is_never_carried_over() -> None:
    recipe = examples.recipe(checks=["nvidia-smi"])
    runner = examples.HostRunner(refused="none")
    run(recipe, runner=runner, previous=run(recipe, runner=examples.HostRunner(refused="none")))
    assert len(runner.ran) == 1


@pytest.mark.parametrize(("hours", "asked"), [(23, 0), (25, 1), (-25, 1), (None, 1)])
def test_what_depends_on_the_day_is_carried_over_for_a_day(
    hours: int | None, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHECKS, "imports", replace(CHECKS["imports"], dated=True))  # trust and clock ask much of a host
    before, runner = run(examples.recipe()), examples.HostRunner()
    first = before.results[0]
    assert first.asked
    assert abs(datetime.now(timezone.utc) - first.asked) < timedelta(minutes=1)
    then = None if hours is None else first.asked - timedelta(hours=hours)  # None: a report of an older version
    results = (first.model_copy(update={"asked": then}), *before.results[1:])
    previous = Report.model_validate_json(before.model_copy(update={"results": results}).model_dump_json())
    run(examples.recipe(), runner=runner, previous=previous)
    assert len(runner.ran) == asked


def test_certificates_and_clocks_depend_on_the_day() -> None:
    assert [name for name, script in CHECKS.items() if script.dated] == ["trust", "clock"]


def test_all_checks_runs_everything_again() -> None:
    runner = examples.HostRunner()
    run(examples.recipe(), runner=runner, previous=run(examples.recipe()), all_checks=True)
    assert len(runner.ran) == 1


def test_recipe_can_forbid_carrying_over() -> None:
    recipe = examples.recipe(checks_carry_over=False)
    runner = examples.HostRunner()
    run(recipe, runner=runner, previous=run(recipe))
    assert len(runner.ran) == 1


def test_layers_of_a_registry_base_count_for_every_check() -> None:
    own = tuple(f"sha256:{name}" for name, _ in examples.LAYERS)
    previous = run(examples.recipe(), examples.image("sha256:base", *own), base="debian@sha256:0")
    runner = examples.HostRunner()
    run(examples.recipe(), examples.image("sha256:other", *own), runner, previous, base="debian@sha256:0")
    assert len(runner.ran) == 1


@pytest.mark.parametrize("layers", [("sha256:one",), tuple(f"sha256:{n}" for n in range(5))])
def test_image_with_other_layers_than_the_plans_is_refused(layers: tuple[str, ...]) -> None:
    with pytest.raises(CheckFailed) as caught:
        run(examples.recipe(), examples.image(*layers))
    assert caught.value.what == (f"the image was not built from this plan: it has {len(layers)} layers, the plan 4")
    assert caught.value.remedy == "run `builder build demo`"


@pytest.mark.parametrize(
    ("budget", "outcome", "summary"),
    [
        ("8GB", Outcome.PASS, "7.30 GB, within 8GB"),
        ("7.3GB", Outcome.PASS, "7.30 GB, within 7.3GB"),
        ("7299 MB", Outcome.FAIL, "7300.0 MB is more than the budget of 7299 MB"),
        ("7.299GB", Outcome.FAIL, "7.30 GB is more than the budget of 7.299GB"),
        ("7301MB", Outcome.PASS, "7300.0 MB, within 7301MB"),
    ],
)
def test_budget_is_a_result_of_its_own(budget: str, outcome: Outcome, summary: str) -> None:
    report = run(examples.recipe(budget={"size": budget}), examples.image(size=7_300_000_000))
    result = report.results[-1]
    assert (result.name, result.outcome, result.summary) == ("size", outcome, summary)


def test_expected_names_are_unique() -> None:
    recipe = examples.recipe(checks=["trust", "python", "trust"], budget={"size": "1GB"})
    assert expected(recipe) == ("trust", "python", "trust-2", "audit", "size")


def test_unknown_check_and_argument_are_found_before_anything_runs() -> None:
    recipe = examples.recipe(checks=["trsut", {"imports": {"module": ["json"]}}, "cuda"])
    with pytest.raises(RecipeError) as caught:
        validate(recipe)
    assert [(f.where, f.what, f.remedy) for f in caught.value.faults] == [
        ("checks[0]", "there is no check named trsut", "did you mean trust?"),
        ("checks[1]", "there is no argument of imports named module", "did you mean modules?"),
        ("checks[2]", "cuda: the recipe does not say which CUDA", 'write `cuda: {runtime: "12.8"}` into the recipe'),
    ]
    with pytest.raises(RecipeError):
        run(recipe)


class Stuck(examples.HostRunner):
    """The first check finds no engine; the second waits until its container is removed."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.removed = threading.Event(), threading.Event()

    def remove_own(self) -> int:
        self.removed.set()
        return 1

    def run_check(self, image: ImageId, *, argv: tuple[str, ...], **_more: object) -> Completed:
        if "first" in argv[-1]:
            assert self.started.wait(20)
            raise EngineError("the engine went away")
        self.started.set()
        assert self.removed.wait(20)
        raise EngineError("its container was removed")


def test_when_the_engine_goes_away_no_other_container_is_waited_for() -> None:
    runner = Stuck()
    checks = [{"imports": {"modules": ["first"]}}, {"imports": {"modules": ["second"]}}]
    with pytest.raises(EngineError, match="the engine went away"):
        run(examples.recipe(checks=checks), runner=runner)
    assert runner.removed.is_set()


def failed_elsewhere(report: Report) -> Report:
    """As `builder prove` leaves it when the GPU's host says FAIL."""
    by = Proof(engine="Engine 28", host="gpu")
    results = tuple(r.model_copy(update={"outcome": Outcome.FAIL, "proven": by}) for r in report.results)
    return report.model_copy(update={"results": results})


@pytest.mark.parametrize("carry_over", [True, False])
def test_failure_that_another_host_saw_is_not_washed_away_by_a_host_that_cannot_see_it(carry_over: bool) -> None:
    recipe = examples.recipe(checks=["nvidia-smi"], checks_carry_over=carry_over)
    blind = examples.HostRunner(refused="could not select device driver")
    before = failed_elsewhere(run(recipe, runner=blind))
    assert outcomes(run(recipe, runner=blind, previous=before))["nvidia-smi"] is Outcome.FAIL
    assert outcomes(run(recipe, runner=blind, previous=before, all_checks=True))["nvidia-smi"] is Outcome.UNPROVEN


def test_failure_that_was_seen_here_is_asked_again() -> None:
    recipe = examples.recipe(checks=[{"imports": {"modules": ["no_such_module"]}}])
    runner = examples.HostRunner()
    run(recipe, runner=runner, previous=run(recipe))
    assert len(runner.ran) == 1


def test_only_what_is_asked_for_is_asked() -> None:
    recipe = examples.recipe(checks=[{"imports": {"modules": ["json"]}}, {"imports": {"modules": ["csv"]}}, "python"])
    runner = examples.HostRunner()
    given = {"recipe": recipe, "plan": examples.plan(), "lock": examples.lock(), "image": examples.image()}
    (got,) = ask(frozenset({"imports-2"}), **given, runner=runner, progress=Silent())
    assert (got.name, got.outcome, len(runner.ran)) == ("imports-2", Outcome.PASS, 1)
    assert got.key == run(recipe).results[1].key
