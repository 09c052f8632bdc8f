"""In which order to name mirrors: the best first, each backend once."""

from __future__ import annotations

from collections.abc import Sequence

from builder.mirrors.independence import Independence, family
from builder.mirrors.probe import Finding


def best_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """By source, and of each the fastest that is of use and current first."""
    order = list(dict.fromkeys(f.source for f in findings))
    return tuple(sorted(findings, key=lambda f: (order.index(f.source), *_worth(f))))


def advised(findings: Sequence[Finding], independence: Sequence[Independence]) -> dict[str, tuple[str, ...]]:
    """For each channel and index the mirrors to name in a recipe: of use, current, and no two of one backend."""
    order: dict[str, tuple[str, ...]] = {}
    for found in independence:
        asked = [f for f in findings if family(f.source) == found.source]
        names = sorted(dict.fromkeys(f.mirror for f in asked), key=lambda n: _slowest(asked, n))
        good = [n for n in names if all(f.usable and not f.stale for f in asked if f.mirror == n)]
        first: dict[tuple[str, ...], str] = {}
        for name in good:
            first.setdefault(next(b.names for b in found.backends if name in b.names), name)
        order[found.source] = tuple(first.values())
    return order


def _slowest(findings: Sequence[Finding], name: str) -> tuple[bool, bool, float, float]:
    return max(_worth(f) for f in findings if f.mirror == name)


def _worth(finding: Finding) -> tuple[bool, bool, float, float]:
    """Less is better: of use, current, fast, quick to answer."""
    return not finding.usable, finding.stale, -(finding.rate or 0.0), finding.first_byte or float("inf")
