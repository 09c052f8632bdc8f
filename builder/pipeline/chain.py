"""The chain: every verb in turn, for one recipe; does nothing when nothing has changed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from builder.models.report import Outcome
from builder.pipeline.last import image_of, standing
from builder.pipeline.verbs import Described, carry_out, checked, describe, locked, peak, require_room, tagged
from builder.stages.build import staging_name
from builder.stages.lock import is_stale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.adapters.project import Loaded
    from builder.models.base import ImageId
    from builder.models.engine import ImageFacts
    from builder.models.report import Report
    from builder.pipeline.workplace import Workplace
    from builder.progress import Progress
    from builder.stages.fetch import FetchSummary

Verb = Literal["lock", "fetch", "render", "build", "check", "tag"]
VERBS: tuple[Verb, ...] = ("lock", "fetch", "render", "build", "check", "tag")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person may ask of a run besides its recipe."""

    until: Verb = "tag"
    all_checks: bool = False
    no_cache: bool = False
    jobs: int = 4


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a verb did."""

    verb: Verb
    reused: bool
    detail: str
    seconds: float


@dataclass(kw_only=True)
class Outcomes:
    """How a run went, verb by verb."""

    name: str
    steps: list[Step] = field(default_factory=list)
    image: ImageId | None = None
    names: tuple[str, ...] = ()
    report: Report | None = None

    @contextmanager
    def timed(self, verb: Verb) -> Iterator[_Note]:
        """Notes what the verb does within the `with` block."""
        note, begun = _Note(), time.monotonic()
        yield note
        seconds = time.monotonic() - begun
        self.steps.append(Step(verb=verb, reused=note.reused, detail=note.detail, seconds=seconds))

    def reuse(self, verb: Verb, detail: str) -> None:
        """Notes that there was nothing to do."""
        self.steps.append(Step(verb=verb, reused=True, detail=detail, seconds=0.0))


@dataclass
class _Note:
    reused: bool = False
    detail: str = ""


def run(place: Workplace, name: str, progress: Progress, options: Options) -> Outcomes:
    """The chain, up to a verb; says of each whether it did anything."""
    outcomes = Outcomes(name=name)
    wanted = VERBS[: VERBS.index(options.until) + 1]
    now = _lock(place, place.load(name), progress, outcomes)
    if options.until == "tag" and not (options.all_checks or options.no_cache) and _stands(place, now, outcomes):
        return outcomes
    there = _ready(place, now, options) if "build" in wanted else None
    if "fetch" in wanted and there is None:
        _fetch(place, now, progress, outcomes, jobs=options.jobs)
    if "render" in wanted:
        _render(place, now, outcomes)
    if "build" in wanted:
        outcomes.image = there.id if there else _build(place, now, progress, outcomes, no_cache=options.no_cache)
        if there:
            outcomes.reuse("build", f"image {there.id[7:19]}")
    if "check" in wanted and outcomes.image:
        outcomes.report = _check(place, now, outcomes.image, progress, outcomes, all_checks=options.all_checks)
    if "tag" in wanted and outcomes.report:
        outcomes.names = _tag(place, now, outcomes.report, outcomes)
    return outcomes


def _ready(place: Workplace, now: Described, options: Options) -> ImageFacts | None:
    """The image, if this very rendering is built already; else the engine and its room are seen to before anything
    is downloaded for nothing."""
    if not options.no_cache and (there := image_of(place, now)):
        return there
    require_room(place, now)
    return None


def _lock(place: Workplace, loaded: Loaded, progress: Progress, outcomes: Outcomes) -> Described:
    with outcomes.timed("lock") as note:
        result = locked(place, loaded, progress)
        note.reused = not result.made
        note.detail = f"{len(result.lock.pip)} wheels, {len(result.lock.apt)} packages of the distribution"
        if shop := result.lock.workshop:
            note.detail += f"; {len(shop.pip)} wheels in the workshop"
    return describe(place, loaded, result.lock)


def _fetch(place: Workplace, now: Described, progress: Progress, outcomes: Outcomes, *, jobs: int) -> None:
    with outcomes.timed("fetch") as note:
        summary = place.bring(now.loaded, now.lock, now.plan.artifacts(), progress, jobs)
        note.reused, note.detail = not summary.served and not summary.derived, _fetched(summary)


def _render(place: Workplace, now: Described, outcomes: Outcomes) -> None:
    with outcomes.timed("render") as note:
        changed = place.project.write_rendering(now.rendered)
        note.reused, note.detail = not changed, f"{len(changed)} of {len(now.rendered.files)} files changed"


def _build(place: Workplace, now: Described, progress: Progress, outcomes: Outcomes, *, no_cache: bool) -> ImageId:
    with outcomes.timed("build") as note:
        built = carry_out(place, now, progress, no_cache=no_cache)
        note.reused = built.steps_run == 0
        note.detail = f"{built.steps_run} steps run, {built.steps_cached} cached: {built.image[7:19]}"
        return built.image


def _check(
    place: Workplace, now: Described, image: ImageId, progress: Progress, outcomes: Outcomes, *, all_checks: bool
) -> Report:
    with outcomes.timed("check") as note:
        before = place.reports.latest(now.loaded.recipe.name)
        report = checked(place, now, image, progress, all_checks=all_checks)
        carried = 0 if before is None or all_checks else sum(r in before.results for r in report.results)
        note.detail = _counts(report) + (f"; {carried} carried over" if carried else "")
        return report


def _tag(place: Workplace, now: Described, report: Report, outcomes: Outcomes) -> tuple[str, ...]:
    with outcomes.timed("tag") as note:
        sealed = tagged(place, now, report)
        place.engine.untag(staging_name(now.rendered))
        note.detail = ", ".join(sealed.names)
        return sealed.names


def _stands(place: Workplace, now: Described, outcomes: Outcomes) -> bool:
    """Whether there is nothing to do; notes why."""
    if place.project.differences(now.rendered) or (found := standing(place, now)) is None:
        return False
    for name in found.seal.names:
        if (facts := place.engine.inspect(name)) is None or facts.id != found.seal.image:
            return False
    outcomes.image, outcomes.names, outcomes.report = found.seal.image, found.seal.names, found.report
    outcomes.reuse("render", f"{len(now.rendered.files)} files as they are")
    outcomes.reuse("build", f"image {found.seal.image[7:19]}")
    outcomes.reuse("check", _counts(found.report))
    outcomes.reuse("tag", ", ".join(found.seal.names))
    return True


def _fetched(summary: FetchSummary) -> str:
    if not summary.served and not summary.derived:
        return f"{summary.present} artifacts in the store"
    bytes_ = sum(s.bytes for s in summary.served)
    return f"{sum(s.files for s in summary.served)} files, {bytes_ / 1e6:,.0f} MB; {summary.derived} made here"


def _counts(report: Report) -> str:
    counts = {outcome: len(report.with_outcome(outcome)) for outcome in Outcome}
    return ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What a run would do."""

    name: str
    lock: str
    fetch: str
    render: str
    build: str
    check: str = "everything"
    tag: str = "what passed"


def foresee(place: Workplace, name: str) -> Foreseen:
    """What `run` would do; asks the store and the engine, changes nothing."""
    loaded, found = place.load(name), place.project.read_lock(name)
    if found is None or is_stale(found, loaded.recipe, loaded.extra, loaded.files):
        made = "made" if found is None else "made anew: the recipe changed"
        return Foreseen(name=name, lock=made, fetch="what the lock will name", render="anew", build="anew")
    now = describe(place, loaded, found)
    missing = place.store.missing(now.plan.artifacts())
    differing = place.project.differences(now.rendered)
    there = None if differing else image_of(place, now)
    stands = there is not None and standing(place, now) is not None
    needed = missing if there is None else ()
    return Foreseen(
        name=name,
        lock="as it is",
        fetch=f"{len(needed)} files, {sum(a.size for a in needed) / 1e6:,.0f} MB" if needed else "nothing",
        render=f"{len(differing)} files" if differing else "as it is",
        build=f"nothing: {there.id[7:19]} is there" if there else f"up to {peak(now) / 1e9:.1f} GB of disk",
        check="nothing: the report is whole" if stands else "what no earlier report answers",
        tag="nothing: the sealed image is what is asked" if stands else "what passed",
    )
