"""Reads and writes PEP 751 lock files, uv's way of saying which wheels it chose."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from packaging.pylock import PackageWheel, Pylock, PylockSelectError, PylockValidationError
from packaging.tags import Tag, compatible_tags, cpython_tags

from builder.errors import LockError
from builder.models.lock import Artifact, Package
from builder.models.resolved import Target, Wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from packaging.markers import Environment
    from packaging.pylock import Package as PylockPackage


def written_preferences(keep: Mapping[str, str]) -> str:
    """A lock file with names and versions alone: uv keeps the versions that it finds in its output file."""
    packages = (f'[[packages]]\nname = "{name}"\nversion = "{keep[name]}"\nwheels = []\n' for name in sorted(keep))
    return "\n".join(('lock-version = "1.0"\ncreated-by = "builder"\n', *packages))


def read_pylock(
    text: str, *, target: Target, mirror: str, where: str, measure: Callable[[str], int | None]
) -> tuple[Wheel, ...]:
    """The wheel of each package that suits the target best, sorted by name. Raises LockError.

    measure: the bytes of the file at a URL, for indexes that do not tell (PEP 503 pages have hashes and no sizes).
    """
    try:
        pylock = Pylock.from_dict(tomllib.loads(text))
        chosen = pylock.select(environment=_environment(target), tags=_tags(target))
        wheels = (_wheel(package, wheel, mirror=mirror, where=where, measure=measure) for package, wheel in chosen)
        return tuple(sorted(wheels, key=lambda w: w.package.name))
    except (PylockSelectError, PylockValidationError, tomllib.TOMLDecodeError) as error:
        raise LockError("uv's answer does not fit the image's Python", where=where, seen=str(error)) from None


def _wheel(
    package: PylockPackage, wheel: object, *, mirror: str, where: str, measure: Callable[[str], int | None]
) -> Wheel:
    if not isinstance(wheel, PackageWheel):
        raise LockError(f"{package.name} has no wheel", where=where, remedy="choose a version that has one")
    size = wheel.size if wheel.size is not None or wheel.url is None else measure(wheel.url)
    lacks = [what for what, has in (("SHA-256", wheel.hashes.get("sha256")), ("size", size)) if not has]
    if lacks:
        raise LockError(
            f"the package index {mirror} does not tell the {' and '.join(lacks)} of {wheel.filename}",
            where=where,
            remedy="put a mirror that does first in pip.mirrors for locking; any of them can serve the file later",
        )
    found = {"source": "pypi", "path": wheel.filename, "sha256": wheel.hashes["sha256"], "size": size}
    artifact = Artifact.model_validate(found)
    uploaded = int(wheel.upload_time.timestamp()) if wheel.upload_time else None
    return Wheel(package=Package(name=package.name, version=str(package.version), artifact=artifact), uploaded=uploaded)


def _tags(target: Target) -> list[Tag]:
    """Every wheel tag that the target takes, best first: manylinux from its glibc down to 2.5 (PEP 600, PEP 599)."""
    python = tuple(int(part) for part in target.python.split(".")[:2])
    platforms = list(_platforms(target))
    own = cpython_tags(python, [f"cp{python[0]}{python[1]}"], platforms)
    return [*own, *compatible_tags(python, f"cp{python[0]}{python[1]}", platforms)]


def _platforms(target: Target) -> Iterator[str]:
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    for minor in range(int(target.glibc.split(".")[1]), 4, -1):
        yield f"manylinux_2_{minor}_{target.machine}"
        if minor in legacy:
            yield f"{legacy[minor]}_{target.machine}"
    yield f"linux_{target.machine}"


def _environment(target: Target) -> Environment:
    """The markers of CPython on Linux (PEP 508)."""
    return {
        "implementation_name": "cpython",
        "implementation_version": target.python,
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": target.python,
        "python_version": ".".join(target.python.split(".")[:2]),
        "sys_platform": "linux",
    }
