"""The gate's audit: no image with a finding of severity error gets a tag, and no recipe can leave the question out."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Protocol

from builder.audit.digest import audit_digest
from builder.audit.finding import Severity
from builder.audit.policy import findings_of_severity_error
from builder.models.base import sha256_of
from builder.models.report import CheckResult, Outcome
from builder.stages.answer import shown

if TYPE_CHECKING:
    from pydantic import JsonValue

    from builder.audit.finding import Finding
    from builder.audit.machine import Audited
    from builder.models.base import Sha256
    from builder.models.engine import ImageFacts
    from builder.models.plan import Plan
    from builder.models.policy import Allowed
    from builder.models.recipe import Recipe
    from builder.progress import Progress

AUDIT = "audit"
"""The result that every report has; no line of a recipe asks for it."""


class Auditor(Protocol):
    """Who reads an image and judges its configuration."""

    def __call__(self, image: ImageFacts, *, more: tuple[str, ...], progress: Progress) -> Audited:
        """What was found; `more` are environments of the image besides those that its variables name."""


def audit_key(recipe: Recipe, plan: Plan, image: ImageFacts) -> Sha256:
    """Digest of all that the result depends on."""
    allowed = [a.model_dump() for a in recipe.audit.allow]
    configured = (image.env, image.user, image.workdir, image.commands)
    parts = [AUDIT, audit_digest(), allowed, _environments(plan), image.layers, *configured]
    return sha256_of(json.dumps(parts, sort_keys=True, separators=(",", ":")))


def audit_result(*, recipe: Recipe, plan: Plan, image: ImageFacts, auditor: Auditor, progress: Progress) -> CheckResult:
    """PASS, or FAIL with the first finding in the summary; all of every severity in the evidence."""
    begun = time.monotonic()
    audited = auditor(image, more=_environments(plan), progress=progress)
    reasons = {f: _allowed(f, recipe.audit.allow) for f in audited.findings}
    grave = [f for f in findings_of_severity_error(audited.findings) if reasons[f] is None]
    used = [a for a in reasons.values() if a]
    return CheckResult(
        name=AUDIT,
        outcome=Outcome.FAIL if grave else Outcome.PASS,
        summary=_refusal(grave) if grave else _approval(audited, len(used)),
        evidence={
            "files": audited.read,
            "findings": [_shown(f, reasons[f]) for f in sorted(audited.findings, key=lambda f: f.severity.rank)],
            "allowed_and_not_there": [a.model_dump() for a in recipe.audit.allow if a not in used],
        },
        seconds=round(time.monotonic() - begun, 3),
        key=audit_key(recipe, plan, image),
        image=image.id,
    )


def _environments(plan: Plan) -> tuple[str, ...]:
    return (plan.prefix, *((plan.conda,) if plan.conda else ()))


def _allowed(finding: Finding, allow: tuple[Allowed, ...]) -> Allowed | None:
    """What the recipe says of a finding."""
    at = finding.path.removeprefix("ENV: ")
    return next((a for a in allow if (a.rule, a.at) == (finding.rule, at)), None)


def _refusal(grave: list[Finding]) -> str:
    first = grave[0]
    more = f" (and {len(grave) - 1} more)" if len(grave) > 1 else ""
    return shown(f"{first.rule} {first.place}: {first.title}: {first.remedy}{more}")


def _approval(audited: Audited, allowed: int) -> str:
    counts = [(sum(f.severity is s for f in audited.findings), s.value) for s in (Severity.WARNING, Severity.NOTE)]
    lesser = [f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count]
    told = [*lesser, *((f"{allowed} that the recipe allows",) if allowed else ())]
    return f"no bypass of verification in {audited.read} files and the variables" + (
        f"; {', '.join(told)}" * bool(told)
    )


def _shown(finding: Finding, allowed: Allowed | None) -> dict[str, JsonValue]:
    names = ("rule", "title", "place", "seen", "wins", "why", "remedy")
    told: dict[str, JsonValue] = {name: shown(getattr(finding, name)) for name in names if getattr(finding, name)}
    return {**told, "severity": finding.severity.value, **({"allowed": allowed.reason} if allowed else {})}
