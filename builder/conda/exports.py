"""The conda part of a lock in the words of other tools: `@EXPLICIT`, conda-lock v1, pixi.lock. Pure but for rattler.

The only place where a lock meets hosts: those tools know packages by URL alone, so that each is given the official one.
A mirror is put before it by their own configuration.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.conda.places import home
from builder.conda.specs import split_spec
from builder.errors import LockError

if TYPE_CHECKING:
    from builder.models.lock import CondaLock, CondaPackage, Lock

_SUBDIRS: Final = {"linux/amd64": "linux-64", "linux/arm64": "linux-aarch64"}


def explicit(lock: Lock, name: str) -> str:
    """`conda create --file`: one URL a line, each with its SHA-256.

    `#sha256:` is read by conda >= 24.9, mamba 2 and micromamba (`#sha256=` is a parse error).
    """
    conda = _conda(lock, name)
    lines = (f"{_url(p)}#sha256:{p.artifact.sha256}" for p in conda.packages)
    return "\n".join((f"# {name}, by builder", f"# platform: {_subdir(lock)}", "@EXPLICIT", *lines, ""))


def conda_lock(lock: Lock, name: str) -> str:
    """`conda-lock install`: YAML, version 1. Raises LockError when a record has no MD5, which conda-lock demands."""
    from ruamel.yaml import YAML  # noqa: PLC0415

    conda, subdir = _conda(lock, name), _subdir(lock)
    document = {
        "version": 1,
        "metadata": {
            "content_hash": {subdir: lock.inputs},
            "channels": [{"url": channel, "used_env_vars": []} for channel in conda.channels],
            "platforms": [subdir],
            "sources": [f"recipes/{name}.yaml"],
        },
        "package": [_locked_dependency(p, subdir) for p in conda.packages],
    }
    yaml, out = YAML(), io.StringIO()
    yaml.width = 1000
    yaml.dump(document, out)
    return out.getvalue()


def pixi(lock: Lock, name: str) -> str:
    """`pixi install --frozen`: pixi.lock, as rattler itself writes it, with the environment `default`."""
    from rattler import LockChannel, LockFile, LockPlatform  # noqa: PLC0415 - 80 ms

    conda = _conda(lock, name)
    platform = LockPlatform(_subdir(lock), virtual_packages=[text.replace("=", " ", 1) for text in conda.virtual])
    file = LockFile([platform])
    file.set_channels("default", [LockChannel(f"{home(channel)}/") for channel in conda.channels])
    for package in conda.packages:
        file.add_conda_package("default", platform, _record(package))
    with tempfile.TemporaryDirectory(prefix="builder-") as folder:
        path = Path(folder, "pixi.lock")
        file.to_path(path)
        return path.read_text(encoding="utf-8")


def left_out(lock: Lock) -> str | None:
    """What of a lock no other tool is told: the wheels that pip installs on top of conda's packages."""
    if not lock.pip:
        return None
    return f"{len(lock.pip)} wheels are not in it, which pip installs on top: " + ", ".join(p.name for p in lock.pip)


FORMATS: Final[Mapping[str, Callable[[Lock, str], str]]] = {
    "explicit": explicit,
    "conda-lock": conda_lock,
    "pixi": pixi,
}


def _conda(lock: Lock, name: str) -> CondaLock:
    if lock.conda is None:
        raise LockError(
            f"{name} has no conda environment to export",
            where=f"recipes/{name}.lock",
            remedy="its wheels are in the lock itself, by name and SHA-256",
        )
    return lock.conda


def _subdir(lock: Lock) -> str:
    return _SUBDIRS[lock.platform]


def _url(package: CondaPackage) -> str:
    channel, _, subdir = package.artifact.source.rpartition("/")
    return f"{home(channel)}/{subdir}/{package.artifact.path}"


def _locked_dependency(package: CondaPackage, subdir: str) -> dict[str, Any]:
    if package.md5 is None:
        raise LockError(
            f"conda-lock cannot hold {package.name}: it demands an MD5 of every package",
            seen=f"{package.artifact.path} has a SHA-256 alone",
            remedy="export as `explicit` or `pixi`",
        )
    return {
        "name": package.name,
        "version": package.version,
        "manager": "conda",
        "platform": subdir,
        "dependencies": dict(_dependencies(package)),
        "url": _url(package),
        "hash": {"md5": package.md5, "sha256": package.artifact.sha256},
        "category": "main",
        "optional": False,
    }


def _dependencies(package: CondaPackage) -> Iterator[tuple[str, str]]:
    """Name and version of each; virtual packages (`__glibc`) are the machine's and not in a conda-lock."""
    for spec in package.depends:
        name, rest = split_spec(spec)
        if not name.startswith("__"):
            yield name, rest


def _record(package: CondaPackage) -> Any:
    from rattler import BuildString, PackageRecord, RepoDataRecord  # noqa: PLC0415

    channel, _, subdir = package.artifact.source.rpartition("/")
    record = PackageRecord(
        package.name,
        package.version,
        BuildString(package.build),
        package.build_number,
        subdir,
        noarch=package.noarch,
        depends=list(package.depends),
        constrains=list(package.constrains),
        sha256=bytes.fromhex(package.artifact.sha256),
        md5=bytes.fromhex(package.md5) if package.md5 else None,
        size=package.artifact.size,
    )
    return RepoDataRecord(record, package.artifact.path, _url(package), f"{home(channel)}/")
