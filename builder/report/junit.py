"""JUnit XML of a report, as Jenkins and GitLab read it. Pure.

The shape is that of Jenkins' own schema (xunit-plugin, junit-10.xsd), which is stricter than any reader: its
`testsuites` has no `skipped`. GitLab shows the text of a failure, not its message, so the text begins with it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from builder.models.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.models.report import CheckResult, Report

_ELEMENT = {
    Outcome.FAIL: "failure",
    Outcome.ERROR: "error",
    Outcome.SKIP: "skipped",
    Outcome.UNPROVEN: "skipped",  # JUnit knows no fifth outcome; the message says which it is
}

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What may not stand in XML 1.0 at all, not even escaped."""


def junit(report: Report) -> str:
    """The report as one test suite; a result that was carried over took no time and says where it ran."""
    counts = _counts(report)
    root = ElementTree.Element("testsuites", {key: text for key, text in counts.items() if key != "skipped"})
    suite = ElementTree.SubElement(root, "testsuite", {"name": f"builder.{report.name}", **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("image", "recipe", "lock", "rendering", "engine"):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _clean(str(getattr(report, name)))})
    for result in report.results:
        _case(suite, report, result)
    if report.notices:
        text = "\n".join(f"{n.subject}: {n.text}" for n in report.notices)
        ElementTree.SubElement(suite, "system-out").text = _clean(text)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counts(report: Report) -> dict[str, str]:
    return {
        "tests": str(len(report.results)),
        "failures": str(len(report.with_outcome(Outcome.FAIL))),
        "errors": str(len(report.with_outcome(Outcome.ERROR))),
        "skipped": str(len(report.with_outcome(Outcome.SKIP, Outcome.UNPROVEN))),
        "time": f"{sum(_seconds(report, r) for r in report.results):.3f}",
    }


def _seconds(report: Report, result: CheckResult) -> float:
    return result.seconds if result.image == report.image else 0.0


def _case(suite: ElementTree.Element, report: Report, result: CheckResult) -> None:
    attributes = {
        "classname": f"builder.{report.name}",
        "name": _clean(result.name),
        "time": f"{_seconds(report, result):.3f}",
    }
    case = ElementTree.SubElement(suite, "testcase", attributes)
    notes = [*_notes(report, result), json.dumps(result.evidence, indent=1, sort_keys=True)]
    if element := _ELEMENT.get(result.outcome):
        message = f"{result.outcome.value}: {result.summary}"
        given = {"message": _clean(message), "type": result.outcome.value}
        ElementTree.SubElement(case, element, given).text = _clean("\n".join([message, *notes]))
        return
    ElementTree.SubElement(case, "system-out").text = _clean("\n".join([result.summary, *notes]))


def _notes(report: Report, result: CheckResult) -> Iterator[str]:
    """Where a result comes from, when not from the report's own image and engine."""
    if result.image != report.image:
        yield f"carried over from {result.image}: nothing that it depends on has changed"
    if result.proven:
        yield f"answered by {result.proven.engine} on {result.proven.host or 'another host'}"


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
