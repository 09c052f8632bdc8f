"""What the last run left: the image, its report, its seal; and whether they still are what the recipe asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.errors import TagError
from builder.stages.build import staging_name
from builder.stages.check import keys

if TYPE_CHECKING:
    from builder.models.base import ImageId
    from builder.models.engine import ImageFacts
    from builder.models.report import Report
    from builder.models.seal import Seal
    from builder.pipeline.verbs import Described
    from builder.pipeline.workplace import Workplace


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A sealed image that is still what its recipe asks for."""

    seal: Seal
    report: Report


def standing(place: Workplace, described: Described) -> Standing | None:
    """The image that the last run sealed, if it is still there, still what is asked, and cannot be proven further."""
    recipe, seal = described.loaded.recipe, place.reports.latest_seal(described.loaded.recipe.name)
    if seal is None or (seal.recipe, seal.lock, seal.rendering) != (
        recipe.content_digest(),
        described.lock.content_digest(),
        described.rendered.digest,
    ):
        return None
    report, image = place.reports.report(recipe.name, seal.image), place.engine.inspect(seal.image)
    if report is None or report.content_digest() != seal.report or image is None:
        return None
    asked = keys(recipe=recipe, plan=described.plan, lock=described.lock, image=image)
    provable = bool(seal.unproven) and place.engine.version().nvidia
    return (
        Standing(seal=seal, report=report) if asked == tuple(r.key for r in report.results) and not provable else None
    )


def image_of(place: Workplace, described: Described) -> ImageFacts | None:
    """An image that was built from this very rendering, checked or not; None when the engine has none."""
    seal = place.reports.latest_seal(described.plan.name)
    for name in (staging_name(described.rendered), *((seal.image,) if seal else ())):
        facts = place.engine.inspect(name)
        if facts and dict(facts.labels).get("builder.rendering") == described.rendered.digest:
            return facts
    return None


def last_image(place: Workplace, described: Described) -> ImageId:
    """As `image_of`. Raises TagError when the engine has none."""
    if facts := image_of(place, described):
        return facts.id
    raise TagError(
        f"{described.plan.name} is not built yet from what is rendered",
        remedy=f"run `builder build {described.plan.name} --until build`",
    )


def last_report(place: Workplace, name: str) -> Report:
    """The last report of a recipe, whatever became of the recipe since. Raises TagError when there is none."""
    report = place.reports.latest(name)
    if report is None:
        raise TagError(f"there is no report on {name} yet", remedy=f"run `builder build {name} --until check`")
    return report


def last_seal(place: Workplace, described: Described) -> Seal:
    """The last seal. Raises TagError when there is none."""
    found = place.reports.latest_seal(described.plan.name)
    if found is None:
        raise TagError("nothing is sealed yet", remedy=f"run `builder build {described.plan.name}`")
    return found
