"""JUnit XML of an audit: a test suite of files, a failure for each finding. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from xml.etree import ElementTree

from builder.audit.finding import Finding, Severity


def junit(findings: Iterable[Finding], *, fails: Severity) -> str:
    """One case a file and rule; graver than or equal to `fails` is a failure, the rest is told in its output."""
    cases: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        cases[finding.path, finding.rule].append(finding)
    failed = sum(any(f.severity.rank <= fails.rank for f in found) for found in cases.values())
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "builder.audit", **counts})
    for (path, rule), found in sorted(cases.items()):
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": _clean(path), "name": f"{rule} {found[0].title}"}
        )
        text = _clean("\n".join(f"{f.place}: {f.seen}. {f.wins}".rstrip(". ") for f in found))
        if any(f.severity.rank <= fails.rank for f in found):
            given = {"message": _clean(f"{found[0].why}; to do: {found[0].remedy}"), "type": found[0].severity.value}
            ElementTree.SubElement(case, "failure", given).text = text
        else:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
