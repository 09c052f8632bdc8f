"""What the gate asks of the audit: is there anything for which an image gets no tag? Pure."""

from __future__ import annotations

from collections.abc import Iterable

from builder.audit.finding import Finding, Severity


def findings_of_severity_error(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that refuse a tag."""
    return at_least(findings, Severity.ERROR)


def at_least(findings: Iterable[Finding], severity: Severity) -> tuple[Finding, ...]:
    """Those that are as grave as this, or graver."""
    return tuple(f for f in findings if f.severity.rank <= severity.rank)
