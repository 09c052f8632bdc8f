"""How runs and reports look: tables for people, documents for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from builder.models.mutation import Mutated
    from builder.models.report import Report
    from builder.pipeline import Foreseen, Outcomes, Workplace

COLOURS = {"PASS": "green", "FAIL": "bold red", "ERROR": "bold red", "UNPROVEN": "yellow", "SKIP": "dim"}
"""Of the outcomes, on a terminal."""

VERDICTS = {"caught": "green", "MISSED": "bold red", "BY ACCIDENT": "bold red"}
"""Of mutations, on a terminal."""


def foreseen(found: list[Foreseen], verbs: Sequence[str], as_json: bool) -> None:
    """What runs would do, verb by verb."""
    from builder.cli.display import table

    if as_json:
        documents = [{"name": one.name, **{verb: getattr(one, verb) for verb in verbs}} for one in found]
        print(json.dumps({"foreseen": documents}, indent=2))
        return
    for one in found:
        table((one.name, "would be"), [(verb, getattr(one, verb)) for verb in verbs])


def run(place: Workplace, done: Outcomes) -> None:
    """A run, verb by verb, below what its checks saw if any were asked."""
    from builder.cli.display import table

    rows = [(s.verb, "reused" if s.reused else "done", s.detail, f"{s.seconds:.1f} s") for s in done.steps]
    if done.report and not all(step.reused for step in done.steps):
        report(place, done.report, False)
        print()
    links = {}
    if page := _page(place, done.report):
        links = {step.detail: page.as_uri() for step in done.steps if step.verb == "check"}
        if all(step.reused for step in done.steps):
            print(f"page: {page}")
    table((done.name, "", "", "time"), rows, right=("time",), links=links)


def mutated(name: str, found: tuple[Mutated, ...], as_json: bool) -> None:
    """What came of every mutation. Raises CheckFailed when one escaped."""
    from builder.cli.display import table
    from builder.models.mutation import Verdict
    from builder.stages.mutate import require_caught

    if as_json:
        print(json.dumps({"mutations": [one.model_dump(mode="json") for one in found]}, indent=2))
    else:
        tried = [one for one in found if one.verdict is not Verdict.NOTHING]
        rows = [[one.check, one.name, one.verdict.value, one.summary, f"{one.seconds:.1f} s"] for one in tried]
        table(("check", "mutation", "verdict", "what it said", "time"), rows, right=("time",), styles=VERDICTS)
        caught = sum(one.verdict is Verdict.CAUGHT for one in tried)
        print(f"{caught} of {len(tried)} caught, each for its own reason; {len(found) - len(tried)} have nothing here")
        for line in _nothing([one for one in found if one.verdict is Verdict.NOTHING]):
            print(line)
    require_caught(name, found)


def _nothing(left_out: list[Mutated]) -> list[str]:
    """Which mutations were not tried, one line for each check and reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for one in left_out:
        by_reason.setdefault((one.check, one.summary), []).append(one.name)
    return [f"  not here, {check}: {why}: {', '.join(names)}" for (check, why), names in by_reason.items()]


def report(place: Workplace, found: Report, as_json: bool) -> None:
    """What the checks saw, and where the evidence is."""
    from builder.cli.display import table

    if as_json:
        print(found.model_dump_json(indent=2))
        return
    headers = ["check", "outcome", "what was seen", "time"]
    rows = [[r.name, r.outcome.value, r.summary, f"{r.seconds:.1f} s"] for r in found.results]
    if any(r.image != found.image for r in found.results):
        headers.append("carried over from")
        for row, result in zip(rows, found.results, strict=True):
            row.append("" if result.image == found.image else result.image[7:19])
    table(headers, rows, right=("time",), styles=COLOURS)
    for notice in found.notices:
        print(f"note: {notice.subject} {notice.text}")
    print(f"evidence: {place.reports.junit_path(found).with_suffix('.json')}")
    if page := _page(place, found):
        print(f"page: {page}")


def _page(place: Workplace, found: Report | None) -> Path | None:
    """Where the page is; None without a report, and for one of an older version."""
    path = place.reports.page_path(found) if found else None
    return path if path and path.exists() else None


def document(place: Workplace, done: Outcomes) -> dict[str, Any]:
    """A run, for machines."""
    return {
        "name": done.name,
        "image": done.image,
        "tags": list(done.names),
        "steps": [
            {"verb": s.verb, "reused": s.reused, "detail": s.detail, "seconds": round(s.seconds, 3)} for s in done.steps
        ],
        "report": done.report.model_dump(mode="json") if done.report else None,
        "page": str(page) if (page := _page(place, done.report)) else None,
    }
