"""Chains the verbs for one recipe and wires the adapters: recipe -> lock -> fetch -> render -> build -> check -> tag.

A value travels one way. Each verb is also a command of its own; `build` runs them all and does nothing when nothing
has changed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from builder.adapters.project import Loaded, Project
from builder.checks import CHECKS
from builder.errors import DiskError, LockError, RenderingError, TagError
from builder.models.lock import Lock
from builder.models.report import Outcome
from builder.stages.check import check, keys
from builder.stages.lock import LockResult, is_stale, lock
from builder.stages.plan import plan
from builder.stages.render import render
from builder.stages.seal import seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from builder.adapters.engine import Engine
    from builder.adapters.reports import Reports
    from builder.adapters.store import Store
    from builder.models.base import ImageId
    from builder.models.build import Built
    from builder.models.build_engine import BuildEngine
    from builder.models.catalog import Catalog
    from builder.models.engine import ImageFacts
    from builder.models.lock import Artifact
    from builder.models.plan import Plan
    from builder.models.rendered import Rendered
    from builder.models.report import Report
    from builder.models.seal import Seal
    from builder.progress import Progress
    from builder.stages.fetch import FetchSummary

Verb = Literal["lock", "fetch", "render", "build", "check", "tag"]
VERBS: tuple[Verb, ...] = ("lock", "fetch", "render", "build", "check", "tag")

PEAK = 5
"""What an image's first build takes on the engine's disk, in sizes of its artifacts: the artifacts, and twice what
they unpack to (the quickstart: 3.9 GB of artifacts, 18.6 GB at the peak)."""


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


@dataclass(frozen=True, kw_only=True)
class Described:
    """A recipe with all that follows from it and its lock alone."""

    loaded: Loaded
    lock: Lock
    plan: Plan
    rendered: Rendered


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A sealed image that is still what its recipe asks for."""

    seal: Seal
    report: Report


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


class Workplace:
    """The adapters of one run, each made when it is first needed: their imports are what a run that does nothing
    would spend its time on."""

    def __init__(self, project: Project | None = None) -> None:
        self.project = project or Project()

    @cached_property
    def catalog(self) -> Catalog:
        """What images can start from."""
        from builder.adapters.catalog import load_catalog

        return load_catalog()

    @cached_property
    def store(self) -> Store:
        """Where artifacts are."""
        from builder.adapters.store import Store

        return Store()

    @cached_property
    def engine(self) -> Engine:
        """The engine that holds images and runs checks."""
        from builder.adapters.engine import Engine

        return Engine()

    @cached_property
    def reports(self) -> Reports:
        """Where reports and seals are."""
        from builder.adapters.reports import Reports

        return Reports()

    def load(self, name: str) -> Loaded:
        """The recipe, with every fault of it at once."""
        checks = {name: script.arguments for name, script in CHECKS.items()}
        return self.project.load(name, bases=self.catalog.bases.keys(), checks=checks)

    def bring(
        self, loaded: Loaded, lock: Lock | None, artifacts: Sequence[Artifact], progress: Progress, jobs: int
    ) -> FetchSummary:
        """Brings artifacts into the store, and makes those again that are derived from others of the lock."""
        from builder.adapters.derive import derive
        from builder.adapters.http import Http
        from builder.adapters.mirrors import load_mirrors
        from builder.mirrors.sources import Sources
        from builder.stages.fetch import fetch

        transport = Http(jobs=2 * jobs)
        recipe = loaded.recipe
        sources = Sources(load_mirrors(), transport=transport, pip=recipe.pip.mirrors, apt=recipe.apt.mirrors)

        def more(wanted: Sequence[Artifact]) -> FetchSummary:
            return fetch(
                wanted,
                store=self.store,
                sources=sources,
                transport=transport,
                progress=progress,
                jobs=jobs,
                derive=make,
            )

        def make(artifact: Artifact) -> None:
            if lock is not None:
                derive(lock, artifact, store=self.store, fetch=more, extra=loaded.extra)

        try:
            return more(artifacts)
        finally:
            transport.close()


def locked(
    place: Workplace, loaded: Loaded, progress: Progress, *, upgrade: frozenset[str] = frozenset()
) -> LockResult:
    """The recipe's lock, made or made anew if need be, and written."""
    name = loaded.recipe.name
    previous = place.project.read_lock(name)
    if previous and not upgrade and not is_stale(previous, loaded.recipe, loaded.extra):
        return LockResult(lock=previous, moved=())
    from builder.adapters.locking import locking_ports
    from builder.adapters.mirrors import load_mirrors

    ports = locking_ports(
        place.store,
        fetch=lambda artifacts: place.bring(loaded, None, artifacts, progress, jobs=4),
        mirrors=load_mirrors(),
    )
    result = lock(
        loaded.recipe,
        extra=loaded.extra,
        catalog=place.catalog,
        ports=ports,
        previous=previous,
        upgrade=upgrade,
        progress=progress,
    )
    if result.lock != previous:
        place.project.write_lock(name, result.lock)
    return result


def described(place: Workplace, name: str) -> Described:
    """The plan and the rendering. Raises LockError when there is no lock, or one of another recipe."""
    loaded = place.load(name)
    found = place.project.read_lock(name)
    if found is None or is_stale(found, loaded.recipe, loaded.extra):
        raise LockError(
            f"{name} is not locked" if found is None else f"the recipe {name} has changed since it was locked",
            where=str(place.project.lock_path(name)),
            remedy=f"run `builder lock {name}`",
        )
    return describe(place, loaded, found)


def describe(place: Workplace, loaded: Loaded, lock: Lock) -> Described:
    """What follows from a recipe and its lock; pure but for the base catalogue."""
    recipe = loaded.recipe
    python = place.catalog.bases[recipe.base].python[recipe.python]
    decided = plan(recipe, lock, interpreter=python.interpreter)
    return Described(loaded=loaded, lock=lock, plan=decided, rendered=render(decided))


def check_rendering(place: Workplace, described: Described) -> None:
    """Raises RenderingError unless `images/NAME/` is what the recipe and its lock render to."""
    if differences := place.project.differences(described.rendered):
        name = described.rendered.name
        raise RenderingError(
            f"{place.project.rendering_path(name)} is not what its recipe and lock render to",
            seen=", ".join(differences[:5]) + (f" and {len(differences) - 5} more" if len(differences) > 5 else ""),
            remedy=f"run `builder render {name}` and commit what it writes",
        )


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


def carry_out(place: Workplace, described: Described, progress: Progress, *, no_cache: bool = False) -> Built:
    """Builds to the staging name."""
    from builder.adapters.buildx import Buildx
    from builder.adapters.engine_doctor import require_engine
    from builder.adapters.engine_reach import feeding_for
    from builder.adapters.feed import StoreFeed
    from builder.stages.build import build

    engine = require_engine()
    _require_room(place, described, engine)
    return build(
        described.plan,
        described.rendered,
        context=place.project.rendering_path(described.plan.name),
        runner=Buildx(engine),
        feed=StoreFeed(place.store.root),
        progress=progress,
        feeding=feeding_for(engine),
        no_cache=no_cache,
    )


def peak(described: Described) -> int:
    """Bytes that a first build takes on the engine's disk, at its highest."""
    return PEAK * sum(artifact.size for artifact in described.plan.artifacts())


def _require_room(place: Workplace, described: Described, engine: BuildEngine) -> None:
    """A first build needs its peak; one after it, the layers that changed, of which nobody knows beforehand."""
    from builder.adapters.engine_reach import engine_root_free

    name, free = described.plan.name, engine_root_free(engine)
    before = place.reports.latest_seal(name)
    if free is None or (before and place.engine.inspect(before.image)):
        return
    if free < (needed := peak(described)):
        raise DiskError(
            f"{name}: its first build takes up to {needed / 1e9:.1f} GB where the engine keeps its images",
            where=str(engine.root),
            seen=f"{free / 1e9:.1f} GB free",
            remedy="make room (`docker system df` shows what takes it, `docker builder prune` frees build cache)",
        )


def checked(
    place: Workplace, described: Described, image: ImageId, progress: Progress, *, all_checks: bool = False
) -> Report:
    """Asks the image every question of the recipe, and keeps the report."""
    from builder.stages.notices import notices

    recipe = described.loaded.recipe
    report = check(
        recipe=recipe,
        plan=described.plan,
        lock=described.lock,
        rendering=described.rendered.digest,
        image=_facts(place, image),
        runner=place.engine,
        progress=progress,
        previous=place.reports.latest(recipe.name),
        all_checks=all_checks,
        notices=notices(recipe, place.catalog, today=datetime.now(timezone.utc).date()),
    )
    place.reports.write(report)
    return report


def _facts(place: Workplace, image: str) -> ImageFacts:
    facts = place.engine.inspect(image)
    if facts is None:
        raise TagError("the engine does not have that image", where=image, remedy="run `builder build`")
    return facts


def tagged(place: Workplace, described: Described, report: Report) -> Seal:
    """Seals what passed and gives it its names. Raises what `seal` and `tag` raise."""
    from builder.stages.tag import tag

    sealed = seal(
        recipe=described.loaded.recipe,
        lock=described.lock,
        rendering=described.rendered.digest,
        image=report.image,
        report=report,
    )
    tag(sealed, place.engine)
    place.reports.write_seal(sealed)
    return sealed


def run(place: Workplace, name: str, progress: Progress, options: Options) -> Outcomes:
    """The chain, up to a verb; says of each whether it did anything."""
    outcomes = Outcomes(name=name)
    wanted = VERBS[: VERBS.index(options.until) + 1]
    loaded = place.load(name)
    with outcomes.timed("lock") as note:
        result = locked(place, loaded, progress)
        note.reused = not result.moved and not result.notes
        note.detail = f"{len(result.lock.pip)} wheels, {len(result.lock.apt)} packages of the distribution"
    now = describe(place, loaded, result.lock)
    if options.until == "tag" and not (options.all_checks or options.no_cache) and _stands(place, now, outcomes):
        return outcomes
    if "fetch" in wanted:
        with outcomes.timed("fetch") as note:
            summary = place.bring(now.loaded, now.lock, now.plan.artifacts(), progress, options.jobs)
            note.reused, note.detail = not summary.served and not summary.derived, _fetched(summary)
    if "render" in wanted:
        with outcomes.timed("render") as note:
            changed = place.project.write_rendering(now.rendered)
            note.reused, note.detail = not changed, f"{len(changed)} of {len(now.rendered.files)} files changed"
    if "build" in wanted:
        _build_and_check(place, now, progress, options, outcomes)
    return outcomes


def _build_and_check(
    place: Workplace, now: Described, progress: Progress, options: Options, outcomes: Outcomes
) -> None:
    with outcomes.timed("build") as note:
        built = carry_out(place, now, progress, no_cache=options.no_cache)
        outcomes.image = built.image
        note.reused = built.steps_run == 0
        note.detail = f"{built.steps_run} steps run, {built.steps_cached} cached: {built.image[7:19]}"
    if options.until == "build":
        return
    with outcomes.timed("check") as note:
        report = outcomes.report = checked(place, now, built.image, progress, all_checks=options.all_checks)
        carried = sum(r.image != report.image for r in report.results)
        note.detail = _counts(report) + (f", {carried} carried over" if carried else "")
    if options.until == "check":
        return
    with outcomes.timed("tag") as note:
        sealed = tagged(place, now, report)
        place.engine.untag(built.staging)
        outcomes.names = sealed.names
        note.detail = ", ".join(sealed.names)


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


def last_image(place: Workplace, described: Described) -> ImageId:
    """The image that was built last from this rendering. Raises TagError when the engine has none."""
    from builder.stages.build import staging_name

    seal = place.reports.latest_seal(described.plan.name)
    names = (staging_name(described.rendered), *((seal.image,) if seal else ()))
    found = (place.engine.inspect(name) for name in names)
    for facts in found:
        if facts and dict(facts.labels).get("builder.rendering") == described.rendered.digest:
            return facts.id
    raise TagError(
        f"{described.plan.name} is not built yet from what is rendered",
        remedy=f"run `builder build {described.plan.name} --until build`",
    )


def last_report(place: Workplace, described: Described) -> Report:
    """The last report. Raises TagError when there is none."""
    report = place.reports.latest(described.plan.name)
    if report is None:
        raise TagError("there is no report yet", remedy=f"run `builder check {described.plan.name}`")
    return report


def last_seal(place: Workplace, described: Described) -> Seal:
    """The last seal. Raises TagError when there is none."""
    found = place.reports.latest_seal(described.plan.name)
    if found is None:
        raise TagError("nothing is sealed yet", remedy=f"run `builder build {described.plan.name}`")
    return found


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What a run would do."""

    name: str
    lock: str
    fetch: str
    render: str
    build: str


def foresee(place: Workplace, name: str) -> Foreseen:
    """What `run` would do; asks the store and the engine, changes nothing."""
    loaded, found = place.load(name), place.project.read_lock(name)
    if found is None or is_stale(found, loaded.recipe, loaded.extra):
        made = "made" if found is None else "made anew: the recipe changed"
        return Foreseen(name=name, lock=made, fetch="what the lock will name", render="anew", build="anew")
    now = describe(place, loaded, found)
    missing = place.store.missing(now.plan.artifacts())
    differing = place.project.differences(now.rendered)
    stands = not differing and standing(place, now) is not None
    return Foreseen(
        name=name,
        lock="as it is",
        fetch=f"{len(missing)} files, {sum(a.size for a in missing) / 1e6:,.0f} MB" if missing else "nothing",
        render=f"{len(differing)} files" if differing else "as it is",
        build="nothing: the sealed image is what is asked" if stands else f"up to {peak(now) / 1e9:.1f} GB of disk",
    )
