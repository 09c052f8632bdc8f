"""What a tag may say of an image: measured in it by the recipe's checks, never copied from the recipe.

A check's evidence may have `measured`, a table from a field's name to the version that was seen. `CheckScript.measures`
says beforehand which fields a check will give, so that a tag that nothing measures is found while the recipe is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.checks import CHECKS
from builder.errors import CheckFailed, Fault
from builder.models.recipe import MEASURED, TAG_FIELDS, fields_of
from builder.models.report import CheckResult, Outcome, Report

if TYPE_CHECKING:
    from builder.models.recipe import Recipe

PARTS: Final = {"python": "py", "torch": "torch", "cuda": "cu", "cudnn": "cudnn"}
"""What `{measured}` is made of, in this order: `py3.9.2-torch2.8.0-cu12.8-cudnn9.10.2`."""


def measurable(recipe: Recipe) -> frozenset[str]:
    """The fields that the recipe's checks will have measured when all of them pass."""
    asked = (check for check in recipe.checks if check.skip is None and check.check in CHECKS)
    found = {name for check in asked for name in CHECKS[check.check].measures(recipe, check.with_)}
    return frozenset(found | ({MEASURED} if found & PARTS.keys() else set()))


def unmeasured(recipe: Recipe, template: str) -> tuple[str, ...]:
    """The fields of a tag that no check of the recipe measures, in the tag's order."""
    known = {*TAG_FIELDS, *measurable(recipe)}
    return tuple(name for name in fields_of(template) if name not in known)


def who_measures(field: str, recipe: Recipe) -> str | None:
    """The check that a recipe would need for that field; None when there is none."""
    wanted = PARTS if field == MEASURED else (field,)
    return next((name for name, script in CHECKS.items() if set(wanted) & {*script.measures(recipe, {})}), None)


def measured_in(report: Report) -> dict[str, str]:
    """What the checks of a report have measured, as a tag may say it; `{measured}` is among it.

    Raises CheckFailed when two checks have measured different things, or one has not answered with a table of texts.
    """
    seen: dict[str, CheckResult] = {}
    values: dict[str, str] = {}
    faults = []
    for result in report.with_outcome(Outcome.PASS, Outcome.UNPROVEN):
        for field, value in _table(result).items():
            if values.setdefault(field, value) != value:
                other = seen[field]
                faults.append(Fault(what=f"{other.name} measured {values[field]}, {result.name} {value}", where=field))
            seen.setdefault(field, result)
    if faults:
        raise CheckFailed(
            f"{report.name}: two checks have measured different things, so there is no tag",
            where=report.image,
            faults=tuple(faults),
        )
    whole = "-".join(f"{letters}{values[field]}" for field, letters in PARTS.items() if field in values)
    return {**values, **({MEASURED: whole} if whole else {})}


def spoken(version: str) -> str:
    """`2.8.0` of `2.8.0+cu128`: a tag holds no `+`, and CUDA has a field of its own."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", version.strip().partition("+")[0])


def _table(result: CheckResult) -> dict[str, str]:
    found = result.evidence.get("measured", {})
    if not isinstance(found, dict):
        found = {"measured": found}
    if wrong := [field for field, value in found.items() if not isinstance(value, str)]:
        raise CheckFailed(
            f"{result.name} has measured {', '.join(wrong)} and not as a text",
            where=result.image,
            seen=repr(found)[:200],
            remedy="this is a fault of the check: `measured` is a table from names to versions",
        )
    spoken_of = {field: spoken(str(value)) for field, value in found.items()}
    return {field: value for field, value in spoken_of.items() if value}
