"""Locking for real: the registries that this host's clients are configured with, mmdebstrap, two stores."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder.adapters.catalog import load_catalog
from builder.adapters.http.client import Http
from builder.adapters.lock.world import locking_ports
from builder.adapters.mirrors import load_mirrors
from builder.adapters.store.content import Store
from builder.adapters.store.derive import derive
from builder.errors import IntegrityError, LockError
from builder.mirrors.sources import Sources
from builder.models.lock import Artifact, Lock, RootfsBase
from builder.models.lockfile import dump_lock
from builder.models.recipe import Recipe
from builder.progress import Silent
from builder.stages.fetch import fetch
from builder.stages.lock import lock

pytestmark = [
    pytest.mark.upstream,
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="no mmdebstrap on this host"),
]


class Place:
    """A store with all that fills it: stands for a machine."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.transport = Http()
        self.mirrors = load_mirrors()
        self.sources = Sources(self.mirrors, transport=self.transport)

    def fetch(self, artifacts: tuple[Artifact, ...]) -> None:
        fetch(artifacts, store=self.store, sources=self.sources, transport=self.transport, progress=Silent())

    def lock(self, recipe: Recipe, previous: Lock | None = None) -> Lock:
        ports = locking_ports(self.store, fetch=self.fetch, mirrors=self.mirrors)
        return lock(recipe, catalog=load_catalog(), ports=ports, previous=previous, progress=Silent()).lock


def tiny(**changes: object) -> Recipe:
    data = {"name": "tiny", "base": "debian-bullseye", "checks": ("trust",), "pip": {"packages": ("six", "numpy<2")}}
    return Recipe.model_validate({**data, "apt": ("less",), **changes})


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("here") / "store")


@pytest.fixture(scope="module")
def locked(here: Place) -> Lock:
    return here.lock(tiny())


@pytest.fixture(scope="module")
def rootfs(here: Place, locked: Lock) -> Path:
    assert isinstance(locked.base, RootfsBase)
    return here.store.path(locked.base.rootfs)


def host_apt() -> dict[str, int]:
    """When each of the host's own package lists and cached packages was last written."""
    folders = (Path("/var/lib/apt/lists"), Path("/var/cache/apt/archives"))
    return {str(path): path.stat().st_mtime_ns for folder in folders for path in (folder, *folder.glob("*"))}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lock, dict[str, int], dict[str, int]]:
    """The same recipe locked in other folders, under another environment; the host's apt before and after."""
    there = tmp_path_factory.mktemp("there") / "a rather different folder"
    (there / "tmp").mkdir(parents=True)
    for folder in (there, *list(there.parents)[:3]):
        folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(there / "tmp"))
        patch.setenv("TZ", "Asia/Shanghai")
        patch.setenv("PATH", os.environ["PATH"].replace("/usr/sbin", "").replace("/sbin", ""))
        patch.setattr("tempfile.tempdir", None)
        before = host_apt()
        lock = Place(there / "store").lock(tiny())
        return lock, before, host_apt()


def test_two_machines_lock_the_same_recipe_to_the_same_bytes(
    locked: Lock, elsewhere: tuple[Lock, dict[str, int], dict[str, int]]
) -> None:
    assert dump_lock(elsewhere[0]) == dump_lock(locked)


def test_the_hosts_own_apt_is_left_alone(elsewhere: tuple[Lock, dict[str, int], dict[str, int]]) -> None:
    _, before, after = elsewhere
    assert after == before


def test_the_lock_names_no_host(here: Place, locked: Lock) -> None:
    text = dump_lock(locked)
    urls = [here.mirrors.index_url("upstream")]
    urls += [root for source in ("debian", "debian-security") for root in here.mirrors.apt_roots("upstream", source)]
    assert "://" not in text
    assert not [url for url in urls if (urlsplit(url).hostname or "?") in text]


def test_pip_packages_suit_the_images_python_and_not_this_machines(locked: Lock) -> None:
    wheels = {p.name: p.artifact.path for p in locked.pip}
    assert sorted(wheels) == ["numpy", "six"]
    assert re.fullmatch(r"numpy-1\.26\.4-cp39-cp39-manylinux_.*x86_64\.whl", wheels["numpy"])


def test_apt_packages_are_those_that_the_base_lacks(locked: Lock) -> None:
    assert isinstance(locked.base, RootfsBase)
    base, extra = {p.name for p in locked.base.packages}, {p.name for p in locked.apt}
    assert {"less", "python3.9", "libpython3.9-stdlib"} <= extra
    assert {"libc6", "dpkg", "apt"} <= base
    assert not base & extra


def test_the_root_file_system_tells_nothing_of_the_host_and_has_no_device(rootfs: Path) -> None:
    with tarfile.open(rootfs) as archive:
        members = {m.name.removeprefix("./"): m for m in archive}
        sources = archive.extractfile(members["etc/apt/sources.list"])
        assert sources is not None
        text = sources.read().decode()
    assert not [name for name, m in members.items() if m.isdev() or name.startswith("dev/")]
    absent = {"etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/cache/ldconfig/aux-cache"}
    assert not absent & members.keys()
    volatile = ("var/log/", "var/cache/apt/", "var/lib/apt/lists/", "tmp/", "run/")
    assert not [name for name, m in members.items() if m.isfile() and name.startswith(volatile)]
    assert all(line.startswith("#") for line in text.splitlines())


def test_no_file_of_the_root_file_system_names_this_run(rootfs: Path) -> None:
    data = rootfs.read_bytes()
    assert not [word for word in (b"builder-debs-", b"mmdebstrap.", str(rootfs.parents[3]).encode()) if word in data]


def test_a_derived_file_that_is_lost_is_made_again(here: Place, locked: Lock) -> None:
    for artifact in (locked.busybox_binary, locked.trust.bundle):
        assert artifact is not None
        here.store.path(artifact).unlink()
        derive(locked, artifact, store=here.store, fetch=here.fetch)
        assert here.store.has(artifact)


def test_a_root_file_system_of_other_packages_is_refused(here: Place, locked: Lock) -> None:
    assert isinstance(locked.base, RootfsBase)
    wrong = locked.base.rootfs.model_copy(update={"sha256": "0" * 64})
    base = locked.base.model_copy(update={"rootfs": wrong})
    with pytest.raises(IntegrityError, match=r"rootfs-bullseye-amd64\.tar came out differently here"):
        derive(locked.model_copy(update={"base": base}), wrong, store=here.store, fetch=here.fetch)
    here.store.path(locked.base.rootfs).unlink(missing_ok=True)


def test_a_package_that_nobody_has_is_named_with_its_place(here: Place, locked: Lock) -> None:
    with pytest.raises(LockError) as caught:
        here.lock(tiny(pip={"packages": ("six>=999",)}), locked)
    assert caught.value.where == "recipes/tiny.yaml: pip.packages"
    assert "six>=999" in (caught.value.seen or "")


def test_a_debian_package_that_nobody_has_is_named_with_its_place(here: Place) -> None:
    with pytest.raises(LockError) as caught:
        here.lock(tiny(base="debian-bookworm", python="3.11", apt=("no-such-package",)))
    assert caught.value.where == "recipes/tiny.yaml: apt"
    assert caught.value.seen == "Unable to locate package no-such-package"


def test_the_distributions_own_roots_can_be_trusted_instead(here: Place, locked: Lock) -> None:
    own = here.lock(tiny(trust={"roots": "distribution"}), locked)
    assert own.base == locked.base
    assert own.apt == locked.apt
    assert own.trust.roots.name == "ca-certificates"
    assert len(own.trust.certificates) > 100
