"""The page of a report: one HTML file that needs nothing beside it, neither scripts nor fonts nor a network. Pure.

The same report, provenance and seal give the same bytes; no clock is read.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from builder.models.report import Outcome
from builder.report import words
from builder.report.certificates import certificates, common_name
from builder.report.changes import changes
from builder.report.evidence import Evidence, evidence
from builder.report.quality import quality
from builder.report.sizes import Cell, layers, packages
from builder.report.tried import tried
from builder.report.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from builder.models.report import CheckResult, Report
    from builder.models.seal import Seal
    from builder.report.provenance import Provenance

ROOM = 160_000
"""Characters of evidence that a page shows, of all its checks together."""
MOST_OF_ONE = 24_000
"""Of one check."""

MOST_MEASURED = 16
"""Versions in the page's head."""

MARKS = {
    Outcome.PASS: "\u2713",
    Outcome.FAIL: "\u2717",
    Outcome.ERROR: "!",
    Outcome.UNPROVEN: "?",
    Outcome.SKIP: "\u2013",
}
"""Beside the word, for a quick eye."""

ICONS = {
    Outcome.PASS: "1a6b3c",
    Outcome.FAIL: "b3261e",
    Outcome.ERROR: "b3261e",
    Outcome.UNPROVEN: "b07400",
    Outcome.SKIP: "59626d",
}
"""Colours of the page's icon, which a browser shows beside its name."""

SHAPES = (
    "M0 -5A5 5 0 1 0 0 5A5 5 0 1 0 0 -5Z",
    "M-4.5 -4.5H4.5V4.5H-4.5Z",
    "M0 -6.2L6.2 0L0 6.2L-6.2 0Z",
    "M0 -5.8L5.6 4.4H-5.6Z",
    "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    "M0 5.8L5.6 -4.4H-5.6Z",
    "M-3.2 -5.5H3.2L6.4 0L3.2 5.5H-3.2L-6.4 0Z",
    "M-5.4 -2.6L-2.6 -5.4L0 -2.8L2.6 -5.4L5.4 -2.6L2.8 0L5.4 2.6L2.6 5.4L0 2.8L-2.6 5.4L-5.4 2.6L-2.8 0Z",
    "M0 -6.6L1.9 -2L6.4 -1.9L2.9 1.1L4 5.6L0 3.1L-4 5.6L-2.9 1.1L-6.4 -1.9L-1.9 -2Z",
)
"""SVG paths around the origin, one a quantization scheme."""
COLOURS = 6
"""Of models, in the style sheet."""


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
    installed = packages(lock) if lock else None
    style = _style(installed.cells if installed else ())
    html = _template().render(
        style=style,
        style_digest=b64encode(sha256(style.encode()).digest()).decode(),
        report=report,
        beside=beside,
        verdict=verdict(report, created=lock.created if lock else None, seal=seal),
        seal=seal if seal and seal.report == report.content_digest() else None,
        provenance=provenance,
        lock=lock,
        measured=_measured(report),
        items=_items(report),
        changes=changes(report, provenance) if provenance else None,
        layers=layers(provenance.layers) if provenance else None,
        packages=installed,
        quality=quality(report),
        tried=tried(report),
        certificates=certificates(lock) if lock else None,
    )
    return html + "\n"


def prepare() -> None:
    """Compiles the templates, 80 ms of work that can be done while something else is waited for."""
    environment = _template().environment
    for name in environment.list_templates(
        filter_func=lambda name: name.startswith("report/") and name.endswith(".j2")
    ):
        environment.get_template(name)


def _measured(report: Report) -> tuple[str, ...]:
    """`python 3.9.2` in one line, for each version that a check which passed read in the running image."""
    found: dict[str, str] = {}
    for result in report.with_outcome(Outcome.PASS):
        versions = result.evidence.get("measured")
        if isinstance(versions, dict):
            found |= {name: text[:40] for name, text in versions.items() if isinstance(text, str) and len(name) < 40}
    return tuple(f"{name}\u00a0{text}" for name, text in found.items())[:MOST_MEASURED]


def _items(report: Report) -> tuple[Item, ...]:
    room = min(MOST_OF_ONE, ROOM // max(1, len(report.results)))
    return tuple(
        Item(result=r, evidence=evidence(r.evidence, room), carried=r.image != report.image) for r in report.results
    )


def _style(cells: Sequence[Cell]) -> str:
    """The style sheet and the map's places: as attributes they would need a policy that allows any style."""
    places = [_places(cells, "wide"), "@media (max-width: 40rem) {", _places(cells, "narrow"), "}"]
    return "\n".join((_style_sheet(), *places, ""))


def _places(cells: Sequence[Cell], form: str) -> str:
    found = ((at, getattr(cell, form)) for at, cell in enumerate(cells))
    return "\n".join(f"#cell-{at} {{ left: {x}%; top: {y}%; width: {w}%; height: {h}% }}" for at, (x, y, w, h) in found)


@cache
def _style_sheet() -> str:
    return files("builder").joinpath("templates/report/style.css").read_text(encoding="utf-8")


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
        "change": words.change_text,
        "day": words.day,
        "short": words.short,
        "listed": words.listed,
        "counted": words.counted,
        "anchor": common_name,
    }
    environment.globals |= {"marks": MARKS, "shapes": SHAPES, "icons": ICONS, "colours": COLOURS}
    return environment.get_template("report.html.j2")


def _visible(value: object) -> object:
    """Every text that reaches the page: what cannot be seen is made to be; the escaping comes after it."""
    return words.shown(value) if type(value) is str else value
