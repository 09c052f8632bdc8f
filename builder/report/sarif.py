"""SARIF 2.1.0 of an audit, as code hosts show it beside the lines. Pure.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from builder.audit.baseline import fingerprint
from builder.audit.finding import Finding
from builder.audit.rules import RULES


def sarif(findings: Iterable[Finding], *, version: str) -> str:
    """One run with all rules and a result for each finding."""
    names = list(RULES)
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "builder audit", "version": version, "rules": _rules()}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(f, names.index(f.rule)) for f in findings],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.remedy},
            "defaultConfiguration": {"level": rule.severity.value},
        }
        for rule in RULES.values()
    ]


def _result(finding: Finding, index: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.path)}}
    if finding.line:
        location["region"] = {"startLine": finding.line, "startColumn": finding.column}
    wins = f" ({finding.wins})" if finding.wins else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": f"{finding.title}: {finding.seen}{wins}. {finding.why}. To do: {finding.remedy}."},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"builderAudit/v1": fingerprint(finding)},
    }


def _uri(path: str) -> str:
    """A relative reference for a path of the repository, a file: URI for an absolute one."""
    name = quote(path.encode("utf-8", "surrogateescape"), safe="/-._~")
    return f"file://{name}" if path.startswith("/") else name
