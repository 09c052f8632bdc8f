"""The gate's audit: always asked, bound to the image, carried over while nothing changed, excused by a reason alone."""

from __future__ import annotations

from typing import Any

import gate_examples as examples
import pytest

from builder.errors import CheckFailed
from builder.models.engine import ImageFacts
from builder.models.report import CheckResult, Outcome, Report
from builder.progress import Silent
from builder.stages.check import check, keys
from builder.stages.check_audit import Auditor
from builder.stages.seal import seal


def run(auditor: Auditor, image: ImageFacts | None = None, previous: Report | None = None, **changes: Any) -> Report:
    return check(
        recipe=examples.recipe(**changes),
        plan=examples.plan(),
        lock=examples.lock(),
        rendering=examples.RENDERING,
        image=image or examples.image(),
        runner=examples.HostRunner(),
        auditor=auditor,
        progress=Silent(),
        previous=previous,
    )


def audit_of(report: Report) -> CheckResult:
    (found,) = (r for r in report.results if r.name == "audit")
    return found


def test_it_is_asked_without_a_line_in_the_recipe_and_told_what_the_image_is() -> None:
    report = run(examples.audited())
    assert (audit_of(report).outcome, audit_of(report).image) == (Outcome.PASS, examples.image().id)
    assert audit_of(report).summary == "no bypass of verification in 7 files and the variables"


def test_a_finding_of_severity_error_fails_with_its_place_and_what_to_do() -> None:
    result = audit_of(run(examples.audited(examples.finding(), examples.finding("PIP001", "/etc/pip.conf"))))
    assert result.outcome is Outcome.FAIL
    assert result.summary == (
        "CONDA001 /opt/conda/.condarc:2:1: conda does not verify TLS certificates: remove the setting, or write the "
        "path of the CA bundle; find the cause with `builder doctor HOST` (and 1 more)"
    )
    found = result.evidence["findings"]
    assert isinstance(found, list)
    assert [f["place"] for f in found] == ["/opt/conda/.condarc:2:1", "/etc/pip.conf:2:1"]  # type: ignore[index,call-overload]


def test_a_lesser_finding_passes_and_is_told() -> None:
    result = audit_of(run(examples.audited(examples.finding("CONDA011"), examples.finding("CONDA012"))))
    assert result.outcome is Outcome.PASS
    assert result.summary.endswith("; 1 warning, 1 note")


def test_such_an_image_gets_no_tag() -> None:
    recipe, report = examples.recipe(), run(examples.audited(examples.finding()))
    with pytest.raises(CheckFailed) as caught:
        seal(
            recipe=recipe, lock=examples.lock(), rendering=examples.RENDERING, image=examples.image().id, report=report
        )
    assert caught.value.exit_code == 10
    assert [f.where for f in caught.value.faults] == ["audit"]


def test_a_report_without_it_seals_nothing() -> None:
    report = run(examples.audited())
    without = report.model_copy(update={"results": tuple(r for r in report.results if r.name != "audit")})
    with pytest.raises(CheckFailed, match="does not have the checks"):
        seal(
            recipe=examples.recipe(),
            lock=examples.lock(),
            rendering=examples.RENDERING,
            image=examples.image().id,
            report=without,
        )


def test_it_alone_makes_no_gate() -> None:
    checks = [{"check": "imports", "skip": "not now"}]
    report = run(examples.audited(), checks=checks)
    with pytest.raises(CheckFailed, match="every check is skipped"):
        seal(
            recipe=examples.recipe(checks=checks),
            lock=examples.lock(),
            rendering=examples.RENDERING,
            image=examples.image().id,
            report=report,
        )


ALLOW = {"allow": [{"rule": "CONDA001", "at": "/opt/conda/.condarc", "reason": "a farm of this test"}]}


def test_a_single_finding_is_excused_with_a_reason_that_stays_in_the_evidence() -> None:
    result = audit_of(run(examples.audited(examples.finding()), audit=ALLOW))
    assert result.outcome is Outcome.PASS
    assert result.summary.endswith("; 1 that the recipe allows")
    (found,) = result.evidence["findings"]  # type: ignore[misc]
    assert found["allowed"] == "a farm of this test"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(("rule", "path"), [("CONDA001", "/root/.condarc"), ("CONDA002", "/opt/conda/.condarc")])
def test_no_other_finding_is_excused_with_it(rule: str, path: str) -> None:
    result = audit_of(run(examples.audited(examples.finding(rule, path)), audit=ALLOW))
    assert result.outcome is Outcome.FAIL
    assert result.evidence["allowed_and_not_there"] == ALLOW["allow"]


def test_a_variable_is_excused_by_its_name() -> None:
    allow = {"allow": [{"rule": "PIP001", "at": "PIP_TRUSTED_HOST", "reason": "loopback"}]}
    result = audit_of(run(examples.audited(examples.finding("PIP001", "ENV: PIP_TRUSTED_HOST")), audit=allow))
    assert result.outcome is Outcome.PASS


def test_a_pass_is_carried_over_to_the_same_layers_and_a_changed_trust_layer_is_audited_anew() -> None:
    auditor = examples.audited()
    first = run(auditor)
    again = run(auditor, previous=first)
    assert audit_of(again).image == examples.image().id
    assert len(auditor.asked) == 1  # type: ignore[attr-defined]
    newer = examples.image("sha256:rootfs", "sha256:environment", "sha256:wheels", "sha256:newer")
    assert audit_of(run(auditor, newer, first)).image == newer.id
    assert len(auditor.asked) == 2  # type: ignore[attr-defined]


def test_a_failure_is_never_carried_over() -> None:
    auditor = examples.audited(examples.finding())
    run(auditor, previous=run(auditor))
    assert len(auditor.asked) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("change", ["rules", "variable", "exception"])
def test_what_it_depends_on_is_in_its_key(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def key(image: ImageFacts | None = None, **changes: Any) -> str:
        asked = keys(
            recipe=examples.recipe(**changes),
            plan=examples.plan(),
            lock=examples.lock(),
            image=image or examples.image(),
        )
        return asked[-1]

    before = key()
    assert before == audit_of(run(examples.audited())).key
    if change == "rules":
        monkeypatch.setattr("builder.stages.check_audit.audit_digest", lambda: "0" * 64)
        assert key() != before
    elif change == "variable":
        variables = examples.image().model_copy(update={"env": (("PIP_TRUSTED_HOST", "x"),)})
        assert key(variables) != before
    else:
        assert key(audit=ALLOW) != before
