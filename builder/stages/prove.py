"""Prove: what another host could ask enters a report on the very same image; what was found before stays. Pure.

A result can only be taken in where it is worse than what is there, or where nothing was proven: UNPROVEN gives way to
every verdict, and nothing gives way to PASS but UNPROVEN. So no order of reports and no repetition washes a FAIL away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.errors import CheckFailed, Fault, UnprovenError
from builder.models.report import CheckResult, Outcome, Proof, Report
from builder.stages.check_size import SIZE
from builder.stages.questions import is_fresh

if TYPE_CHECKING:
    from datetime import datetime

    from builder.models.base import Sha256

_ORDER: Final = (Outcome.UNPROVEN, Outcome.PASS, Outcome.ERROR, Outcome.FAIL)
"""From what gives way to everything to what gives way to nothing. SKIP is the recipe's word, the same everywhere."""


def combine(first: Report, second: Report) -> Report:
    """One report of two on the same image: of each check the weightier outcome, the first's where they weigh the same.

    Raises CheckFailed when the two are not about the same image, recipe, lock, rendering and questions.
    """
    for what in ("name", "image", "recipe", "lock", "rendering"):
        _agree(f"another {what}", getattr(first, what), getattr(second, what), first)
    _agree(
        "other questions", [(r.name, r.key) for r in first.results], [(r.name, r.key) for r in second.results], first
    )
    results = tuple(
        mine if _weight(mine) >= _weight(theirs) else _credited(theirs, second)
        for mine, theirs in zip(first.results, second.results, strict=True)
    )
    for mine, theirs in zip(first.results, second.results, strict=True):
        _agree(f"another skip of {mine.name}", mine.outcome is Outcome.SKIP, theirs.outcome is Outcome.SKIP, first)
    return first.model_copy(update={"results": results})


def with_answers(
    first: Report, answers: tuple[CheckResult, ...], by: Proof, *, old: frozenset[str] = frozenset()
) -> Report:
    """The report with what a host answered to the questions that were unproven, and to those that passed too long ago.

    Another answer is not taken. Raises CheckFailed for an answer about another image or question, or to a question
    that was not open.
    """
    open_ = {r.name: r for r in first.results if r.outcome is Outcome.UNPROVEN or r.name in old}
    for answer in answers:
        asked = open_.get(answer.name)
        _agree(f"another question than {answer.name}", asked.key if asked else None, answer.key, first)
        _agree("another image", first.image, answer.image, first)
    answered = {a.name: a.model_copy(update={"proven": by}) for a in answers if a.outcome is not Outcome.UNPROVEN}
    return first.model_copy(update={"results": tuple(answered.get(r.name, r) for r in first.results)})


def unproven(report: Report) -> frozenset[str]:
    """The checks that are left to prove. Raises CheckFailed when one has failed: then there is nothing to prove."""
    if broken := report.with_outcome(Outcome.FAIL, Outcome.ERROR):
        raise CheckFailed(
            f"{report.name}: {len(broken)} of {len(report.results)} checks did not pass, so there is nothing to prove",
            where=report.image,
            faults=_faults(broken),
            remedy=f"correct the recipe and build; `builder check {report.name} --all-checks` asks this image anew, if "
            "it was the host that was at fault",
        )
    return frozenset(r.name for r in report.with_outcome(Outcome.UNPROVEN))


def too_old(report: Report, dated: frozenset[str], now: datetime) -> frozenset[str]:
    """Of the results that depend on the day, those that passed so long ago that they have to be asked again."""
    passed = report.with_outcome(Outcome.PASS)
    return frozenset(r.name for r in passed if r.name in dated and not is_fresh(r, now))


def other_questions(report: Report, keys: tuple[Sha256, ...]) -> tuple[str, ...]:
    """The checks that would be asked otherwise than the report was, by the keys that they have for an image now.

    The size is left out: it is the engine's own count.
    """
    if len(keys) != len(report.results):
        return ("other checks",)
    pairs = zip(report.results, keys, strict=True)
    return tuple(result.name for result, key in pairs if result.name != SIZE and result.key != key)


def require_same_questions(report: Report, keys: tuple[Sha256, ...]) -> None:
    """Raises CheckFailed unless an image of these keys would be asked what the report answers."""
    if changed := other_questions(report, keys):
        raise CheckFailed(
            f"{report.name}: what is asked has changed since the report was made",
            where=report.image,
            seen=f"{', '.join(changed)}: another script, other arguments, or other layers",
            remedy=f"use the builder that made the report, or `builder check {report.name}` where the image was built",
        )


def require_answers(answers: tuple[CheckResult, ...], by: Proof, *, old: frozenset[str] = frozenset()) -> None:
    """Raises where a host's answers change nothing: CheckFailed for an ERROR, UnprovenError when it proves nothing.

    old: what was asked only because it passed too long ago; to pass again proves nothing that was unproven.
    """
    where = f"{by.host} ({by.engine})" if by.host else by.engine
    if errors := tuple(a for a in answers if a.outcome is Outcome.ERROR):
        raise CheckFailed(
            f"{len(errors)} of {len(answers)} checks could not be carried out there; the report stays as it was",
            where=where,
            faults=_faults(errors),
            remedy="mend that host, or name another; a check that needs longer has `timeout` in the recipe",
        )
    proving = tuple(a for a in answers if a.name not in old or a.outcome is Outcome.FAIL)
    if proving and all(a.outcome is Outcome.UNPROVEN for a in proving):
        names = ", ".join(a.name for a in proving)
        raise UnprovenError(
            f"this host cannot prove {names} either; report and names stay as they were",
            where=where,
            faults=_faults(proving),
            remedy="name an engine that can: `--engine ssh://HOST`; `docker run --rm --gpus all IMAGE nvidia-smi` "
            "tells whether it gives a GPU",
        )


def _weight(result: CheckResult) -> int:
    return _ORDER.index(result.outcome) if result.outcome in _ORDER else len(_ORDER)


def _credited(result: CheckResult, report: Report) -> CheckResult:
    by = Proof(engine=result.engine or report.engine, host="")
    return result if result.proven else result.model_copy(update={"proven": by})


def _agree(what: str, have: object, reported: object, report: Report) -> None:
    if have != reported:
        raise CheckFailed(
            f"{report.name}: what was brought is about {what}",
            where=report.image,
            seen=f"{_short(reported)}, not {_short(have)}",
            remedy="reports can be put together when they are on one image, from one recipe, lock and rendering, by "
            "one version of builder",
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _faults(results: tuple[CheckResult, ...]) -> tuple[Fault, ...]:
    return tuple(Fault(what=f"{r.outcome.value} {r.summary}", where=r.name, seen=_said(r)) for r in results)


def _said(result: CheckResult) -> str | None:
    """The end of what a check wrote that gave no answer: an ERROR is in no report that could be looked at."""
    lines = result.evidence.get("output") or result.evidence.get("traceback")
    return "\n".join(map(str, lines[-5:])) if isinstance(lines, list) and lines else None
