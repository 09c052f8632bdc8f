"""Real wheels, from the index that the clients here use, and conda packages made of them, as conda-forge has them."""

from __future__ import annotations

import configparser
import email.parser
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from builder.adapters.http.client import Http
from builder.adapters.lock.world import MirroredIndex
from builder.adapters.mirrors import load_mirrors
from builder.adapters.store.content import Store
from builder.mirrors.sources import Sources
from builder.models.resolved import Target
from builder.progress import Silent
from builder.stages.fetch import fetch
from farm.channel import Content, Package

TARGET = Target(python="3.9.2", glibc="2.31")
_MARKERS = {
    "extra": "",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.9.2",
    "python_version": "3.9",
    "sys_platform": "linux",
}


def wheels(requirements: Sequence[str]) -> tuple[Path, ...]:
    """What they resolve to for the farm's Python 3.9, in the store."""
    store, mirrors, transport = Store(), load_mirrors(), Http()
    index = MirroredIndex(mirrors)
    found = index.resolve(tuple(requirements), target=TARGET, keep={}, mirrors=("upstream",), where="tests/farm")
    artifacts = tuple(wheel.package.artifact for wheel in found)
    fetch(artifacts, store=store, sources=Sources(mirrors, transport=transport), transport=transport, progress=Silent())
    return tuple(store.path(artifact) for artifact in artifacts)


def package_of(wheel: Path) -> Package:
    """A noarch: python package of a wheel without compiled parts."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        (info,) = {name.partition("/")[0] for name in names if name.partition("/")[0].endswith(".dist-info")}
        files: dict[str, Content] = {f"site-packages/{name}": archive.read(name) for name in names}
        metadata = email.parser.BytesParser().parsebytes(archive.read(f"{info}/METADATA"))
        scripts = configparser.ConfigParser(delimiters=("=",))
        if f"{info}/entry_points.txt" in names:
            scripts.read_string(archive.read(f"{info}/entry_points.txt").decode())
    commands = scripts["console_scripts"] if scripts.has_section("console_scripts") else {}
    return Package(
        name=metadata["Name"].lower().replace("_", "-"),
        version=metadata["Version"],
        build="pyhd8ed1ab_0",
        noarch="python",
        depends=["python >=3.9", *_depends(metadata.get_all("Requires-Dist", []))],
        files={**files, f"site-packages/{info}/INSTALLER": "conda\n"},
        entry_points=[f"{name} = {target}" for name, target in commands.items()],
    )


def _depends(required: Sequence[str]) -> Iterator[str]:
    for requirement in map(Requirement, required):
        if requirement.marker is None or requirement.marker.evaluate(_MARKERS):
            yield f"{requirement.name.lower().replace('_', '-')} {requirement.specifier}".strip()
