"""What an image was made from and what came before it: all that its page says beside its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.models.base import ImageId, Model
from builder.models.lock import Lock
from builder.models.report import Outcome, Report
from builder.models.resolved import Moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.models.engine import ImageFacts
    from builder.models.plan import Plan


class LayerSeen(Model):
    """One layer of the image, as the engine holds it."""

    name: str
    """The plan's; `base`, with a number where there are several, for the layers below the plan's."""
    title: str
    digest: str
    """Of the uncompressed layer (its diff ID)."""
    size: int | None
    """Bytes on disk, as the engine's history tells; None where it does not."""
    artifacts: int
    """Bytes of the files that the plan puts into it, as they are downloaded."""


class AnchorMoved(Model):
    """A trust anchor that one of two images has."""

    subject: str
    sha256: str
    not_after: str
    new: bool
    """It came; else it went."""


class Predecessor(Model):
    """The image of the report before, as far as a later page compares itself with it."""

    image: ImageId
    outcomes: tuple[tuple[str, Outcome], ...]
    layers: tuple[LayerSeen, ...]
    """Empty when they were not kept."""
    size: int | None = None
    """Bytes, as the engine counts them."""
    moved: tuple[Moved, ...] | None
    """What the lock changed since; None when that image's lock was not kept."""
    anchors: tuple[AnchorMoved, ...] | None = None
    """The same of the certificates."""


class Provenance(Model):
    """What is kept of an image beside its report."""

    version: int = 1
    lock: Lock
    layers: tuple[LayerSeen, ...]
    """Lowest first."""
    size: int | None
    """Bytes, as the engine counts them."""
    previous: Predecessor | None


def predecessor(
    report: Report, provenance: Provenance | None, *, moved: tuple[Moved, ...] | None, lock: Lock
) -> Predecessor:
    """What the page of a later image needs to know of this report's; the lock is that image's."""
    return Predecessor(
        image=report.image,
        outcomes=tuple((r.name, r.outcome) for r in report.results),
        layers=provenance.layers if provenance else (),
        size=provenance.size if provenance else None,
        moved=moved,
        anchors=_anchors(provenance.lock, lock) if provenance else None,
    )


def _anchors(old: Lock, new: Lock) -> tuple[AnchorMoved, ...]:
    """Those that went, then those that came; each by name."""
    then, now = ({c.sha256: c for c in lock.trust.certificates} for lock in (old, new))
    moved = [(c, False) for c in then.values() if c.sha256 not in now]
    moved += [(c, True) for c in now.values() if c.sha256 not in then]
    return tuple(
        AnchorMoved(subject=c.subject, sha256=c.sha256, not_after=c.not_after[:10], new=came)
        for c, came in sorted(moved, key=lambda pair: (pair[1], pair[0].subject, pair[0].sha256))
    )


def layers_seen(plan: Plan, image: ImageFacts | None, sizes: Sequence[int] | None) -> tuple[LayerSeen, ...]:
    """The plan's layers on top of those of its base; `sizes` are the engine's, lowest first.

    Without the image, or with fewer layers than planned, only the plan is known; then there are no digests.
    """
    digests = image.layers if image else ()
    below = len(digests) - len(plan.layers)
    known = below >= 0
    measured = sizes if known and sizes is not None and len(sizes) == len(digests) else None
    found = [
        LayerSeen(
            name="base" if below == 1 else f"base {at + 1}",
            title="of the base image",
            digest=digests[at],
            size=measured[at] if measured else None,
            artifacts=0,
        )
        for at in range(max(below, 0))
    ]
    for at, layer in enumerate(plan.layers):
        found.append(
            LayerSeen(
                name=layer.name,
                title=layer.title,
                digest=digests[below + at] if known else "",
                size=measured[below + at] if measured else None,
                artifacts=sum(a.size for a in layer.artifacts),
            )
        )
    return tuple(found)
