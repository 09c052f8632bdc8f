"""The workshop part of a lock: the wheels that a model is made with, at the image's versions of what runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from builder.models.deployment import RUNTIME
from builder.models.lock import WorkshopLock
from builder.models.resolved import Wheel

if TYPE_CHECKING:
    from builder.models.lock import Artifact, Lock, Package
    from builder.models.resolved import Target
    from builder.stages.lock_job import Job


@dataclass(frozen=True, kw_only=True)
class WorkshopPart:
    """What a lock holds of the workshop, and when its wheels were uploaded."""

    lock: WorkshopLock
    wheels: tuple[Wheel, ...]


def lock_workshop(
    job: Job, image: tuple[Wheel, ...], *, target: Target, same_python: bool, files: tuple[Artifact, ...]
) -> WorkshopPart:
    """The workshop's wheels: the previous ones, and no index is asked, when the same is wanted for the same Python.

    image: the wheels of the image; what runs the model there runs it in the workshop too, or its measured quality would
    be that of something else.

    Raises LockError, NetworkError, HostError.
    """
    own = {str(canonicalize_name(wheel.package.name)): wheel.package.version for wheel in image}
    pins = tuple(f"{name}=={own[name]}" for name in RUNTIME if name in own)  # conda may have brought them
    asked = tuple(dict.fromkeys((*job.recipe.tools(), *pins)))
    old = job.previous
    before = old.workshop if old else None
    if old and before and same_python and before.asked == asked and job.may_keep(before.pip):
        wheels = as_before(old, before.pip)
    else:
        keep = {**(job.keep(before.pip) if before else {}), **own}
        wheels = job.ports.index.resolve(
            asked, target=target, keep=keep, mirrors=job.recipe.pip.mirrors, where=job.where("workshop.pip")
        )
    locked = WorkshopLock(asked=asked, pip=tuple(wheel.package for wheel in wheels), files=files)
    return WorkshopPart(lock=locked, wheels=wheels)


def as_before(old: Lock, packages: tuple[Package, ...]) -> tuple[Wheel, ...]:
    """None of them is newer than what the old lock was made of."""
    return tuple(Wheel(package=package, uploaded=old.created) for package in packages)
