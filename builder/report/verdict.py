"""The verdict on an image, in two sentences. Pure, and no judgement of its own: the gate is `stages/seal`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.models.report import Outcome
from builder.report.words import counted, day, listed, short

if TYPE_CHECKING:
    from builder.models.report import Report
    from builder.models.seal import Seal


_SAID = {
    Outcome.FAIL: ("failed", "failed"),
    Outcome.ERROR: ("could not be carried out", "could not be carried out"),
    Outcome.UNPROVEN: ("is unproven", "are unproven"),
}
"""Of one check, and of several; the hardest first."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a report ended, for the head of its page."""

    outcome: Outcome
    """The hardest of the results': what colours the page."""
    word: str
    sentence: str
    unproven: bool
    """Whether another host could still say something."""


def verdict(report: Report, *, created: int | None, seal: Seal | None) -> Verdict:
    """What the report means for its image; a seal of another report says nothing about this one."""
    sealed = seal if seal and seal.report == report.content_digest() else None
    outcome, word = _hardest(report)
    made = f", created {day(created)}," if created is not None else ""
    names = "is tagged" if sealed else "was given no tag by this report"
    sentence = f"{_reason(report)}. Image {short(report.image)}{made} {names}."
    unproven = bool(report.with_outcome(Outcome.UNPROVEN))
    return Verdict(outcome=outcome, word=word, sentence=sentence, unproven=unproven)


def _hardest(report: Report) -> tuple[Outcome, str]:
    if report.with_outcome(Outcome.FAIL):
        return Outcome.FAIL, "Failed"
    if report.with_outcome(Outcome.ERROR):
        return Outcome.ERROR, "No verdict"
    if report.with_outcome(Outcome.UNPROVEN):
        return Outcome.UNPROVEN, "Unproven"
    return (Outcome.PASS, "Passed") if report.with_outcome(Outcome.PASS) else (Outcome.SKIP, "Not checked")


def _reason(report: Report) -> str:
    """`Of 8 checks, 7 passed; nvidia-smi is unproven`; what is harder comes first."""
    said = []
    for outcome, words in _SAID.items():
        if found := [r.name for r in report.with_outcome(outcome)]:
            said.append(f"{listed(found)} {words[min(len(found), 2) - 1]}")
    return "; ".join((_passed(report), *said))


def _passed(report: Report) -> str:
    total, passed = len(report.results), len(report.with_outcome(Outcome.PASS))
    if not total:
        return "Nothing was checked"
    if passed == total:
        return f"All {counted(total, 'check')} passed" if total > 1 else "The one check passed"
    skipped = len(report.with_outcome(Outcome.SKIP))
    left_out = f" and {skipped} {'was' if skipped == 1 else 'were'} skipped" if skipped else ""
    return f"Of {counted(total, 'check')}, {passed or 'none'} passed{left_out}"
