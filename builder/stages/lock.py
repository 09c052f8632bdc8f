"""Lock: every input of a recipe's image by name, version, path, hash and size. Orchestration alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.errors import Fault, RecipeError
from builder.models.catalog import BasePython, Catalog, ImageEntry, RootfsEntry
from builder.models.lock import Artifact, Lock, Package, TrustLock
from builder.models.recipe import Recipe
from builder.models.resolved import Moved, Target, Wheel
from builder.progress import Progress
from builder.stages.lock_changes import EVERYTHING, check_upgrade, moved
from builder.stages.lock_conda import CondaPart, drop_shared, lock_conda
from builder.stages.lock_ground import Ground, kept_base, lock_ground
from builder.stages.lock_job import Job
from builder.stages.lock_ports import Ports
from builder.stages.lock_workshop import WorkshopPart, as_before, lock_workshop
from builder.trust.bundle import Bundle, PemSource
from builder.trust.pins import check_pins

_TOOLS_PYTHON = "3.13.0"
"""uv and certifi are asked for with this: neither runs in the recipe's Python, whose age must not hold them back."""


@dataclass(frozen=True, kw_only=True)
class LockResult:
    """A lock, what it changed, and what the person should know."""

    lock: Lock
    moved: tuple[Moved, ...]
    notes: tuple[str, ...] = ()
    """What the CA bundle leaves out and why, and mirrors of conda that were stale or silent."""
    made: bool = False
    """Whether anybody was asked; False: the previous lock stands."""


def is_stale(lock: Lock, recipe: Recipe, extra: tuple[str, ...] = (), files: tuple[Artifact, ...] = ()) -> bool:
    """Whether the recipe, or a file of its `trust.extra` or its model, says something else than when it was locked."""
    return lock.inputs != recipe.inputs_digest(extra, files)


def lock(
    recipe: Recipe,
    *,
    extra: tuple[str, ...] = (),
    files: tuple[Artifact, ...] = (),
    catalog: Catalog,
    ports: Ports,
    previous: Lock | None,
    upgrade: frozenset[str] = frozenset(),
    progress: Progress,
) -> LockResult:
    """The lock of a recipe. What the previous one holds is kept unless the recipe or `upgrade` speaks against it.

    extra: the contents of the recipe's `trust.extra` files, in their order.
    files: its model's own files, by hash.
    upgrade: packages to move to what is newest, `base`, or `all`.

    Raises RecipeError, LockError, NetworkError, HostError, BuildError.
    """
    if previous and not upgrade and not is_stale(previous, recipe, extra, files):
        return LockResult(lock=previous, moved=())
    check_upgrade(recipe.name, previous, upgrade)
    entry, python = _entry(recipe, catalog)
    kept = None if EVERYTHING in upgrade else previous
    job = Job(recipe=recipe, entry=entry, python=python, ports=ports, previous=kept, upgrade=upgrade)
    with progress.task(f"locking {recipe.name}") as task:
        # Packages first: a set of them that does not exist is known in seconds, a base is not made.
        conda = lock_conda(job, recipe.conda, task.detail) if recipe.conda else None
        task.detail("wheels")
        pip, tools = _wheels(job, conda)
        shop = _workshop(job, pip, conda, files) if recipe.model else None
        task.detail("base")
        ground = lock_ground(job)
        task.detail("CA certificates")
        return _result(job, ground=ground, conda=conda, pip=pip, tools=tools, shop=shop, extra=extra, before=previous)


def _result(
    job: Job,
    *,
    ground: Ground,
    conda: CondaPart | None,
    pip: tuple[Wheel, ...],
    tools: dict[str, Wheel],
    shop: WorkshopPart | None,
    extra: tuple[str, ...],
    before: Lock | None,
) -> LockResult:
    uploads = (wheel.uploaded for wheel in (*pip, *tools.values(), *(shop.wheels if shop else ())))
    created = max((ground.base.epoch, conda.uploaded if conda else 0, *(at for at in uploads if at is not None)))
    roots = ground.roots or tools["certifi"].package
    trust, bundle = _trust(job, roots, extra, created)
    new = Lock(
        inputs=job.recipe.inputs_digest(extra, shop.lock.files if shop else ()),
        platform=job.entry.platform,
        epoch=ground.base.epoch,
        created=created,
        base=ground.base,
        uv=tools["uv"].package,
        busybox=ground.busybox,
        busybox_binary=ground.binary,
        trust=trust,
        conda=conda.lock if conda else None,
        apt_asked=ground.asked,
        apt=ground.apt or (),
        pip_asked=job.recipe.requirements(),
        pip_without=job.recipe.pip.without,
        pip=tuple(wheel.package for wheel in pip),
        workshop=shop.lock if shop else None,
    )
    notes = (*(conda.notes if conda else ()), *bundle.notes)
    return LockResult(lock=new, moved=moved(before, new), notes=notes, made=True)


def _wheels(job: Job, conda: CondaPart | None) -> tuple[tuple[Wheel, ...], dict[str, Wheel]]:
    """The recipe's wheels, and those of the tools by name."""
    target = _target(job, conda)
    return _pip(job, target, conda), {wheel.package.name: wheel for wheel in _tools(job, target)}


def _workshop(job: Job, pip: tuple[Wheel, ...], conda: CondaPart | None, files: tuple[Artifact, ...]) -> WorkshopPart:
    same = job.previous is not None and _same_python(job, job.previous, conda)
    return lock_workshop(job, pip, target=_target(job, conda), same_python=same, files=files)


def _target(job: Job, conda: CondaPart | None) -> Target:
    python = conda.lock.python if conda else job.python.version if job.python else ""
    return Target(python=python, glibc=job.entry.glibc, arch=job.entry.arch)


def _pip(job: Job, target: Target, conda: CondaPart | None) -> tuple[Wheel, ...]:
    """The previous ones, and no index is asked, when the same is wanted for the same Python beside the same conda."""
    asked, without = job.recipe.requirements(), job.recipe.pip.without
    old, where = job.previous, job.where("pip.packages")
    same = old and (old.pip_asked, old.pip_without) == (asked, without)
    if old and same and _same_python(job, old, conda) and job.may_keep(old.pip):
        return as_before(old, old.pip)
    keep = {**(job.keep(old.pip) if old else {}), **(conda.versions() if conda else {})}
    mirrors = job.recipe.pip.mirrors
    wheels = job.ports.index.resolve(asked, target=target, keep=keep, mirrors=mirrors, where=where, without=without)
    names = tuple(canonicalize_name(Requirement(text).name) for text in asked)
    return drop_shared(conda, wheels, names, where=where) if conda else wheels


def _same_python(job: Job, old: Lock, conda: CondaPart | None) -> bool:
    """Whether pip's packages go where the previous lock's went."""
    if conda or old.conda:
        return conda is not None and old.conda is not None and conda.lock.packages == old.conda.packages
    return kept_base(job) is not None and old.apt_asked == job.asked_of_apt()


def _tools(job: Job, target: Target) -> tuple[Wheel, ...]:
    """uv, and certifi for Mozilla's roots."""
    names, old = ("uv",) if job.wants_own_roots else ("certifi", "uv"), job.previous
    before = tuple(p for p in (old.trust.roots, old.uv) if p.name in names) if old else ()
    if old and len(before) == len(names) and job.may_keep(before):
        return as_before(old, before)
    own, mirrors = target.model_copy(update={"python": _TOOLS_PYTHON}), job.recipe.pip.mirrors
    where = "builder's own tools"
    return job.ports.index.resolve(names, target=own, keep=job.keep(before), mirrors=mirrors, where=where)


def _trust(job: Job, roots: Package, extra: tuple[str, ...], at: int) -> tuple[TrustLock, Bundle]:
    names = (f"recipes/{path}" for path in job.recipe.trust.extra)
    sources = tuple(PemSource(where=where, text=text) for where, text in zip(names, extra, strict=True))
    artifact, bundle = job.ports.workshop.bundle(roots, sources, at=at)
    check_pins(job.recipe.trust.pins, bundle.certificates, at=at, where=job.where("trust.pins"))
    return TrustLock(roots=roots, certificates=bundle.certificates, bundle=artifact), bundle


def _entry(recipe: Recipe, catalog: Catalog) -> tuple[RootfsEntry | ImageEntry, BasePython | None]:
    """The recipe's base, and that base's Python unless conda brings one."""
    file = f"recipes/{recipe.name}.yaml"
    entry = catalog.bases.get(recipe.base)
    if entry is None:
        near = difflib.get_close_matches(recipe.base, catalog.bases, n=1)
        known = ", ".join(sorted(catalog.bases))
        remedy = f"did you mean {near[0]}?" if near else f"choose one of {known}"
        raise RecipeError(f"there is no base {recipe.base}", where=f"{file}: base", seen=recipe.base, remedy=remedy)
    if faults := tuple(_beyond_base(recipe, entry)):
        raise RecipeError(f"{recipe.base} cannot give what the recipe asks of it", where=file, faults=faults)
    if recipe.conda:
        return entry, None
    python = entry.python.get(recipe.python)
    if python is None:
        has = [name for name, other in sorted(catalog.bases.items()) if recipe.python in other.python]
        remedy = f"choose base {' or '.join(has)}" if has else f"choose Python {' or '.join(sorted(entry.python))}"
        remedy += ", or let conda bring it: add `conda: {}`"
        raise RecipeError(
            f"{recipe.base} brings no Python {recipe.python}",
            where=f"{file}: python",
            seen=recipe.python,
            remedy=remedy,
        )
    return entry, python


def _beyond_base(recipe: Recipe, entry: RootfsEntry | ImageEntry) -> Iterator[Fault]:
    """What only a base of the Debian family has: packages are had by apt."""
    if entry.family == "debian":
        return
    if recipe.apt.packages:
        remedy = "take them from conda (conda.packages), or choose a base of the Debian family"
        seen = ", ".join(recipe.apt.packages)
        yield Fault(what=f"{recipe.base} has no packages for apt", where="apt.packages", seen=seen, remedy=remedy)
    if recipe.trust.roots == "distribution":
        remedy = "leave it out: Mozilla's roots are what that distribution ships, too"
        yield Fault(what=f"{recipe.base}'s own roots cannot be locked", where="trust.roots", remedy=remedy)
