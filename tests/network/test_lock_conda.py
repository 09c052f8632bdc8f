"""Locking conda through HTTPS mirrors on loopback that fail in every way that mirrors do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farm import Farm, Package, make_channel, small_packages

from builder.adapters.conda_channels import MirroredChannels
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.entry import Catalogue
from builder.models.resolved import CondaAsked, CondaSolved

pytestmark = pytest.mark.network
VIRTUAL = ("__archspec=1=x86_64", "__glibc=2.36", "__linux=4.18", "__unix=0")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("farm")
    python = Package(name="python", version="3.9.23", build="0_cpython")
    channel = make_channel(folder / "channel", (python, *small_packages(large=1000)))
    with Farm(folder, channel=channel) as farm:
        yield farm


@pytest.fixture(autouse=True)
def _trusts_the_farm(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(farm.ca_pem))


def asked(*specs: str) -> CondaAsked:
    return CondaAsked(specs=(*specs, "python 3.9.*"), channels=("conda-forge",), subdir="linux-64", virtual=VIRTUAL)


def solved(farm: Farm, tmp_path: Path, *specs: str, names: tuple[str, ...] | None = None) -> CondaSolved:
    mirrors = Mirrors(Catalogue.model_validate(farm.entries()).root, clients=None)  # type: ignore[arg-type]
    channels = MirroredChannels(mirrors, folder=tmp_path / "repodata")
    names = names or tuple(mirror.name for mirror in farm.mirrors)
    return channels.solve(asked(*specs), keep=(), mirrors=names, where="recipes/a.yaml", tell=lambda _: None)


def test_an_environment_is_locked_without_a_host(farm: Farm, tmp_path: Path) -> None:
    found = solved(farm, tmp_path, "openssl")
    assert [p.name for p in found.packages] == ["ca-certificates", "libgcc", "openssl", "python"]
    assert found.notes == ()
