"""What is different from the report before: outcomes, packages, layers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builder.models.base import ImageId
    from builder.models.report import Report
    from builder.models.resolved import Moved
    from builder.report.provenance import AnchorMoved, Predecessor, Provenance


@dataclass(frozen=True, kw_only=True)
class OutcomeChanged:
    """A check that ended otherwise than the last time; an empty outcome means that it was not asked."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class LayerChanged:
    """A layer whose content is another."""

    name: str
    how: str
    """changed, new or gone."""
    before: int | None
    """Bytes on the engine's disk; None where there were none, or nobody knows."""
    after: int | None


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is different from the image of the report before."""

    since: ImageId
    outcomes: tuple[OutcomeChanged, ...]
    moved: tuple[Moved, ...] | None
    layers: tuple[LayerChanged, ...] | None
    """None: that image's layers were not kept."""
    kept: int
    """Layers that are the same."""
    anchors: tuple[AnchorMoved, ...] | None
    sizes: tuple[int, int] | None
    """Bytes then and now; None when one is not known."""


def changes(report: Report, provenance: Provenance) -> Changes | None:
    """The differences; None for the first image of its name."""
    before = provenance.previous
    if before is None:
        return None
    layers = _layers(before, provenance) if before.layers and any(one.digest for one in provenance.layers) else None
    digests = {one.digest for one in before.layers}
    return Changes(
        since=before.image,
        outcomes=_outcomes(before, report),
        moved=before.moved,
        layers=layers,
        kept=sum(one.digest in digests for one in provenance.layers),
        anchors=before.anchors,
        sizes=None if before.size is None or provenance.size is None else (before.size, provenance.size),
    )


def _outcomes(before: Predecessor, report: Report) -> tuple[OutcomeChanged, ...]:
    then = {name: outcome.value for name, outcome in before.outcomes}
    now = {r.name: r.outcome.value for r in report.results}
    return tuple(
        OutcomeChanged(name=name, before=then.get(name, ""), after=now.get(name, ""))
        for name in {**now, **then}
        if then.get(name) != now.get(name)
    )


def _layers(before: Predecessor, provenance: Provenance) -> tuple[LayerChanged, ...]:
    then, now = ({one.name: one for one in layers} for layers in (before.layers, provenance.layers))
    found = []
    for name in {**now, **then}:
        old, new = then.get(name), now.get(name)
        if old and new and old.digest == new.digest:
            continue
        how = "changed" if old and new else "new" if new else "gone"
        found.append(
            LayerChanged(name=name, how=how, before=old.size if old else None, after=new.size if new else None)
        )
    return tuple(found)
