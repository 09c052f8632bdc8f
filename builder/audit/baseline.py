"""A baseline: findings that were there when the audit began, by what they are and not by their line. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable

from builder.audit.finding import Finding
from builder.errors import BuilderError

Named = Callable[[str], str]
"""A finding's path as a baseline has it, however the user spelled it: relative to the baseline's folder."""


def fingerprint(finding: Finding, named: Named = str) -> str:
    """The same for the same finding further up or down in its file."""
    parts = (finding.rule, named(finding.path), finding.seen)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def baseline_text(findings: Iterable[Finding], named: Named = str) -> str:
    """The file: for a person to read, and how often each finding is there."""
    counts = Counter((fingerprint(f, named), f.rule, named(f.path), f.seen) for f in findings)
    entries = [
        {"fingerprint": mark, "rule": rule, "path": path, "seen": seen, "count": count}
        for (mark, rule, path, seen), count in sorted(counts.items(), key=lambda item: (item[0][2], item[0][1:]))
    ]
    return json.dumps({"version": 1, "findings": entries}, indent=2, ensure_ascii=False) + "\n"


def baseline_counts(text: str, where: str) -> Counter[str]:
    """How many of each fingerprint are known. Raises BuilderError."""
    try:
        entries = json.loads(text)["findings"]
        return Counter({str(entry["fingerprint"]): int(entry["count"]) for entry in entries})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BuilderError(
            "this is no baseline",
            where=where,
            seen=f"{type(error).__name__}: {error}",
            remedy="make it again with `builder audit --write-baseline`",
        ) from error


def new_findings(findings: Iterable[Finding], known: Counter[str], named: Named = str) -> tuple[Finding, ...]:
    """Those that the baseline does not have; of equal ones as many as there are more."""
    left, kept = Counter(known), []
    for finding in findings:
        mark = fingerprint(finding, named)
        if left[mark] > 0:
            left[mark] -= 1
        else:
            kept.append(finding)
    return tuple(kept)
