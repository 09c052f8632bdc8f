"""Seal: binds an image to the report that it passed. Pure, and the only maker of a Seal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from builder.checks.measures import measured_in
from builder.errors import CheckFailed, Fault, TagError, UnprovenError
from builder.models.recipe import MEASURED, fields_of
from builder.models.report import CheckResult, Outcome, Report
from builder.models.seal import Seal
from builder.stages.check_audit import AUDIT
from builder.stages.check_size import SIZE
from builder.stages.questions import expected

if TYPE_CHECKING:
    from builder.models.base import ImageId, Sha256
    from builder.models.lock import Lock
    from builder.models.recipe import Recipe

UNPROVEN = "-unproven"
"""How each tag of an image ends that no host has proven whole."""

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?:[A-Za-z0-9.-]+(?::\d+)?/)?{_PART}(?:/{_PART})*)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
)
"""`distribution/reference`'s grammar, without digests."""


def seal(*, recipe: Recipe, lock: Lock, rendering: Sha256, image: ImageId, report: Report) -> Seal:
    """The seal of an image that passed.

    Raises CheckFailed when a check failed, is missing or was about something else, UnprovenError when one is
    unproven and the recipe does not allow that, TagError when a tag is no image name.
    """
    require_same(recipe=recipe, lock=lock, rendering=rendering, image=image, report=report)
    _complete(recipe, report)
    if broken := report.with_outcome(Outcome.FAIL, Outcome.ERROR):
        raise CheckFailed(
            f"{recipe.name}: {len(broken)} of {len(report.results)} checks did not pass, so there is no tag",
            where=image,
            faults=_faults(broken),
        )
    unproven = report.with_outcome(Outcome.UNPROVEN)
    if unproven and not recipe.allow_unproven:
        raise UnprovenError(
            f"{recipe.name}: this host cannot prove {_names(unproven)}, so there is no tag",
            where=image,
            faults=_faults(unproven),
            remedy=f"`builder prove {recipe.name} --engine ssh://HOST` asks a host that can; or set "
            "`allow_unproven: true` for a tag that ends in -unproven",
        )
    return Seal(
        name=recipe.name,
        image=image,
        recipe=report.recipe,
        lock=report.lock,
        rendering=report.rendering,
        report=report.content_digest(),
        unproven=tuple(r.name for r in unproven),
        names=names(recipe, lock, report, unproven=bool(unproven)),
    )


def names(recipe: Recipe, lock: Lock, report: Report, *, unproven: bool) -> tuple[str, ...]:
    """The image names that the recipe's tags come to; what they say of the image is what its checks measured.

    Raises TagError for what no engine would accept, CheckFailed and UnprovenError where it was not measured.
    """
    measured = measured_in(report)
    fields = {**measured, "name": recipe.name, "version": recipe.version, "lock": lock.content_digest()[:12]}
    found = []
    for template in recipe.tags:
        missing = tuple(name for name in fields_of(template) if name not in fields)
        _nothing_lacks(missing, measured, report, f"recipe {recipe.name}: tags, {template}")
        plain = template.format(**fields)
        tagged = plain if ":" in plain.rpartition("/")[2] else f"{plain}:latest"
        name = tagged + UNPROVEN if unproven else tagged
        if not _REFERENCE.fullmatch(name):
            raise TagError(
                f"{name} is no image name",
                where=f"recipe {recipe.name}: tags, {template}",
                remedy="lower case before the colon; after it letters, digits, `_`, `.` and `-`, 128 at most",
            )
        found.append(name)
    return tuple(dict.fromkeys(found))


def unproven_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """What an image of these names was called before it was proven."""
    return tuple(f"{name}{UNPROVEN}" for name in names if _REFERENCE.fullmatch(name + UNPROVEN))


def _nothing_lacks(fields: tuple[str, ...], measured: dict[str, str], report: Report, where: str) -> None:
    """Raises where a field was not measured: UnprovenError when an unproven check may be why, else TagError."""
    if not fields:
        return
    missing = ", ".join(f"`{name}`" for name in fields)
    if unproven := report.with_outcome(Outcome.UNPROVEN):
        raise UnprovenError(
            f"the tag wants {missing}, and this host cannot prove {_names(unproven)}, so there is no tag",
            where=where,
            faults=_faults(unproven),
            remedy=f"`builder prove {report.name}` on a host that can, or take {missing} out of the tag",
        )
    raise TagError(
        f"the tag wants {missing}, and no check has measured it",
        where=where,
        seen="measured: " + (", ".join(f"{k} {v}" for k, v in sorted(measured.items()) if k != MEASURED) or "nothing"),
        remedy="ask for a check that measures it, or take it out of the tag",
    )


def require_same(*, recipe: Recipe, lock: Lock, rendering: Sha256, image: ImageId, report: Report) -> None:
    """Raises CheckFailed unless the report is about this very image, recipe, lock and rendering."""
    pairs = {
        "recipe's name": (recipe.name, report.name),
        "image": (image, report.image),
        "recipe": (recipe.content_digest(), report.recipe),
        "lock": (lock.content_digest(), report.lock),
        "rendering": (rendering, report.rendering),
    }
    for what, (have, reported) in pairs.items():
        if have != reported:
            raise CheckFailed(
                f"the report is about another {what}",
                where=f"report on {report.name}",
                seen=f"{reported}, not {have}",
                remedy=f"run `builder check {recipe.name}`",
            )


def _complete(recipe: Recipe, report: Report) -> None:
    """Every check that the recipe asks for was asked, and not all of them skipped."""
    got = tuple(r.name for r in report.results)
    if got != expected(recipe):
        raise CheckFailed(
            "the report does not have the checks that the recipe asks for",
            seen=f"{', '.join(got) or 'none'}, not {', '.join(expected(recipe))}",
            remedy=f"run `builder check {recipe.name}`",
        )
    if not any(r.outcome is not Outcome.SKIP for r in report.results if r.name not in (AUDIT, SIZE)):
        raise CheckFailed(f"{recipe.name}: every check is skipped: an image that nobody looked at gets no tag")


def _faults(results: tuple[CheckResult, ...]) -> tuple[Fault, ...]:
    return tuple(Fault(what=f"{r.outcome.value} {r.summary}", where=r.name) for r in results)


def _names(results: tuple[CheckResult, ...]) -> str:
    return ", ".join(r.name for r in results)
