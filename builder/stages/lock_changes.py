"""What a new lock changes, and what may be asked to change."""

from __future__ import annotations

import difflib

from builder.errors import LockError
from builder.models.lock import CondaPackage, Lock, Package, RootfsBase
from builder.models.resolved import Moved

EVERYTHING = "all"
"""In `upgrade`: nothing of the previous lock is kept."""
BASE = "base"
"""In `upgrade`: the base and the distribution's packages, which move together or not at all."""


def moved(old: Lock | None, new: Lock) -> tuple[Moved, ...]:
    """What a new lock changed, by name; nothing for a first lock.

    The same version twice means another file: a wheel or .deb that was built again.
    """
    if old is None:
        return ()
    before, after = _packages(old), _packages(new)
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    found = (Moved(name=key[1], old=_version(before, key), new=_version(after, key)) for key in changed)
    return tuple(dict.fromkeys(found))


def check_upgrade(name: str, previous: Lock | None, upgrade: frozenset[str]) -> None:
    """Raises LockError for a name that would do nothing, silently, and for a Debian package: it cannot move alone."""
    if previous is None:
        return
    groups = _packages(previous)
    known = {BASE, EVERYTHING, *(package for group, package in groups if group != "debian")}
    for asked in sorted(upgrade - known):
        near = difflib.get_close_matches(asked, known, n=1)
        what = f"{asked} is not in the lock"
        remedy = f"did you mean {near[0]}?" if near else "name a package of the lock, `base` or `all`"
        if ("debian", asked) in groups:
            what, remedy = f"{asked} is the distribution's, whose packages move together", "upgrade `base`"
        raise LockError(what, where=f"recipes/{name}.lock", seen=f"--upgrade {asked}", remedy=remedy)


def _packages(lock: Lock) -> dict[tuple[str, str], Package | CondaPackage]:
    """By group and name: the same name can be a tool, a wheel of the recipe and a Debian package."""
    base = lock.base.packages if isinstance(lock.base, RootfsBase) else ()
    unpacker = (lock.busybox,) if lock.busybox else ()
    roots = (lock.trust.roots,)
    mozilla = lock.trust.roots.artifact.source == "pypi"
    conda = lock.conda
    groups: dict[str, tuple[Package | CondaPackage, ...]] = {
        "conda": conda.packages if conda else (),
        "debian": (*base, *unpacker, *lock.apt, *(() if mozilla else roots)),
        "pip": lock.pip,
        "workshop": lock.workshop.pip if lock.workshop else (),
        "tools": (lock.uv, *(roots if mozilla else ()), *((conda.installer, conda.linker) if conda else ())),
    }
    return {(group, package.name): package for group, packages in groups.items() for package in packages}


def _version(packages: dict[tuple[str, str], Package | CondaPackage], key: tuple[str, str]) -> str | None:
    return packages[key].version if key in packages else None
