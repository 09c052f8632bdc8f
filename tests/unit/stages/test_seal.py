from __future__ import annotations

from typing import Any

import gate_examples as examples
import pytest

from builder.errors import CheckFailed, TagError, UnprovenError
from builder.models.base import sha256_of
from builder.models.recipe import Recipe
from builder.models.report import CheckResult, Outcome, Report
from builder.models.seal import Seal
from builder.stages.check_audit import AUDIT
from builder.stages.seal import seal

IMAGE = examples.image().id


def result(name: str, outcome: Outcome, summary: str = "so it is", **measured: Any) -> CheckResult:
    given = {"summary": summary, "seconds": 0.1, "key": sha256_of(name), "image": IMAGE}
    return CheckResult(name=name, outcome=outcome, evidence={"measured": measured} if measured else {}, **given)


def report(about: Recipe, *results: CheckResult, **changes: Any) -> Report:
    """With the audit that every report has."""
    given = {
        "name": about.name,
        "image": IMAGE,
        "recipe": about.content_digest(),
        "lock": examples.lock().content_digest(),
        "rendering": examples.RENDERING,
        "engine": "Engine 1",
        "results": (*results, result(AUDIT, Outcome.PASS)),
    }
    return Report(**{**given, **changes})


def sealed(recipe: Recipe, about: Report) -> Seal:
    return seal(recipe=recipe, lock=examples.lock(), rendering=examples.RENDERING, image=IMAGE, report=about)


def test_passed_image_gets_its_names() -> None:
    recipe = examples.recipe(tags=["{name}:{version}", "site/{name}:{lock}", "{name}"])
    about = report(recipe, result("imports", Outcome.PASS))
    got = sealed(recipe, about)
    digits = examples.lock().content_digest()[:12]
    assert got.names == ("demo:1.0", f"site/demo:{digits}", "demo:latest")
    assert (got.image, got.report, got.unproven) == (IMAGE, about.content_digest(), ())


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
def test_failed_image_gets_no_seal(outcome: Outcome) -> None:
    recipe = examples.recipe(checks=["imports", "trust"])
    about = report(recipe, result("imports", outcome, "torch is missing"), result("trust", Outcome.PASS))
    with pytest.raises(CheckFailed) as caught:
        sealed(recipe, about)
    assert caught.value.what == "demo: 1 of 3 checks did not pass, so there is no tag"
    assert [(f.where, f.what) for f in caught.value.faults] == [("imports", f"{outcome.value} torch is missing")]


def test_failure_weighs_more_than_allowed_unproven() -> None:
    recipe = examples.recipe(checks=["imports", "trust"], allow_unproven=True)
    about = report(recipe, result("imports", Outcome.FAIL), result("trust", Outcome.UNPROVEN))
    with pytest.raises(CheckFailed):
        sealed(recipe, about)


def test_unproven_image_gets_no_seal_unless_the_recipe_allows_it() -> None:
    recipe = examples.recipe(checks=["nvidia-smi"])
    about = report(recipe, result("nvidia-smi", Outcome.UNPROVEN, "no GPU"))
    with pytest.raises(UnprovenError) as caught:
        sealed(recipe, about)
    assert caught.value.what == "demo: this host cannot prove nvidia-smi, so there is no tag"
    assert caught.value.exit_code == 11


def test_allowed_unproven_image_gets_names_that_say_so() -> None:
    recipe = examples.recipe(checks=["nvidia-smi"], allow_unproven=True, tags=["{name}:{version}", "h:5000/{name}"])
    got = sealed(recipe, report(recipe, result("nvidia-smi", Outcome.UNPROVEN)))
    assert got.names == ("demo:1.0-unproven", "h:5000/demo:latest-unproven")
    assert got.unproven == ("nvidia-smi",)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("name", "other", "the report is about another recipe's name"),
        ("image", "sha256:" + "0" * 64, "the report is about another image"),
        ("recipe", "0" * 64, "the report is about another recipe"),
        ("lock", "0" * 64, "the report is about another lock"),
        ("rendering", "0" * 64, "the report is about another rendering"),
    ],
)
def test_report_about_something_else_seals_nothing(field: str, value: str, what: str) -> None:
    recipe = examples.recipe()
    about = report(recipe, result("imports", Outcome.PASS), **{field: value})
    with pytest.raises(CheckFailed) as caught:
        sealed(recipe, about)
    assert caught.value.what == what


def test_report_without_a_check_of_the_recipe_seals_nothing() -> None:
    recipe = examples.recipe(checks=["imports", "trust"])
    with pytest.raises(CheckFailed) as caught:
        sealed(recipe, report(recipe, result("imports", Outcome.PASS)))
    assert caught.value.seen == "imports, audit, not imports, trust, audit"


def test_empty_report_seals_nothing() -> None:
    recipe = examples.recipe()
    with pytest.raises(CheckFailed) as caught:
        sealed(recipe, report(recipe, results=()))
    assert caught.value.seen == "none, not imports, audit"


def test_report_without_the_budgets_result_seals_nothing() -> None:
    recipe = examples.recipe(budget={"size": "1GB"})
    with pytest.raises(CheckFailed):
        sealed(recipe, report(recipe, result("imports", Outcome.PASS)))


def test_image_whose_checks_are_all_skipped_gets_no_seal() -> None:
    recipe = examples.recipe()
    with pytest.raises(CheckFailed) as caught:
        sealed(recipe, report(recipe, result("imports", Outcome.SKIP)))
    assert caught.value.what == "demo: every check is skipped: an image that nobody looked at gets no tag"


def test_audit_and_size_make_no_gate_by_themselves() -> None:
    recipe = examples.recipe(budget={"size": "1GB"})
    found = report(recipe, result("imports", Outcome.SKIP))
    size = result("size", Outcome.PASS)
    with pytest.raises(CheckFailed, match="every check is skipped"):
        sealed(recipe, found.model_copy(update={"results": (*found.results, size)}))


@pytest.mark.parametrize("tag", ["{name}:{version}:x", "a//{name}:1", "{name}:" + "x" * 130, "{name}/:1"])
def test_what_no_engine_would_accept_as_a_name_is_refused(tag: str) -> None:
    recipe = examples.recipe(tags=[tag])
    with pytest.raises(TagError) as caught:
        sealed(recipe, report(recipe, result("imports", Outcome.PASS)))
    assert caught.value.where == f"recipe demo: tags, {tag}"


GPU = {"base": "debian-bullseye", "cuda": {"runtime": "12.8"}, "checks": ["python", "imports", "cuda", "cudnn"]}


def measured(cudnn: Outcome = Outcome.PASS, **changes: str) -> tuple[CheckResult, ...]:
    """What the four checks measure in the quickstart image."""
    seen = {"torch": "2.8.0+cu128", "cuda": "12.8", "cudnn": "9.10.2", **changes}
    return (
        result("python", Outcome.PASS, python="3.9.2"),
        result("imports", Outcome.PASS, torch="2.8.0+cu128", onnxruntime="1.19.2"),
        result("cuda", Outcome.PASS, torch=seen["torch"], cuda=seen["cuda"]),
        result("cudnn", cudnn, **({"cudnn": seen["cudnn"]} if cudnn is Outcome.PASS else {})),
    )


def test_tag_says_what_was_measured() -> None:
    recipe = examples.recipe(**GPU, tags=["{name}:{measured}", "ort:{onnxruntime}-{cuda}", "{name}:{version}"])
    got = sealed(recipe, report(recipe, *measured()))
    assert got.names == ("demo:py3.9.2-torch2.8.0-cu12.8-cudnn9.10.2", "ort:1.19.2-12.8", "demo:1.0")


def test_what_is_not_in_the_image_is_not_in_the_tag() -> None:
    recipe = examples.recipe(checks=["python"], tags=["{name}:{measured}"])
    got = sealed(recipe, report(recipe, result("python", Outcome.PASS, python="3.9.2")))
    assert got.names == ("demo:py3.9.2",)


@pytest.mark.parametrize(
    ("version", "tag"),
    [("2.8.0+cu128", "2.8.0"), ("2.9.0a0+git1", "2.9.0a0"), ("1!2.0", "1_2.0"), ("2.8 (x)", "2.8__x_"), (" 1 ", "1")],
)
def test_version_is_said_with_the_characters_that_a_tag_may_have(version: str, tag: str) -> None:
    recipe = examples.recipe(tags=["{name}:{torch}"])
    assert sealed(recipe, report(recipe, result("imports", Outcome.PASS, torch=version))).names == (f"demo:{tag}",)


@pytest.mark.parametrize("version", ["9" * 200, "../../x", "-"])
def test_version_never_becomes_more_than_a_tag(version: str) -> None:
    recipe = examples.recipe(tags=["{name}:{torch}"])
    about = report(recipe, result("imports", Outcome.PASS, torch=version))
    with pytest.raises(TagError, match="is no image name"):
        sealed(recipe, about)


def test_checks_that_measure_different_things_seal_nothing_and_are_both_named() -> None:
    recipe = examples.recipe(**GPU)
    with pytest.raises(CheckFailed) as caught:
        sealed(recipe, report(recipe, *measured(torch="2.7.1+cu128")))
    assert caught.value.what == "demo: two checks have measured different things, so there is no tag"
    assert [(f.where, f.what) for f in caught.value.faults] == [("torch", "imports measured 2.8.0, cuda 2.7.1")]


def test_what_an_unproven_check_would_have_measured_is_told() -> None:
    recipe = examples.recipe(**GPU, allow_unproven=True, tags=["{name}:{cudnn}"])
    with pytest.raises(UnprovenError) as caught:
        sealed(recipe, report(recipe, *measured(cudnn=Outcome.UNPROVEN)))
    assert caught.value.what == "the tag wants `cudnn`, and this host cannot prove cudnn, so there is no tag"
    assert caught.value.remedy == "`builder prove demo` on a host that can, or take `cudnn` out of the tag"


def test_measured_tag_of_an_unproven_image_says_so() -> None:
    checks = [*GPU["checks"], "nvidia-smi"]
    recipe = examples.recipe(**{**GPU, "checks": checks}, allow_unproven=True, tags=["{name}:{measured}"])
    got = sealed(recipe, report(recipe, *measured(), result("nvidia-smi", Outcome.UNPROVEN)))
    assert got.names == ("demo:py3.9.2-torch2.8.0-cu12.8-cudnn9.10.2-unproven",)


def test_check_that_passed_and_measured_nothing_is_told() -> None:
    recipe = examples.recipe(tags=["{name}:{torch}"])
    with pytest.raises(TagError) as caught:
        sealed(recipe, report(recipe, result("imports", Outcome.PASS, json="2.0")))
    assert caught.value.what == "the tag wants `torch`, and no check has measured it"
    assert caught.value.seen == "measured: json 2.0"


@pytest.mark.parametrize("wrong", [{"torch": 2.8}, {"torch": None}, {"torch": ["2.8"]}])
def test_measured_that_is_no_text_seals_nothing(wrong: dict[str, Any]) -> None:
    recipe = examples.recipe(tags=["{name}:{torch}"])
    with pytest.raises(CheckFailed, match="imports has measured torch and not as a text"):
        sealed(recipe, report(recipe, result("imports", Outcome.PASS, **wrong)))
