"""The installer of a lock, fetched from HTTPS mirrors on loopback: its size is learnt, its hash decides."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from farm import FAULTS, Farm
from fetching import NoClients

from builder.adapters.http.client import Http
from builder.adapters.lock.installers import MirroredInstallers
from builder.adapters.store.content import Store
from builder.errors import IntegrityError, NetworkError, RecipeError
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.entry import Catalogue
from builder.mirrors.sources import Sources
from builder.models.installer import InstallerEntry
from builder.models.lock import Artifact
from builder.models.recipe import Conda
from builder.models.resolved import Installer
from builder.progress import Silent
from builder.stages.fetch import fetch

pytestmark = pytest.mark.network
CONTENT = b"#!/bin/sh\necho an installer\n" + b"\0" * 100_000
PATH = "1.0-0/Miniforge3-1.0-0-Linux-x86_64.sh"
NAMES = ("farm-a", "farm-b", "farm-c")
ENTRY = {
    "family": "miniforge",
    "version": "1.0-0",
    "python": "3.13",
    "arch": "amd64",
    "path": PATH,
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "vouched": ("this test",),
}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("farm")
    file = folder / "installers" / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    file.with_name("another").write_bytes(b"another installer")
    with Farm(folder, installers=folder / "installers") as farm:
        yield farm


@pytest.fixture(autouse=True)
def _trusts_the_farm(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(farm.ca_pem))


def found(
    farm: Farm,
    store: Store,
    *,
    names: tuple[str, ...] = NAMES,
    sha256: str | None = None,
    entries: Mapping[str, object] | None = None,
) -> Installer:
    mirrors = Mirrors(Catalogue.model_validate(entries or farm.entries()).root, clients=NoClients())
    transport = Http(connect=1.0, stall=1.0)
    sources = Sources(mirrors, transport=transport, conda=names)

    def bring(artifacts: tuple[Artifact, ...]) -> None:
        fetch(artifacts, store=store, sources=sources, transport=transport, progress=Silent(), jobs=2)

    known = [InstallerEntry.model_validate({**ENTRY, "sha256": sha256 or ENTRY["sha256"]})]
    port = MirroredInstallers(mirrors, fetch=bring, known=known)
    return port.installer(Conda(mirrors=names), arch="amd64", where="recipes/a.yaml: conda")


def test_its_true_size_is_locked_and_the_file_is_in_the_store(farm: Farm, tmp_path: Path) -> None:
    installer = found(farm, Store(tmp_path))
    assert (installer.package.name, installer.package.version, installer.python) == ("miniforge", "1.0-0", "3.13")
    artifact = installer.package.artifact
    assert (artifact.source, artifact.path, artifact.size) == ("miniforge", PATH, len(CONTENT))
    assert Store(tmp_path).path(artifact).read_bytes() == CONTENT


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ("slow_drip", "black_hole")])
def test_one_faulty_mirror_does_not_keep_it_away(farm: Farm, tmp_path: Path, fault: str, number: int) -> None:
    with farm.faulty({number: fault}):
        assert found(farm, Store(tmp_path)).package.artifact.size == len(CONTENT)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("fault", ["black_hole", "slow_drip"])
def test_a_silent_mirror_is_overtaken(farm: Farm, tmp_path: Path, fault: str, number: int) -> None:
    began = time.monotonic()
    with farm.faulty({number: fault}):
        assert found(farm, Store(tmp_path)).package.artifact.size == len(CONTENT)
    assert time.monotonic() - began < 6


def test_a_mirror_that_has_another_file_there_is_not_believed(farm: Farm, tmp_path: Path) -> None:
    other = tmp_path / "other" / PATH
    other.parent.mkdir(parents=True)
    other.write_bytes(b"not the installer")
    with Farm(tmp_path, installers=tmp_path / "other", mirrors=1) as liar, pytest.MonkeyPatch.context() as patch:
        trusted = tmp_path / "both.pem"
        trusted.write_text(farm.ca_pem.read_text() + liar.ca_pem.read_text())
        patch.setenv("SSL_CERT_FILE", str(trusted))
        entries = {**farm.entries(), "liar": liar.entries()["farm-a"]}
        installer = found(farm, Store(tmp_path / "store"), names=("liar", "farm-a"), entries=entries)
    assert installer.package.artifact.size == len(CONTENT)


def test_without_a_mirror_each_is_named(farm: Farm, tmp_path: Path) -> None:
    with farm.faulty({0: "http_404", 1: "refused", 2: "html_200"}), pytest.raises(NetworkError) as caught:
        found(farm, Store(tmp_path))
    assert caught.value.what == f"no mirror has {PATH}"
    assert [fault.what for fault in caught.value.faults] == [
        "farm-a: HTTP 404",
        "farm-b: no connection: Connection refused",
        "farm-c: answers with a page of HTML, not with the file",
    ]


def test_a_hash_that_no_mirror_has_is_a_matter_of_integrity(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError) as caught:
        found(farm, Store(tmp_path), sha256="ab" * 32)
    assert caught.value.what == "every mirror gave wrong bytes for Miniforge3-1.0-0-Linux-x86_64.sh"
    assert not list(Store(tmp_path).entries())


def test_mirrors_that_do_not_exist_or_carry_none_are_told(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as unknown:
        found(farm, Store(tmp_path), names=("farm-x",))
    assert unknown.value.what == "no mirror is called 'farm-x'"
    entries = {**farm.entries(), "bare": {"conda": {"conda-forge": "https://127.0.0.1:9/conda-forge"}}}
    with pytest.raises(NetworkError) as bare:
        found(farm, Store(tmp_path), names=("bare",), entries=entries)
    assert bare.value.seen == "mirrors: bare; none of them carries miniforge"
