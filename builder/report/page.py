"""The page of a report: one HTML file that needs nothing beside it, neither scripts nor fonts nor a network. Pure.

The same report, provenance and seal give the same bytes; no clock is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from builder.models.report import Outcome
from builder.report import words
from builder.report.certificates import certificates
from builder.report.changes import changes
from builder.report.evidence import Evidence, evidence
from builder.report.quality import quality
from builder.report.sizes import layers, packages
from builder.report.verdict import verdict

if TYPE_CHECKING:
    from jinja2 import Template

    from builder.models.report import CheckResult, Report
    from builder.models.seal import Seal
    from builder.report.provenance import Provenance

ROOM = 160_000
"""Characters of evidence that a page shows, of all its checks together."""
MOST_OF_ONE = 24_000
"""Of one check."""

MARKS = {
    Outcome.PASS: "\u2713",
    Outcome.FAIL: "\u2717",
    Outcome.ERROR: "!",
    Outcome.UNPROVEN: "?",
    Outcome.SKIP: "\u2013",
}
"""Beside the word, for a quick eye."""

SHAPES = (
    "M0 -5A5 5 0 1 0 0 5A5 5 0 1 0 0 -5Z",
    "M-4.5 -4.5H4.5V4.5H-4.5Z",
    "M0 -6.2L6.2 0L0 6.2L-6.2 0Z",
    "M0 -5.8L5.6 4.4H-5.6Z",
    "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    "M0 5.8L5.6 -4.4H-5.6Z",
)
"""SVG paths around the origin, one a quantization scheme; there are as many colours."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A check's result with its evidence as the page shows it."""

    result: CheckResult
    evidence: Evidence
    carried: bool


def page(
    report: Report, provenance: Provenance | None = None, seal: Seal | None = None, *, beside: bool = False
) -> str:
    """The HTML. Without a provenance (a report of an older builder) the page says what it cannot show.

    A provenance of another lock and a seal of another report are left out. `beside`: the report's JSON and JUnit XML
    lie in the page's folder, so that it can link to them.
    """
    if provenance and provenance.lock.content_digest() != report.lock:
        provenance = None
    lock = provenance.lock if provenance else None
    return _template().render(
        report=report,
        beside=beside,
        verdict=verdict(report, created=lock.created if lock else None, seal=seal),
        seal=seal if seal and seal.report == report.content_digest() else None,
        provenance=provenance,
        lock=lock,
        items=_items(report),
        counts=[(o, len(report.with_outcome(o))) for o in Outcome if report.with_outcome(o)],
        changes=changes(report, provenance) if provenance else None,
        layers=layers(provenance.layers) if provenance else None,
        packages=packages(lock) if lock else None,
        quality=quality(report),
        certificates=certificates(lock) if lock else None,
    )


def _items(report: Report) -> tuple[Item, ...]:
    room = min(MOST_OF_ONE, ROOM // max(1, len(report.results)))
    return tuple(
        Item(result=r, evidence=evidence(r.evidence, room), carried=r.image != report.image) for r in report.results
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only a page pays for it

    environment = Environment(
        loader=PackageLoader("builder"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {
        "size": words.size_text,
        "day": words.day,
        "short": words.short,
        "listed": words.listed,
        "counted": words.counted,
    }
    environment.globals |= {"marks": MARKS, "shapes": SHAPES}
    return environment.get_template("report.html.j2")


def _visible(value: object) -> object:
    """Every text that reaches the page: what cannot be seen is made to be; the escaping comes after it."""
    return words.shown(value) if type(value) is str else value
