"""What other tools read of a lock, read back with their own libraries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conda_lock.lockfile import parse_conda_lock_file
from rattler import LockFile

from builder.conda.exports import FORMATS, conda_lock, explicit, left_out, pixi
from builder.errors import LockError
from builder.models.lock import Artifact, Certificate, CondaLock, CondaPackage, Lock, Package, RootfsBase, TrustLock

EPOCH = 1_700_000_000


def artifact(source: str, path: str, digit: str = "a", size: int = 10) -> Artifact:
    return Artifact.model_validate({"source": source, "path": path, "sha256": digit * 64, "size": size})


def conda_package(name: str, version: str, source: str, digit: str, **more: object) -> CondaPackage:
    path = f"{name}-{version}-h0_1.conda"
    fields = {"name": name, "version": version, "build": "h0_1", "build_number": 1, "md5": digit * 32, **more}
    return CondaPackage.model_validate(
        {**fields, "artifact": artifact(source, path, digit).model_dump()},
        strict=False,
    )


PACKAGES = (
    conda_package("libffi", "3.4.2", "conda-forge/linux-64", "1"),
    conda_package("python", "3.9.18", "conda-forge/linux-64", "2", depends=("__glibc >=2.17", "libffi >=3.4,<4.0a0")),
    conda_package("six", "1.16.0", "pkgs/main/noarch", "3", noarch="python", depends=("python",)),
)


def lock_of(*packages: CondaPackage) -> Lock:
    wheel = Package(name="x", version="1", artifact=artifact("pypi", "x-1-py3-none-any.whl"))
    conda = CondaLock(
        installer=Package(name="miniforge", version="1", artifact=artifact("miniforge", "1/Miniforge.sh")),
        installer_python="3.13",
        linker=wheel,
        asked=("python 3.9.*",),
        channels=("conda-forge", "pkgs/main"),
        virtual=("__glibc=2.36", "__linux=4.18"),
        packages=packages,
    )
    base = RootfsBase(suite="bookworm", arch="amd64", epoch=1, packages=(), rootfs=artifact("derived", "rootfs.tar"))
    root = Certificate.model_validate({"subject": "x", "sha256": "a" * 64, "not_after": "2030-01-01"})
    trust = TrustLock(roots=wheel, certificates=(root,), bundle=artifact("derived", "ca-bundle.pem"))
    return Lock.model_validate(
        {
            "inputs": "c" * 64,
            "epoch": EPOCH,
            "created": EPOCH,
            "base": base,
            "uv": wheel,
            "busybox": None,
            "busybox_binary": None,
            "trust": trust,
            "conda": conda if packages else None,
            "apt": (),
            "pip": (),
        }
    )


LOCK = lock_of(*PACKAGES)
URLS = (
    "https://conda.anaconda.org/conda-forge/linux-64/libffi-3.4.2-h0_1.conda",
    "https://conda.anaconda.org/conda-forge/linux-64/python-3.9.18-h0_1.conda",
    "https://repo.anaconda.com/pkgs/main/noarch/six-1.16.0-h0_1.conda",
)


def test_explicit_is_what_conda_reads() -> None:
    lines = explicit(LOCK, "mine").splitlines()
    # conda 25.9.1, conda/misc.py: url_pat, and conda/models/match_spec.py: `sha256:` since 24.9
    pattern = re.compile(r"(?P<url>https://\S+/[^/#]+\.(?:conda|tar\.bz2))#sha256:(?P<sha256>[0-9a-f]{64})")
    found = [m.group("url", "sha256") for m in map(pattern.fullmatch, lines[3:]) if m]
    assert lines[1:3] == ["# platform: linux-64", "@EXPLICIT"]
    assert found == list(zip(URLS, ("1" * 64, "2" * 64, "3" * 64), strict=True))


def test_conda_lock_reads_its_own_format(tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    path.write_text(conda_lock(LOCK, "mine"))
    found = parse_conda_lock_file(path)
    assert [(p.name, p.version, p.url, p.hash.sha256) for p in found.package] == [
        (p.name, p.version, url, p.artifact.sha256) for p, url in zip(PACKAGES, URLS, strict=True)
    ]
    assert found.package[1].dependencies == {"libffi": ">=3.4,<4.0a0"}
    assert [c.url for c in found.metadata.channels] == ["conda-forge", "pkgs/main"]


def test_rattler_reads_the_pixi_lock(tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    path.write_text(pixi(LOCK, "mine"))
    environment = LockFile.from_path(path).default_environment()
    assert environment
    (records,) = environment.conda_repodata_records().values()
    assert sorted((str(r.url), r.sha256.hex()) for r in records) == sorted(
        (url, p.artifact.sha256) for p, url in zip(PACKAGES, URLS, strict=True)
    )
    assert {r.name.normalized: r.depends for r in records}["python"] == list(PACKAGES[1].depends)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_lock_gives_the_same_text(form: str) -> None:
    assert FORMATS[form](LOCK, "mine") == FORMATS[form](LOCK, "mine")


@pytest.mark.parametrize("form", FORMATS)
def test_a_lock_without_conda_is_refused(form: str) -> None:
    with pytest.raises(LockError, match="mine has no conda environment to export"):
        FORMATS[form](lock_of(), "mine")


def test_conda_lock_is_refused_without_an_md5() -> None:
    bare = PACKAGES[0].model_copy(update={"md5": None})
    with pytest.raises(LockError, match="conda-lock cannot hold libffi"):
        conda_lock(lock_of(bare), "mine")
    assert "libffi" in explicit(lock_of(bare), "mine") + pixi(lock_of(bare), "mine")


@pytest.mark.parametrize("spec", ["conda-forge::libffi >=3.4,<4", "libffi>=3.4,<4", "LibFFI  >=3.4,<4"])
def test_a_dependency_has_its_name_however_it_is_written(spec: str, tmp_path: Path) -> None:
    python = PACKAGES[1].model_copy(update={"depends": ("__glibc>=2.17", spec)})
    path = tmp_path / "conda-lock.yml"
    path.write_text(conda_lock(lock_of(PACKAGES[0], python), "mine"))
    assert parse_conda_lock_file(path).package[1].dependencies == {"libffi": ">=3.4,<4"}


def test_wheels_that_no_format_holds_are_told() -> None:
    wheels = tuple(Package(name=n, version="1", artifact=artifact("pypi", f"{n}-1-py3-none-any.whl")) for n in "ab")
    told = left_out(LOCK.model_copy(update={"pip": wheels}))
    assert told == "2 wheels are not in it, which pip installs on top: a, b"
    assert left_out(LOCK) is None
