"""What is kept beside a report for its page: the image's layers as the engine holds them, and the image before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.report.provenance import Predecessor, Provenance, layers_seen, predecessor
from builder.stages.lock_changes import moved

if TYPE_CHECKING:
    from builder.models.engine import ImageFacts
    from builder.models.report import Report
    from builder.pipeline.verbs import Described
    from builder.pipeline.workplace import Workplace


def provenance(place: Workplace, described: Described, image: ImageFacts, *, before: Report | None) -> Provenance:
    """Of an image that was just checked; `before` is the recipe's report until then, of whichever image."""
    return Provenance(
        lock=described.lock,
        layers=layers_seen(described.plan, image, place.engine.layer_sizes(image)),
        size=image.size,
        previous=_previous(place, described, image, before),
    )


def _previous(place: Workplace, described: Described, image: ImageFacts, before: Report | None) -> Predecessor | None:
    """The image before this one: another check of the same image does not make it its own predecessor."""
    if before is None:
        return None
    kept = place.reports.provenance(before.name, before.image)
    if before.image == image.id:
        return kept.previous if kept else None
    lock = described.lock
    return predecessor(before, kept, moved=moved(kept.lock, lock) if kept else None, lock=lock)
