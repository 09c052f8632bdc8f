"""Findings of a whole machine in the light of who wins: what another place overrules is a warning. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from builder.audit.conda_effective import Effective, shadow
from builder.audit.conda_value import Verdict
from builder.audit.examine import placed
from builder.audit.finding import Finding, Hit, Severity

_ABOUT = ("CONDA001", "CONDA002", "CONDA005")
_VERIFIES = (Verdict.ON, Verdict.BUNDLE, Verdict.TRUSTSTORE)


def weighed(
    findings: Sequence[Finding], conda: Sequence[Effective], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Each finding with the winner, and one more for each conda that its configuration stops."""
    for finding in findings:
        took_part = [e for e in conda if _takes_part(finding, e)]
        yield _told(finding, took_part, environment) if took_part else finding
    for effective in conda:
        yield from _stopped(effective, findings)


def _takes_part(finding: Finding, effective: Effective) -> bool:
    """False for the file of another user, or a script: nobody overrules those."""
    return finding.rule in _ABOUT and _name(finding) in {p.where for p in effective.participants}


def _name(finding: Finding) -> str:
    return f"{finding.path}:{finding.line}" if finding.line else finding.path.rpartition(": ")[2]


def _told(finding: Finding, took_part: Iterable[Effective], environment: Mapping[str, str]) -> Finding:
    """With the winner of the conda for which it counts most: where it wins itself, or nothing verifies."""
    by_weight = sorted(took_part, key=lambda e: e.winner != _name(finding) and e.verdict in _VERIFIES)
    effective = by_weight[0]
    said = f"{effective.winner} wins: {effective.why}"
    if found := shadow(environment):
        said += f"; for requests {found[0]}={found[1]} beats even that"
    overruled = effective.winner != _name(finding) and effective.verdict in _VERIFIES
    return replace(finding, wins=said, severity=Severity.WARNING if overruled else finding.severity)


def _stopped(effective: Effective, findings: Sequence[Finding]) -> Iterator[Finding]:
    """A value that only this machine shows to be wrong: a relative path that is not there, an old Python."""
    if effective.verdict is not Verdict.ERROR or not effective.path:
        return
    path, _, line = effective.winner.rpartition(":")
    number = int(line) if line.isdigit() else 0
    hit = Hit(rule="CONDA002", at=0, seen=f"ssl_verify: {effective.value}", wins=effective.why)
    (finding,) = placed(path if number else effective.winner, "", iter([hit]))
    finding = replace(finding, line=number, column=1 if number else 0)
    if effective.winner not in {_name(f) for f in findings if f.rule in ("CONDA002", "CA002")}:
        yield finding
