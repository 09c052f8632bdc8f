"""The conda part of a lock: the installer, the linker and the environment. What stands from before is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builder.errors import Fault, LockError
from builder.models.lock import CondaLock
from builder.models.resolved import CondaAsked, CondaSolved, Installer, Target, Wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.models.catalog import ImageEntry, RootfsEntry
    from builder.models.lock import CondaPackage
    from builder.models.recipe import Conda, Recipe
    from builder.stages.lock_job import Job

LINKER: Final = "py-rattler"
_LINKER_REQUIREMENT: Final = f"{LINKER}<0.26"
"""0.25 is the last for Python >= 3.8, and the linker runs under the installer's Python, which may be 3.9. It comes from
the package index like uv: one wheel without dependencies, the same linker whichever installer brought conda."""

_SUBDIRS: Final = {"amd64": "linux-64", "arm64": "linux-aarch64"}
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""The generic level: an image has to run on more machines than this one."""
_KERNEL: Final = "4.18"
"""The oldest Linux that the environment may count on: RHEL 8's. A container runs on its host's, so no base tells."""


@dataclass(frozen=True, kw_only=True)
class CondaPart:
    """What a lock holds of conda, and what there is to say about it."""

    lock: CondaLock
    uploaded: int
    """When the newest of it was made, seconds since 1970; 0 when nothing tells."""
    notes: tuple[str, ...] = ()

    def versions(self) -> dict[str, str]:
        """By normalised name: the versions that pip had better agree with. What PyPI cannot have is left out."""
        return {canonicalize_name(p.name): p.version for p in self.lock.packages if _is_pep440(p)}


def lock_conda(job: Job, wanted: Conda, tell: Callable[[str], None]) -> CondaPart:
    """Installer, linker and environment. `tell` hears what is going on. Raises what the ports raise."""
    asked = _asked(job, wanted)
    solved = _environment(job, wanted, asked, tell)
    tell(wanted.installer)
    installer = _installer(job, wanted)
    linker = _linker(job, installer)
    locked = CondaLock(
        installer=installer.package,
        installer_python=installer.python,
        linker=linker.package,
        asked=asked.specs,
        channels=asked.channels,
        virtual=asked.virtual,
        packages=solved.packages,
    )
    return CondaPart(lock=locked, uploaded=max(solved.uploaded or 0, linker.uploaded or 0), notes=solved.notes)


def drop_shared(part: CondaPart, wheels: tuple[Wheel, ...], asked: tuple[str, ...], *, where: str) -> tuple[Wheel, ...]:
    """The wheels without those that conda has at the same version: dependencies that it meets already.

    asked: the names that the recipe itself wants of pip. Raises LockError for a name that both would install.
    """
    conda = {canonicalize_name(p.name): p for p in part.lock.packages}
    shared = {w.package.name: conda[n] for w in wheels if (n := canonicalize_name(w.package.name)) in conda}
    twice = [w for w in wheels if (own := shared.get(w.package.name)) and (w.package.name in asked or _differ(w, own))]
    if twice:
        raise LockError(
            "pip and conda would both install " + ", ".join(w.package.name for w in twice),
            where=where,
            faults=tuple(_twice(w, shared[w.package.name], itself=w.package.name in asked) for w in twice),
            remedy="let one of them bring it: take it out of `pip.packages`, or what needs it out of `conda.packages`",
        )
    return tuple(w for w in wheels if w.package.name not in shared)


def _twice(wheel: Wheel, own: CondaPackage, *, itself: bool) -> Fault:
    """itself: whether the recipe asks pip for that very package, which no other version of conda's would change."""
    name, version = wheel.package.name, wheel.package.version
    return Fault(
        what=f"{name}: {version} from pip, {own.version} from conda",
        seen=f"conda's {own.artifact.path}",
        remedy=None if itself else f"`{own.name} =={version}` in `conda.packages` lets pip leave it to conda",
    )


def _differ(wheel: Wheel, own: CondaPackage) -> bool:
    return not _is_pep440(own) or Version(wheel.package.version) != Version(own.version)


def _is_pep440(package: CondaPackage) -> bool:
    try:
        Version(package.version)
    except InvalidVersion:
        return False
    return package.name[:1].isalnum() and package.name[-1:].isalnum()


def _asked(job: Job, wanted: Conda) -> CondaAsked:
    return CondaAsked(
        specs=(*wanted.packages, f"python {job.recipe.python}.*"),
        channels=wanted.channels,
        subdir=_SUBDIRS[job.entry.arch],
        virtual=virtual_packages(job.recipe, job.entry),
    )


def virtual_packages(recipe: Recipe, entry: RootfsEntry | ImageEntry) -> tuple[str, ...]:
    """What the image is, in conda's words: of the recipe and its base, whatever machine this is."""
    cuda = (f"__cuda={recipe.cuda.runtime}",) if recipe.cuda else ()
    archspec = f"__archspec=1={_MACHINES[entry.arch]}"
    return (archspec, *cuda, f"__glibc={entry.glibc}", f"__linux={_KERNEL}", "__unix=0")


def _environment(job: Job, wanted: Conda, asked: CondaAsked, tell: Callable[[str], None]) -> CondaSolved:
    """The previous one, and no channel is asked, when the same is wanted."""
    old = _old(job)
    kept = tuple(p for p in old.packages if p.name not in job.upgrade) if old else ()
    if old and job.previous and _answers(old, asked) and len(kept) == len(old.packages):
        return CondaSolved(packages=old.packages, uploaded=job.previous.created)
    tell("conda packages")
    where = job.where("conda")
    return job.ports.channels.solve(asked, keep=kept, mirrors=wanted.mirrors, where=where, tell=tell)


def _installer(job: Job, wanted: Conda) -> Installer:
    old = _old(job)
    if old and old.installer.name not in job.upgrade and _same_arch(job, old):
        asked = (wanted.installer, wanted.version or old.installer.version)
        if (old.installer.name, old.installer.version) == asked:
            return Installer(package=old.installer, python=old.installer_python)
    return job.ports.installers.installer(wanted, arch=job.entry.arch, where=job.where("conda"))


def _linker(job: Job, installer: Installer) -> Wheel:
    old = _old(job)
    kept = old and LINKER not in job.upgrade and _same_arch(job, old) and old.installer_python == installer.python
    if old and job.previous and kept:
        return Wheel(package=old.linker, uploaded=job.previous.created)
    target = Target(python=f"{installer.python}.0", glibc=job.entry.glibc, arch=job.entry.arch)
    keep = {LINKER: old.linker.version} if old and LINKER not in job.upgrade else {}
    asked, mirrors, where = (_LINKER_REQUIREMENT,), job.recipe.pip.mirrors, "builder's own tools"
    (wheel,) = job.ports.index.resolve(asked, target=target, keep=keep, mirrors=mirrors, where=where)
    return wheel


def _old(job: Job) -> CondaLock | None:
    return job.previous.conda if job.previous else None


def _answers(old: CondaLock, asked: CondaAsked) -> bool:
    return (old.asked, old.channels, old.virtual) == (asked.specs, asked.channels, asked.virtual)


def _same_arch(job: Job, old: CondaLock) -> bool:
    return virtual_packages(job.recipe, job.entry)[0] in old.virtual
