"""Prove: asks an image on another engine what the one that built it could not ask, and promotes it there and here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from typing import TYPE_CHECKING

from builder.errors import BuilderError, CheckFailed, EngineError, TagError
from builder.models.report import Proof
from builder.pipeline.verbs import described
from builder.stages.build import staging_name
from builder.stages.check import ask, keys
from builder.stages.prove import (
    combine,
    other_questions,
    require_answers,
    require_same_questions,
    too_old,
    unproven,
    with_answers,
)
from builder.stages.questions import questions
from builder.stages.seal import names, require_same, seal
from builder.stages.tag import tag, withdraw

if TYPE_CHECKING:
    from pathlib import Path

    from builder.adapters.engine.client import Engine
    from builder.models.base import ImageId, Sha256
    from builder.models.engine import ImageFacts
    from builder.models.report import Report
    from builder.models.seal import Seal
    from builder.pipeline.verbs import Described
    from builder.pipeline.workplace import Workplace
    from builder.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person asks to be proven, and where."""

    target: str
    """A recipe's name, or an image's ID, digest or name."""
    engine: str | None = None
    """The address of the engine that can; None: the one that docker's own client would use."""
    image: Path | None = None
    """A `docker save` to load there first."""
    report: Path | None = None
    """A report from another host: the first one, or one that was proven already."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What an engine calls the image now."""

    engine: str
    """Its address."""
    names: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    missing: str = ""
    """Why it gave no names."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """How far the image is proven now."""

    report: Report
    proved: tuple[str, ...]
    """The checks that were answered by this run."""
    left: tuple[str, ...]
    """The checks that are still unproven."""
    engines: tuple[Named, ...]


def prove(place: Workplace, wanted: Wanted, progress: Progress) -> Proven:
    """Runs what is unproven where it can be run, adds the answers to the report, and names the image after it.

    Raises UnprovenError and leaves all as it was when nothing could be proven there; CheckFailed when a check fails
    there, which takes the `-unproven` names away; CheckFailed, TagError and EngineError for what does not fit.
    """
    from builder.adapters.engine.client import Engine

    there = Engine(wanted.engine) if wanted.engine else place.engine
    now, first = _first_report(place, wanted, there)
    engines = (there, *_builders(place, there))
    if wanted.image:
        _load(wanted.image, first, there, progress)
    image = _held(there, first, now)
    require_same_questions(first, _keys(now, image))
    with place.reports.locked(now.loaded.recipe.name):
        open_ = _open(place, now, first, engines)
    old = too_old(first, _dated(now, image), datetime.now(timezone.utc))
    answered = first
    if names := open_ | old:
        answered = _asked(now, image, first, names=names, old=old, there=there, progress=progress)
    # Minutes later: another engine may have answered meanwhile. What failed there is neither lost nor promoted.
    with place.reports.locked(now.loaded.recipe.name):
        report = _with_what_came_meanwhile(place, answered)
        left = _open(place, now, report, engines)
        place.reports.write(report)
        sealed = _sealed(now, report)
        done = (_promoted(there, sealed), *(_promoted_too(engine, sealed) for engine in engines[1:]))
        place.reports.write_seal(sealed)
    proved = tuple(sorted(names - left))
    return Proven(report=report, proved=proved, left=tuple(sorted(left)), engines=done)


def _dated(now: Described, image: ImageFacts) -> frozenset[str]:
    """The checks whose answers depend on the day."""
    every = questions(recipe=now.loaded.recipe, plan=now.plan, lock=now.lock, image=image)
    return frozenset(one.name for one in every if one.script.dated)


def _asked(
    now: Described,
    image: ImageFacts,
    first: Report,
    *,
    names: frozenset[str],
    old: frozenset[str],
    there: Engine,
    progress: Progress,
) -> Report:
    """The report with what the engine answers. Raises what `require_answers` does."""
    by = Proof(engine=str(there.version()), host=there.version().host)
    recipe = now.loaded.recipe
    answers = ask(names, recipe=recipe, plan=now.plan, lock=now.lock, image=image, runner=there, progress=progress)
    require_answers(answers, by, old=old)
    return with_answers(first, answers, by, old=old)


def _with_what_came_meanwhile(place: Workplace, report: Report) -> Report:
    """Where two answers weigh the same, the report's own counts: it is the younger one."""
    kept = place.reports.report(report.name, report.image)
    return combine(report, kept) if kept else report


def _builders(place: Workplace, there: Engine) -> tuple[Engine, ...]:
    """The engine that built it, where that is another one and docker's client knows where it is."""
    try:
        return () if place.engine.address == there.address else (place.engine,)
    except EngineError:
        return ()


def _first_report(place: Workplace, wanted: Wanted, there: Engine) -> tuple[Described, Report]:
    """The recipe as it is now, and the report on the image: what is kept here and what was brought, in one."""
    from builder.adapters.reports import read_report

    brought = read_report(wanted.report) if wanted.report else None
    name, image = _meant(place, wanted.target, brought, there)
    kept = place.reports.report(name, image) if image else place.reports.latest(name)
    if brought and kept and brought.image != kept.image:
        kept = place.reports.report(name, brought.image)
    first = combine(kept, brought) if kept and brought else brought or kept
    if first is None or first.name != name or (image and first.image != image):
        raise TagError(
            f"there is no report on {name} to add to",
            where=image,
            seen=f"a report on {first.name} {first.image}" if first else None,
            remedy=f"`builder build {name}` makes one; or bring it from where the image was built: "
            f"`builder report {name} --json > FILE` there, `builder prove {name} --report FILE` here",
        )
    now = described(place, name)
    require_same(
        recipe=now.loaded.recipe, lock=now.lock, rendering=now.rendered.digest, image=first.image, report=first
    )
    return now, first


def _meant(place: Workplace, target: str, brought: Report | None, there: Engine) -> tuple[str, ImageId | None]:
    """The recipe's name, and the image's ID where the target says it. Raises TagError for what nobody knows."""
    if target in place.project.names():
        return target, None
    if found := place.reports.by_image(target):
        return found.name, found.image
    if brought and target in (brought.image, brought.image.removeprefix("sha256:")):
        return brought.name, brought.image
    if (facts := there.inspect(target)) and (title := dict(facts.labels).get("org.opencontainers.image.title")):
        return title, facts.id
    near = get_close_matches(target, place.project.names(), n=1)
    raise TagError(
        f"{target} is no recipe here, and no image that is known",
        where=there.address,
        seen=f"recipes here: {', '.join(place.project.names()) or 'none'}",
        remedy=f"did you mean {near[0]}?"
        if near
        else "run it in the folder that has recipes/; name the recipe, or an image that the engine has",
    )


def _load(saved: Path, first: Report, there: Engine, progress: Progress) -> None:
    """Only what holds the very image is loaded: it takes names from other images. Raises TagError."""
    from builder.adapters.engine.saved_image import read_saved

    if there.inspect(first.image):
        return
    with progress.task(f"read {saved.name}"):
        found = read_saved(saved)
    if first.image not in found.ids:
        raise TagError(
            "the file holds another image than the report is about",
            where=str(saved),
            seen=f"{', '.join(found.names) or found.ids[0]}, not {first.image}",
            remedy=f"`docker save {first.image[7:19]} --output FILE.tar` where it was built",
        )
    there.load(saved, progress)


def _held(there: Engine, first: Report, now: Described) -> ImageFacts:
    """The image as the engine has it. Raises TagError, which tells an image that has got another ID on its way."""
    facts = there.inspect(first.image)
    if facts and facts.id == first.image:
        return facts
    others = there.labelled("builder.rendering", now.rendered.digest)
    if same := next((one for one in others if _is_same(one, first, now)), None):
        raise TagError(
            f"{first.name}: the engine has this image under another ID, and a report is about one ID",
            where=there.address,
            seen=f"{same.id}, not {first.image}; the layers and the configuration are the same",
            remedy="containerd's image store names an image by its manifest, the engine's own by its configuration: "
            "use the same store on both (`features: containerd-snapshotter` in daemon.json), or build where the GPU is",
        )
    raise TagError(
        f"{first.name}: the engine does not have the image that the report is about",
        where=there.address,
        seen=f"another image of the same recipe and lock: {others[0].id}" if others else f"no {first.image}",
        remedy=f"`docker save {first.image[7:19]} | docker --host {there.address} load`, or `--image FILE.tar`",
    )


def _is_same(image: ImageFacts, first: Report, now: Described) -> bool:
    """Whether every check would find what it found, in another image: its layers and configuration are the same."""
    try:
        return not other_questions(first, _keys(now, image))
    except CheckFailed:  # not of this plan at all
        return False


def _keys(now: Described, image: ImageFacts) -> tuple[Sha256, ...]:
    return keys(recipe=now.loaded.recipe, plan=now.plan, lock=now.lock, image=image)


def _open(place: Workplace, now: Described, report: Report, engines: tuple[Engine, ...]) -> frozenset[str]:
    """What is left to prove. A FAIL is told, and takes the names away that say that nothing failed."""
    try:
        return unproven(report)
    except CheckFailed as failed:
        place.reports.write(_with_what_came_meanwhile(place, report))
        taken = [name for engine in engines for name in _withdrawn(engine, now, report)]
        if taken:
            failed.seen = f"taken from the image: {', '.join(dict.fromkeys(taken))}"
            failed.remedy = f"{failed.remedy}; it is kept as {staging_name(now.rendered)}"
        raise


def _withdrawn(engine: Engine, now: Described, report: Report) -> tuple[str, ...]:
    recipe = now.loaded.recipe
    try:
        had = (*names(recipe, now.lock, report, unproven=True), *names(recipe, now.lock, report, unproven=False))
        return withdraw(report.image, had, engine, keep=staging_name(now.rendered))
    except BuilderError:  # an engine out of reach, or names that could never be given: the failure is what counts
        return ()


def _sealed(now: Described, report: Report) -> Seal:
    return seal(
        recipe=now.loaded.recipe, lock=now.lock, rendering=now.rendered.digest, image=report.image, report=report
    )


def _promoted(engine: Engine, sealed: Seal) -> Named:
    before = engine.inspect(sealed.image)
    given = tag(sealed, engine)
    after = engine.inspect(sealed.image)
    removed = {*(before.tags if before else ())} - {*(after.tags if after else ())}
    return Named(engine=engine.address, names=given, removed=tuple(sorted(removed)))


def _promoted_too(engine: Engine, sealed: Seal) -> Named:
    """On the engine that built it, which may be out of reach, or have the image no longer."""
    try:
        if engine.inspect(sealed.image) is None:
            return Named(engine=engine.address, missing="it does not have the image")
        return _promoted(engine, sealed)
    except EngineError as error:
        return Named(engine=engine.address, missing=f"{error.what}: {error.seen}")
