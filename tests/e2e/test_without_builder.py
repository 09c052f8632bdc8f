"""`images/NAME/` and an exported store are all that it takes: docker's own bake makes the same image."""

from __future__ import annotations

import os
import re
import tarfile
import time
from pathlib import Path

import pytest
from chain_project import PREFIX, Place, identity, measured, names_of
from conftest import Projects

pytestmark = [pytest.mark.engine, pytest.mark.upstream]


def commands(readme: str) -> tuple[str, str, str]:
    """The three of the README: export, unpack, build."""
    export, unpack = re.findall(r"`((?:builder store export|mkdir store).+?)`", readme)
    (bake,) = re.findall(r"^    (docker buildx bake .+)$", readme, re.MULTILINE)
    return export, unpack, bake


def unpack_as_somebody_else(place: Place) -> None:
    """As `tar` would, with the modes of a strict umask and the times of today: neither may end in a layer."""
    store = place.root / "store"
    with tarfile.open(place.root / "store.tar") as archive:
        archive.extractall(store, filter="data")
    for path in store.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (time.time(), time.time()))
    _disguise(place.root / "images")


def _disguise(folder: Path) -> None:
    """A checkout keeps no modes and no times either."""
    for path in folder.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (0, 0))


def test_the_readmes_one_command_builds_the_same_image(project: Projects) -> None:
    name = f"{PREFIX}-bake..9"  # a recipe's name may hold what neither a repository nor a target of bake may
    place = project("bake..9", tags=[f"{PREFIX}-bake"])
    built = place.builder("build", name, "--json").image["image"]
    export, unpack, bake = commands((place.rendering(name) / "README.md").read_text())
    assert unpack == "mkdir store && tar -xf store.tar -C store"
    assert place.command(export).code == 0
    unpack_as_somebody_else(place)

    done = place.command(bake + " --no-cache")
    assert done.code == 0, done.err[-3000:]
    assert f"{PREFIX}-bake-9:unchecked" in names_of(name)
    assert identity(f"{PREFIX}-bake-9:unchecked") == built
    measured("docker buildx bake from an exported store, without a cache", done.seconds, 25)
