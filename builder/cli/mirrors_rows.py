"""`builder mirrors` in rows: what a person sees of each mirror, installer and finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builder.mirrors.catalogue import Mirrors
    from builder.mirrors.entry import Mirror
    from builder.mirrors.independence import Independence
    from builder.mirrors.probe import Finding
    from builder.models.installer import InstallerEntry

_SOON = 14
"""Days that a certificate has left, from which it is shown in red."""


def installer_row(entry: InstallerEntry, mirrors: Mirrors) -> tuple[str, ...]:
    """An installer, who says that its hash is the right one, and which mirrors carry its family."""
    *there, _upstream = mirrors.carrying(entry.family)
    vouched = ", ".join(entry.vouched)
    return entry.family, entry.version, entry.python, entry.arch, entry.sha256[:16], vouched, " ".join(there)


def listed(name: str, entry: Mirror) -> tuple[str, ...]:
    """A mirror: what it carries, who stands behind it, when and by whom that was confirmed."""
    conda = ["any other" if c == "*" else c for c in entry.conda]
    behind = ", ".join(f"{by} ({' '.join(s for s, b in entry.behind.items() if b == by)})" for by in _backends(entry))
    confirmed = f"{entry.confirmed.on}: {entry.confirmed.by}" if entry.confirmed else ""
    yes = ("yes" if entry.pypi else "", "yes" if entry.debian else "")
    shown = " ".join(conda[:4]) + (f" +{len(conda) - 4}" if len(conda) > 4 else "")
    return name, shown, " ".join(entry.installers), *yes, behind, confirmed


def _backends(entry: Mirror) -> Iterator[str]:
    yield from dict.fromkeys(entry.behind.values())


def row(finding: Finding) -> tuple[str, ...]:
    """What one mirror answered for one source."""
    from builder.cli.amounts import rate_text

    first = f"{1000 * finding.first_byte:.0f} ms" if finding.first_byte is not None and finding.up else ""
    rate = rate_text(finding.rate, "bytes") if finding.rate and finding.up else ""
    certificate = f"{finding.issuer}, {finding.days} days" if finding.issuer else ""
    hosts = ", ".join(finding.hosts)
    answers = f"{hosts} (sent on by {', '.join(finding.via)})" if finding.via else hosts
    up = "yes" if finding.up else f"no: {finding.cause}"
    return (
        finding.mirror,
        finding.source,
        up,
        first,
        rate,
        _age(finding),
        finding.zst or "",
        finding.package or "",
        certificate,
        answers,
    )


def alarming(finding: Finding, row: Sequence[str]) -> Iterator[str]:
    """The cells that say why a mirror is no use, or will soon be none."""
    up, age, zst, package, certificate = row[2], *row[5:9]
    yield from [up] if not finding.up else []
    yield from [age] if finding.stale else []
    yield from [zst] if finding.zst in ("differs", "unreadable") else []
    yield from [package] if not finding.usable and package else []
    yield from [certificate] if finding.days is not None and finding.days < _SOON else []


def _age(finding: Finding) -> str:
    """How much older than the newest seen anywhere."""
    if finding.late is None:
        return ""
    if finding.late < 60:
        return "newest"
    hours = finding.late / 3600
    text = f"{hours / 24:.0f} days older" if hours >= 48 else f"{hours:.1f} h older"
    return f"stale: {text}" if finding.stale else text


def trouble(finding: Finding) -> str:
    """Why packages cannot be had from a mirror."""
    return finding.cause or f"a package: {finding.package}"


def independence_row(found: Independence) -> tuple[str, ...]:
    """How many of a source's mirrors there really are."""
    backends = "; ".join(" = ".join(b.names) for b in found.backends)
    return found.source, str(found.names), str(len(found.backends)), backends, " ".join(found.silent)
