"""The ground of a lock: the base and the distribution's packages, those of the previous lock as long as they answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from builder.models.catalog import ImageEntry, RootfsEntry
from builder.models.lock import Artifact, ImageBase, Package, RootfsBase
from builder.stages.lock_changes import BASE
from builder.stages.lock_job import Job
from builder.stages.lock_ports import Lists


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What an image stands on: its base, and the distribution's packages beside it."""

    base: RootfsBase | ImageBase
    busybox: Package | None
    binary: Artifact | None
    asked: tuple[str, ...]
    apt: tuple[Package, ...] | None
    """None: not known yet."""
    roots: Package | None
    """The distribution's own CA certificates, when the recipe wants those."""


def lock_ground(job: Job) -> Ground:
    """The base and the distribution's packages: those of the previous lock as long as they answer the recipe."""
    asked = job.asked_of_apt()
    if not job.entry.suites:  # no apt: the base is all there is
        base = kept_base(job) or job.ports.registry.image(_image(job))
        return Ground(base=base, busybox=None, binary=None, asked=(), apt=(), roots=None)
    kept = _kept(job, asked)
    if kept and kept.apt is not None and (kept.roots or not job.wants_own_roots):
        return kept
    with job.ports.debian(job.entry, job.recipe.apt.mirrors) as lists:
        made = kept or _new_ground(job, lists, asked)
        apt = made.apt
        if apt is None:
            apt = lists.install(asked, status=_status(job, made.base), where=job.where("apt"))
        roots = made.roots
        if job.wants_own_roots and roots is None:
            roots = lists.single("ca-certificates", where=job.where("trust.roots"))
        return replace(made, apt=apt, roots=roots)


def _kept(job: Job, asked: tuple[str, ...]) -> Ground | None:
    """What of the previous lock still stands on the recipe's base; its packages when the same ones are asked for."""
    old, base = job.previous, kept_base(job)
    if old is None or base is None:
        return None
    own = job.wants_own_roots and old.trust.roots.name == "ca-certificates"
    return Ground(
        base=base,
        busybox=old.busybox,
        binary=old.busybox_binary,
        asked=asked,
        apt=old.apt if old.apt_asked == asked else None,
        roots=old.trust.roots if own else None,
    )


def _new_ground(job: Job, lists: Lists, asked: tuple[str, ...]) -> Ground:
    if isinstance(job.entry, RootfsEntry):
        # Asked for nothing but its refusal: a misspelt package is told now and not after half a minute of bootstrap.
        lists.install((*_bootstrap_names(job.entry), *asked), status="", where=job.where("apt"))
    busybox, binary = _busybox(job, lists)
    return Ground(base=_new_base(job, lists), busybox=busybox, binary=binary, asked=asked, apt=None, roots=None)


def _bootstrap_names(entry: RootfsEntry) -> tuple[str, ...]:
    """What a root file system is made of, in apt's words."""
    return ("?essential", "?priority(required)", *entry.include)


def kept_base(job: Job) -> RootfsBase | ImageBase | None:
    """The base of the previous lock, as long as the recipe wants it."""
    if job.previous is None or BASE in job.upgrade:
        return None
    match job.previous.base, job.entry:
        case RootfsBase() as base, RootfsEntry() as entry:
            return base if (base.suite, base.arch) == (entry.suites[0].suite, entry.arch) else None
        case ImageBase() as base, ImageEntry() as entry:
            return base if base.reference == entry.reference else None
        case _:
            return None


def _new_base(job: Job, lists: Lists) -> RootfsBase | ImageBase:
    entry = job.entry
    if isinstance(entry, ImageEntry):
        return job.ports.registry.image(entry)
    packages = lists.install(_bootstrap_names(entry), status="", where=f"bases.yaml: {job.recipe.base}")
    # The archive is made from all but itself; its own place is filled in when its hash is known.
    nothing = Artifact.model_validate({"source": "derived", "path": "rootfs", "sha256": "0" * 64, "size": 0})
    base = RootfsBase(
        suite=entry.suites[0].suite, arch=entry.arch, epoch=lists.date(), packages=packages, rootfs=nothing
    )
    return base.model_copy(update={"rootfs": job.ports.workshop.rootfs(base)})


def _status(job: Job, base: RootfsBase | ImageBase) -> str:
    """What is installed in the base, as dpkg writes it."""
    if isinstance(base, RootfsBase):
        return job.ports.workshop.status(base)
    return job.ports.registry.status(base, _image(job))


def _image(job: Job) -> ImageEntry:
    assert isinstance(job.entry, ImageEntry)  # noqa: S101 - an image base comes from an image entry
    return job.entry


def _busybox(job: Job, lists: Lists) -> tuple[Package | None, Artifact | None]:
    if not isinstance(job.entry, RootfsEntry):
        return None, None
    package = lists.single(job.entry.unpacker, where=f"bases.yaml: {job.recipe.base}.unpacker")
    return package, job.ports.workshop.busybox(package)
