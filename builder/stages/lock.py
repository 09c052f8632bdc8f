"""Lock: every input of a recipe's image by name, version, path, hash and size. Orchestration alone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from builder.errors import LockError, RecipeError
from builder.models.catalog import BasePython, Catalog, ImageEntry, RootfsEntry
from builder.models.lock import Artifact, Certificate, ImageBase, Lock, Package, RootfsBase, TrustLock
from builder.models.recipe import Recipe
from builder.models.resolved import Moved, Target, Wheel
from builder.progress import Progress
from builder.trust.bundle import Bundle, PemSource

EVERYTHING = "all"
"""In `upgrade`: nothing of the previous lock is kept."""
BASE = "base"
"""In `upgrade`: the base and the distribution's packages, which move together or not at all."""
_TOOLS = Target(python="3.13.0", glibc="2.28")
"""What uv and certifi are asked for: certifi is data, uv is static enough for glibc 2.17, and neither runs in the
recipe's Python, whose age must not hold them back."""


class Index(Protocol):
    """Package indexes by mirror name; the first one that answers is asked."""

    def resolve(
        self,
        requirements: tuple[str, ...],
        *,
        target: Target,
        keep: Mapping[str, str],
        mirrors: tuple[str, ...],
        where: str,
    ) -> tuple[Wheel, ...]:
        """One wheel for each package needed, sorted by name. Raises LockError, NetworkError, HostError."""


class Lists(Protocol):
    """A distribution's package lists, signatures checked."""

    def date(self) -> int:
        """The Date of its main Release file, seconds since 1970."""

    def install(self, names: tuple[str, ...], *, status: str, where: str) -> tuple[Package, ...]:
        """What `names` needs on top of a dpkg status (its text), sorted by name. Raises LockError."""

    def single(self, name: str, *, where: str) -> Package:
        """One package alone. Raises LockError."""


class Debian(Protocol):
    """Opens a distribution's lists from the first mirror that gives them."""

    def __call__(self, entry: RootfsEntry | ImageEntry, mirrors: tuple[str, ...]) -> AbstractContextManager[Lists]:
        """Raises NetworkError when none does, HostError when apt or the keyring is missing."""


class Registry(Protocol):
    """Container registries."""

    def image(self, entry: ImageEntry) -> ImageBase:
        """The image that the tag names now. Raises NetworkError when no registry answers."""

    def status(self, base: ImageBase) -> str:
        """The dpkg status inside an image. Raises NetworkError, LockError."""


class Workshop(Protocol):
    """Makes derived files in the store from locked ones, which it fetches first."""

    def rootfs(self, base: RootfsBase) -> Artifact:
        """The root file system made of the base's packages; `base.rootfs` is not looked at."""

    def status(self, base: RootfsBase) -> str:
        """The dpkg status inside a root file system, which is made if it is not there."""

    def busybox(self, package: Package) -> Artifact:
        """The static busybox of its .deb."""

    def bundle(self, roots: Package, extra: tuple[PemSource, ...], *, at: int) -> tuple[Artifact, Bundle]:
        """The CA bundle of a certifi wheel or a ca-certificates .deb and more certificates."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What locking needs of the world."""

    index: Index
    debian: Debian
    registry: Registry
    workshop: Workshop


@dataclass(frozen=True, kw_only=True)
class LockResult:
    """A lock, what it changed, and what the person should know."""

    lock: Lock
    moved: tuple[Moved, ...]
    notes: tuple[str, ...] = ()
    """What the CA bundle leaves out, and why."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    recipe: Recipe
    entry: RootfsEntry | ImageEntry
    python: BasePython
    ports: Ports
    previous: Lock | None
    upgrade: frozenset[str]

    def where(self, key: str) -> str:
        return f"recipes/{self.recipe.name}.yaml: {key}"

    def keep(self, packages: tuple[Package, ...]) -> dict[str, str]:
        return {p.name: p.version for p in packages if p.name not in self.upgrade}


@dataclass(frozen=True, kw_only=True)
class _Ground:
    base: RootfsBase | ImageBase
    busybox: Package | None
    binary: Artifact | None
    asked: tuple[str, ...]
    apt: tuple[Package, ...]
    roots: Package | None
    """The distribution's own CA certificates, when the recipe wants those."""


def is_stale(lock: Lock, recipe: Recipe, extra: tuple[str, ...] = ()) -> bool:
    """Whether the recipe, or one of its `trust.extra` files, says something else than when it was locked."""
    return lock.inputs != recipe.inputs_digest(extra)


def lock(
    recipe: Recipe,
    *,
    extra: tuple[str, ...] = (),
    catalog: Catalog,
    ports: Ports,
    previous: Lock | None,
    upgrade: frozenset[str] = frozenset(),
    progress: Progress,
) -> LockResult:
    """The lock of a recipe. What the previous one holds is kept unless the recipe or `upgrade` speaks against it.

    extra: the contents of the recipe's `trust.extra` files, in their order.
    upgrade: packages to move to what is newest, `base`, or `all`.

    Raises RecipeError, LockError, NetworkError, HostError, BuildError.
    """
    if previous and not upgrade and not is_stale(previous, recipe, extra):
        return LockResult(lock=previous, moved=())
    _check_upgrade(recipe, previous, upgrade)
    entry, python = _entry(recipe, catalog)
    kept = None if EVERYTHING in upgrade else previous
    job = _Job(recipe=recipe, entry=entry, python=python, ports=ports, previous=kept, upgrade=upgrade)
    with progress.task(f"locking {recipe.name}") as task:
        task.detail("packages and base")
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(_wheels, job)
            ground = _ground(job)
            pip, tools = asking.result()
        task.detail("CA certificates")
        return _result(job, ground=ground, pip=pip, tools=tools, extra=extra, before=previous)


def _result(
    job: _Job,
    *,
    ground: _Ground,
    pip: tuple[Wheel, ...],
    tools: dict[str, Wheel],
    extra: tuple[str, ...],
    before: Lock | None,
) -> LockResult:
    uploads = (wheel.uploaded for wheel in (*pip, *tools.values()))
    created = max(ground.base.epoch, *(at for at in uploads if at is not None))
    roots = ground.roots or tools["certifi"].package
    trust, bundle = _trust(job, roots, extra, created)
    new = Lock(
        inputs=job.recipe.inputs_digest(extra),
        platform=job.entry.platform,
        epoch=ground.base.epoch,
        created=created,
        base=ground.base,
        uv=tools["uv"].package,
        busybox=ground.busybox,
        busybox_binary=ground.binary,
        trust=trust,
        apt_asked=ground.asked,
        apt=ground.apt,
        pip=tuple(wheel.package for wheel in pip),
    )
    return LockResult(lock=new, moved=moved(before, new), notes=bundle.notes)


def _wheels(job: _Job) -> tuple[tuple[Wheel, ...], dict[str, Wheel]]:
    """The recipe's wheels, and those of the tools by name."""
    index, previous, mirrors = job.ports.index, job.previous, job.recipe.pip.mirrors
    target = Target(python=job.python.version, glibc=job.entry.glibc, arch=job.entry.arch)
    keep = job.keep(previous.pip) if previous else {}
    pip = index.resolve(
        job.recipe.pip.packages, target=target, keep=keep, mirrors=mirrors, where=job.where("pip.packages")
    )
    tools = ("uv",) if job.recipe.trust.roots == "distribution" else ("certifi", "uv")
    keep = job.keep((previous.uv, previous.trust.roots)) if previous else {}
    found = index.resolve(tools, target=_TOOLS, keep=keep, mirrors=mirrors, where="builder's own tools")
    return pip, {wheel.package.name: wheel for wheel in found}


def _ground(job: _Job) -> _Ground:
    """The base and the distribution's packages: those of the previous lock as long as they answer the recipe."""
    kept = _kept_base(job)
    asked = tuple(dict.fromkeys((*job.python.packages, *job.recipe.apt.packages)))
    own_roots = job.recipe.trust.roots == "distribution"
    roots = job.previous.trust.roots if kept and job.previous and own_roots else None
    if roots and roots.name != "ca-certificates":
        roots = None
    if kept and job.previous and job.previous.apt_asked == asked and (roots or not own_roots):
        old = job.previous
        return _Ground(
            base=kept, busybox=old.busybox, binary=old.busybox_binary, asked=asked, apt=old.apt, roots=roots
        )
    with job.ports.debian(job.entry, job.recipe.apt.mirrors) as lists:
        base = kept or _new_base(job, lists)
        busybox, binary = _busybox(job, lists)
        status = job.ports.registry.status(base) if isinstance(base, ImageBase) else job.ports.workshop.status(base)
        apt = lists.install(asked, status=status, where=job.where("apt"))
        if own_roots:
            roots = roots or lists.single("ca-certificates", where=job.where("trust.roots"))
        return _Ground(base=base, busybox=busybox, binary=binary, asked=asked, apt=apt, roots=roots)


def _kept_base(job: _Job) -> RootfsBase | ImageBase | None:
    if job.previous is None or BASE in job.upgrade:
        return None
    match job.previous.base, job.entry:
        case RootfsBase() as base, RootfsEntry() as entry:
            return base if (base.suite, base.arch) == (entry.suites[0].suite, entry.arch) else None
        case ImageBase() as base, ImageEntry() as entry:
            return base if base.reference == entry.reference else None
        case _:
            return None


def _new_base(job: _Job, lists: Lists) -> RootfsBase | ImageBase:
    entry = job.entry
    if isinstance(entry, ImageEntry):
        return job.ports.registry.image(entry)
    names = ("?essential", "?priority(required)", *entry.include)
    packages = lists.install(names, status="", where=f"bases.yaml: {job.recipe.base}")
    # The archive is made from all but itself; its own place is filled in when its hash is known.
    nothing = Artifact.model_validate({"source": "derived", "path": "rootfs", "sha256": "0" * 64, "size": 0})
    base = RootfsBase(
        suite=entry.suites[0].suite, arch=entry.arch, epoch=lists.date(), packages=packages, rootfs=nothing
    )
    return base.model_copy(update={"rootfs": job.ports.workshop.rootfs(base)})


def _busybox(job: _Job, lists: Lists) -> tuple[Package | None, Artifact | None]:
    if not isinstance(job.entry, RootfsEntry):
        return None, None
    previous = job.previous
    kept = previous.busybox if previous and BASE not in job.upgrade else None
    package = kept or lists.single(job.entry.unpacker, where=f"bases.yaml: {job.recipe.base}.unpacker")
    return package, job.ports.workshop.busybox(package)


def _trust(job: _Job, roots: Package, extra: tuple[str, ...], at: int) -> tuple[TrustLock, Bundle]:
    names = (f"recipes/{path}" for path in job.recipe.trust.extra)
    sources = tuple(PemSource(where=where, text=text) for where, text in zip(names, extra, strict=True))
    artifact, bundle = job.ports.workshop.bundle(roots, sources, at=at)
    certificates: tuple[Certificate, ...] = bundle.certificates
    return TrustLock(roots=roots, certificates=certificates, bundle=artifact), bundle


def _entry(recipe: Recipe, catalog: Catalog) -> tuple[RootfsEntry | ImageEntry, BasePython]:
    file = f"recipes/{recipe.name}.yaml"
    entry = catalog.bases.get(recipe.base)
    if entry is None:
        near = difflib.get_close_matches(recipe.base, catalog.bases, n=1)
        known = ", ".join(sorted(catalog.bases))
        remedy = f"did you mean {near[0]}?" if near else f"choose one of {known}"
        raise RecipeError(f"there is no base {recipe.base}", where=f"{file}: base", seen=recipe.base, remedy=remedy)
    if recipe.conda is not None:
        raise LockError("conda installations cannot be locked yet", where=f"{file}: conda", remedy="remove the section")
    python = entry.python.get(recipe.python)
    if python is None:
        has = [name for name, other in sorted(catalog.bases.items()) if recipe.python in other.python]
        remedy = f"choose base {' or '.join(has)}" if has else f"choose Python {' or '.join(sorted(entry.python))}"
        raise RecipeError(
            f"{recipe.base} brings no Python {recipe.python}", where=f"{file}: python", seen=recipe.python, remedy=remedy
        )
    return entry, python


def _check_upgrade(recipe: Recipe, previous: Lock | None, upgrade: frozenset[str]) -> None:
    """A name that nothing bears would do nothing, silently; a single Debian package cannot move alone."""
    if not upgrade or previous is None:
        return
    known = {BASE, EVERYTHING, previous.uv.name, previous.trust.roots.name, *(p.name for p in previous.pip)}
    known -= {"ca-certificates"}
    debian = {p.name for p in (*_base_packages(previous), *previous.apt)} - known
    for name in sorted(upgrade - known):
        near = difflib.get_close_matches(name, known, n=1)
        what = f"{name} is not in the lock"
        remedy = f"did you mean {near[0]}?" if near else "name a package of the lock, `base` or `all`"
        if name in debian:
            what = f"{name} is a package of the distribution, and those move together"
            remedy = "upgrade `base`"
        raise LockError(what, where=f"recipes/{recipe.name}.lock", seen=f"--upgrade {name}", remedy=remedy)


def moved(old: Lock | None, new: Lock) -> tuple[Moved, ...]:
    """What a new lock changed, by name; nothing for a first lock."""
    if old is None:
        return ()
    before, after = _named(old), _named(new)
    changed = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    return tuple(Moved(name=name, old=_version(before.get(name)), new=_version(after.get(name))) for name in changed)


def _named(lock: Lock) -> dict[str, Package]:
    packages = (*_base_packages(lock), lock.uv, lock.trust.roots, *lock.apt, *lock.pip)
    return {package.name: package for package in (*((lock.busybox,) if lock.busybox else ()), *packages)}


def _base_packages(lock: Lock) -> tuple[Package, ...]:
    return lock.base.packages if isinstance(lock.base, RootfsBase) else ()


def _version(package: Package | None) -> str | None:
    return package.version if package else None
