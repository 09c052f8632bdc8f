"""A project whose Python is conda's, locked and fetched from a farm of mirrors on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chain_project import PREFIX, Place, host_roots
from farm import Channel, Farm, Package, make_channel, small_packages
from farm.installer import NAME as INSTALLER
from farm.installer import make_installer
from farm.python39 import python_package

LARGE = 3_000_000
"""Bytes from which these tests' packages have a layer of their own."""

PROGRAM = (
    sys.executable,
    "-c",
    f"import builder.stages.plan_packages as p; p.LARGE = {LARGE:_}; from builder.cli import main; main()",
)

PACKAGES = ("bigcuda", "bigmath", "farm-native", "has-a-template", "hello-conda <1.1", "post-linked")
"""`hello-conda` is the one that a test changes."""

HAS_A_TEMPLATE = Package(
    name="has-a-template",
    version="1.0",
    noarch="python",
    depends=["python >=3.9"],
    files={
        "site-packages/has_a_template/__init__.py": "",
        "site-packages/has_a_template/template.py": "import {{ name }}\n",
    },
)
"""A source that no Python compiles, as packages for making projects have them."""

FAILS_TO_LINK = Package(
    name="fails-to-link",
    version="1.0",
    files={"bin/.fails-to-link-post-link.sh": '#!/bin/sh\necho "there is no $PKG_NAME here"\nexit 3\n'},
)

TRUSTS_ANYBODY = Package(
    name="trusts-anybody",
    version="1.0",
    files={"etc/npmrc": "strict-ssl=false\n"},
)
"""Configuration that switches verification off for every npm of the environment, of which there is none yet."""

ENVIRONMENT = f"/opt/conda/envs/{PREFIX}-conda"


def channel(folder: Path) -> Channel:
    """Real packages: Python 3.9, two large ones, small ones in both formats, one whose script fails."""
    return make_channel(
        folder,
        (*small_packages(large=LARGE + 1_000_000), python_package(), HAS_A_TEMPLATE, FAILS_TO_LINK, TRUSTS_ANYBODY),
    )


@contextmanager
def farming(folder: Path) -> Iterator[Farm]:
    """Three mirrors that serve conda-forge and an installer of Miniconda's shape."""
    make_installer(folder / "installers")
    with Farm(folder / "farm", channel=channel(folder / "channel"), installers=folder / "installers") as farm:
        yield farm


def conda_place(farm: Farm, folder: Path, store: Path) -> Place:
    """A project beside the farm; what the host trusts is trusted, and the farm."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle = folder / "roots.pem"
    bundle.write_bytes(host_roots() + farm.ca_pem.read_bytes())
    env = {
        "SSL_CERT_FILE": str(bundle),
        "BUILDER_MIRRORS": str(farm.mirrors_yaml(folder / "mirrors.yaml")),
        "BUILDER_INSTALLERS": str(_installers(farm, folder / "installers.yaml")),
    }
    return Place(folder / "project", store, folder / "state", env=env, program=PROGRAM)


def write_recipe(place: Place, farm: Farm, *packages: str, name: str = f"{PREFIX}-conda", **changes: object) -> str:
    """A small recipe with conda on Debian 12, whose own Python is another."""
    conda = {
        "installer": "miniconda",
        "packages": packages or PACKAGES,
        "mirrors": [mirror.name for mirror in farm.mirrors],
        "accept_terms": True,
        "accepted_by": "these tests",
        "accepted_on": "2026-11-23",
    }
    modules = {"modules": ["hello_conda", "farm_native", "farm_colour", "six"]}
    return place.write(
        name,
        base="debian-bookworm",
        conda=conda,
        pip={"packages": ["six"]},
        **{"checks": ["python", {"imports": modules}, "trust"], **changes},
    )


def store_without_conda(source: Path, target: Path) -> Path:
    """A copy of a store that has the base and the wheels, and nothing that the farm serves."""
    shutil.copytree(source, target, copy_function=os.link)
    for file in [*target.rglob("*.conda"), *target.rglob("*.tar.bz2"), *target.rglob(INSTALLER)]:
        shutil.rmtree(file.parent)
    return target


def in_image(image: str, *argv: str) -> str:
    """What a command prints in a container without a network."""
    command = ["docker", "run", "--rm", "--network=none", image, *argv]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python_in(image: str, program: str, *arguments: str) -> str:
    return in_image(image, "python", "-B", "-c", program, *arguments)


def layers_of(rendering: Path) -> Sequence[str]:
    """The names of an image's layers, lowest first."""
    lines = (rendering / "README.md").read_text().splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith("| ") and "layer |" not in line]


def _installers(farm: Farm, path: Path) -> Path:
    served = farm._site.mounts["miniconda"] / INSTALLER
    digest = hashlib.sha256(served.read_bytes()).hexdigest()
    entry = {"python": "3.9", "arch": "amd64", "path": INSTALLER, "sha256": digest, "vouched": ["these tests"]}
    versions = {"miniconda": "25.9.1-3", "miniforge": "99.0.0-0"}
    path.write_text(json.dumps([{**entry, "family": family, "version": v} for family, v in versions.items()]))
    return path
