"""Each verb with its adapters: what the commands of the same names call, and what `chain` runs one after another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from builder.errors import CheckFailed, DiskError, LockError, RenderingError, TagError, UnprovenError
from builder.mirrors.catalogue import PYPI, UPSTREAM
from builder.models.catalog import ImageEntry
from builder.models.lock import ImageBase
from builder.stages.check import check
from builder.stages.lock import LockResult, is_stale, lock
from builder.stages.plan import plan
from builder.stages.render import render
from builder.stages.seal import seal

if TYPE_CHECKING:
    from builder.adapters.project import Loaded
    from builder.models.base import ImageId
    from builder.models.build import Built
    from builder.models.engine import ImageFacts
    from builder.models.lock import Lock
    from builder.models.mutation import Mutated
    from builder.models.plan import Plan
    from builder.models.recipe import Recipe
    from builder.models.rendered import Rendered
    from builder.models.report import Report
    from builder.models.seal import Seal
    from builder.pipeline.workplace import Workplace
    from builder.progress import Progress

PEAK = 6
"""What an image's first build takes on the engine's disk, in sizes of its artifacts: the artifacts, and twice what
they unpack to, with room to spare (the quickstart: 4.0 GB of artifacts, 22.3 GB at the peak)."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """A recipe with all that follows from it and its lock alone."""

    loaded: Loaded
    lock: Lock
    plan: Plan
    rendered: Rendered


def locked(
    place: Workplace, loaded: Loaded, progress: Progress, *, upgrade: frozenset[str] = frozenset()
) -> LockResult:
    """The recipe's lock, made or made anew if need be, and written."""
    name = loaded.recipe.name
    previous = place.project.read_lock(name)
    if previous and not upgrade and not is_stale(previous, loaded.recipe, loaded.extra, loaded.files):
        return LockResult(lock=previous, moved=())
    from builder.adapters.lock.world import locking_ports
    from builder.adapters.mirrors import load_mirrors

    ports = locking_ports(
        place.store,
        fetch=lambda artifacts: place.bring(loaded, None, artifacts, progress, jobs=4),
        mirrors=load_mirrors(),
    )
    result = lock(
        loaded.recipe,
        extra=loaded.extra,
        files=loaded.files,
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
    if found is None or is_stale(found, loaded.recipe, loaded.extra, loaded.files):
        raise LockError(
            f"{name} is not locked" if found is None else f"the recipe {name} has changed since it was locked",
            where=str(place.project.lock_path(name)),
            remedy=f"run `builder lock {name}`",
        )
    return describe(place, loaded, found)


def describe(place: Workplace, loaded: Loaded, lock: Lock) -> Described:
    """What follows from a recipe and its lock; pure but for the base catalogue and the mirrors."""
    recipe = loaded.recipe
    base = place.catalog.bases[recipe.base]
    interpreter = "" if lock.conda else base.python[recipe.python].interpreter
    decided = plan(recipe, lock, interpreter=interpreter, roots=_baked(recipe, lock), family=base.family)
    return Described(loaded=loaded, lock=lock, plan=decided, rendered=render(decided))


def _baked(recipe: Recipe, lock: Lock) -> dict[str, tuple[str, ...]]:
    """The mirrors that the image itself is told of; the list of mirrors is only read where there may be one."""
    if recipe.conda is None and set(recipe.pip.mirrors) <= {UPSTREAM}:
        return {}
    from builder.adapters.mirrors import load_mirrors

    mirrors = load_mirrors()
    channels = lock.conda.channels if lock.conda and recipe.conda else ()
    names = recipe.conda.mirrors if recipe.conda else ()
    return {
        PYPI: mirrors.baked(recipe.pip.mirrors, PYPI),
        **{channel: mirrors.baked(names, channel) for channel in channels},
    }


def check_rendering(place: Workplace, described: Described) -> None:
    """Raises RenderingError unless `images/NAME/` is what the recipe and its lock render to."""
    if differences := place.project.differences(described.rendered):
        name = described.rendered.name
        raise RenderingError(
            f"{place.project.rendering_path(name)} is not what its recipe and lock render to",
            seen=", ".join(differences[:5]) + (f" and {len(differences) - 5} more" if len(differences) > 5 else ""),
            remedy=f"run `builder render {name}` and commit what it writes",
        )


def bundle_of(place: Workplace, name: str, progress: Progress) -> bytes:
    """The CA bundle of a recipe's lock, brought into the store if need be."""
    loaded = place.load(name)
    found = place.project.read_lock(name)
    if found is None:
        raise LockError(
            f"{name} is not locked", where=str(place.project.lock_path(name)), remedy=f"run `builder lock {name}`"
        )
    bundle = found.trust.bundle
    place.bring(loaded, found, (bundle,), progress, jobs=1)
    return place.store.path(bundle).read_bytes()


def carry_out(place: Workplace, described: Described, progress: Progress, *, no_cache: bool = False) -> Built:
    """Builds to the staging name."""
    from builder.adapters.engine.buildx import Buildx
    from builder.adapters.engine.doctor import require_engine
    from builder.adapters.engine.feed import StoreFeed
    from builder.adapters.engine.reach import feeding_for
    from builder.stages.build import build

    engine = require_engine()
    return build(
        described.plan,
        described.rendered,
        context=place.project.rendering_path(described.plan.name),
        runner=Buildx(engine),
        feed=StoreFeed(place.store.root),
        progress=progress,
        feeding=feeding_for(engine),
        no_cache=no_cache,
        base=_copy_of_base(place, described),
    )


def _copy_of_base(place: Workplace, described: Described) -> str | None:
    """By digest, where the registry that the lock names gives nothing. Raises NetworkError when none does."""
    base, entry = described.lock.base, place.catalog.bases[described.loaded.recipe.base]
    if not isinstance(base, ImageBase) or not isinstance(entry, ImageEntry):
        return None
    from builder.adapters.engine.registry import Registry

    found = f"{Registry().having(entry, base.digest)}/{entry.repository}"
    return None if f"{found}:{entry.tag}" == base.reference else f"{found}@{base.digest}"


def peak(described: Described) -> int:
    """Bytes that a first build takes on the engine's disk, at its highest."""
    return PEAK * sum(artifact.size for artifact in described.plan.artifacts())


def require_room(place: Workplace, described: Described) -> None:
    """A first build needs its peak; one after it, the layers that changed, of which nobody knows beforehand.

    Raises EngineError without an engine to build with, DiskError without the room.
    """
    from builder.adapters.engine.doctor import require_engine
    from builder.adapters.engine.reach import engine_root_free

    name, engine = described.plan.name, require_engine()
    before, free = place.reports.latest_seal(name), engine_root_free(engine)
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
    from builder.adapters.audit.run import audit_image
    from builder.pipeline.provenance import provenance
    from builder.report.page import prepare
    from builder.stages.notices import notices

    recipe, facts = described.loaded.recipe, _facts(place, image)
    before = place.reports.latest(recipe.name)
    Thread(target=prepare).start()  # while containers run
    report = check(
        recipe=recipe,
        plan=described.plan,
        lock=described.lock,
        rendering=described.rendered.digest,
        image=facts,
        runner=place.engine,
        auditor=partial(audit_image, place.engine),
        progress=progress,
        previous=before,
        all_checks=all_checks,
        notices=notices(recipe, place.catalog, today=datetime.now(timezone.utc).date()),
    )
    place.reports.write(report, provenance(place, described, facts, before=before))
    return report


def mutated(
    place: Workplace, described: Described, image: ImageId, progress: Progress, *, only: tuple[str, ...] = ()
) -> tuple[Mutated, ...]:
    """Breaks copies of the image in every way that a check of the recipe has to catch; no name is given to any.

    only: checks whose mutations are tried; empty, all.
    """
    from functools import partial

    from builder.adapters.audit.run import audit_image
    from builder.checks.mutations import mutations
    from builder.stages.mutate import Subject, mutate

    subject = Subject(
        recipe=described.loaded.recipe,
        plan=described.plan,
        lock=described.lock,
        image=_facts(place, image),
        runner=place.engine,
        auditor=partial(audit_image, place.engine),
        altered=place.engine.altered,
    )
    return mutate(subject, tuple(m for m in mutations() if not only or m.check in only), progress)


def tagged(place: Workplace, described: Described, report: Report) -> Seal:
    """Seals what passed and gives it its names.

    Raises what `seal` and `tag` raise; a refusal to seal says where the image is kept.
    """
    from builder.stages.tag import tag

    try:
        sealed = seal(
            recipe=described.loaded.recipe,
            lock=described.lock,
            rendering=described.rendered.digest,
            image=report.image,
            report=report,
        )
    except (CheckFailed, UnprovenError) as refused:
        refused.remedy = "; ".join(filter(None, (refused.remedy, _kept(place, report))))
        raise
    tag(sealed, place.engine)
    place.reports.write_seal(sealed)
    return sealed


def _kept(place: Workplace, report: Report) -> str:
    """How to look at an image that got no tag."""
    facts = place.engine.inspect(report.image)
    kept = f"the image is kept as {', '.join(facts.tags)}; " if facts and facts.tags else ""
    return f"{kept}`builder report {report.name} --open` shows the evidence"


def _facts(place: Workplace, image: str) -> ImageFacts:
    facts = place.engine.inspect(image)
    if facts is None:
        raise TagError("the engine does not have that image", where=image, remedy="run `builder build`")
    return facts
