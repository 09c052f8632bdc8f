"""A recipe and a lock with conda, on the quickstart's base: large and small packages, Python's among them."""

from __future__ import annotations

from typing import Literal

from tests_root import ROOT

from builder.models.base import sha256_of
from builder.models.lock import Artifact, CondaLock, CondaPackage, Lock, Package
from builder.models.lockfile import parse_lock
from builder.models.recipe import Conda, Recipe
from builder.stages.load import parse_recipe
from builder.stages.plan_packages import LARGE

ENVIRONMENT = "/opt/conda/envs/quickstart"

ROOTS = {"conda-forge": ("https://mirror.example/conda-forge", "https://other.example/conda-forge")}


def recipe() -> Recipe:
    found = parse_recipe((ROOT / "recipes/quickstart.yaml").read_bytes(), "recipes/quickstart.yaml")
    return found.model_copy(update={"conda": Conda(packages=("cudart", "numpy"))})


def package(
    name: str,
    *depends: str,
    size: int = 1000,
    version: str = "1.0",
    noarch: Literal["python", "generic"] | None = None,
    channel: str = "conda-forge",
) -> CondaPackage:
    filename = f"{name}-{version}-0.conda"
    source = f"{channel}/{'noarch' if noarch else 'linux-64'}"
    artifact = Artifact(source=source, path=filename, sha256=sha256_of(filename), size=size)
    return CondaPackage(name=name, version=version, build="0", noarch=noarch, depends=depends, artifact=artifact)


PACKAGES = (
    package("certifi", "python >=3.7", noarch="python"),
    package("cudart", "__glibc >=2.17", "cuda-version 12.8.*", size=LARGE + 5),
    package("mkl", size=2 * LARGE),
    package("numpy", "python >=3.9,<3.10.0a0", "libblas=3.9", "mkl"),
    package("openssl", "ca-certificates", "_libgcc_mutex 0.1 conda_forge"),
    package("_libgcc_mutex"),
    package("ca-certificates", noarch="generic"),
    package("python", "__glibc >=2.17", "conda-forge::openssl>=3.5,<4.0a0", "zlib[version='>=1.3']", version="3.9.23"),
    package("zlib"),
)


def tool(source: str, path: str, version: str) -> Package:
    artifact = Artifact(source=source, path=path, sha256=sha256_of(path), size=10)
    return Package(name=path.partition("-")[0].lower(), version=version, artifact=artifact)


def conda_lock(*packages: CondaPackage) -> CondaLock:
    return CondaLock(
        installer=tool("miniforge", "Miniforge3-26.3.2-3-Linux-x86_64.sh", "26.3.2-3"),
        installer_python="3.13",
        linker=tool("pypi", "py_rattler-0.25.0-cp38-abi3-manylinux2014_x86_64.whl", "0.25.0"),
        asked=("cudart", "numpy >=1", "python 3.9.*"),
        channels=("conda-forge",),
        virtual=("__glibc=2.31",),
        packages=tuple(sorted(packages or PACKAGES, key=lambda p: p.name)),
    )


def lock(*packages: CondaPackage) -> Lock:
    found = parse_lock((ROOT / "recipes/quickstart.lock").read_text(), "recipes/quickstart.lock")
    return found.model_copy(update={"conda": conda_lock(*packages)})
