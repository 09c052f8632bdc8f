"""Locking conda through HTTPS mirrors on loopback that fail in every way that mirrors do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from farm import FAULTS, Farm, Package, make_channel, small_packages
from fetching import NoClients

from builder.adapters.conda.cache import RepodataCache
from builder.adapters.conda.channels import MirroredChannels
from builder.adapters.conda.repodata import Gatherer
from builder.errors import HostError, IntegrityError, LockError, NetworkError, RecipeError
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.entry import Catalogue
from builder.mirrors.race import Stopped
from builder.models.lock import CondaPackage
from builder.models.resolved import CondaAsked, CondaSolved

pytestmark = pytest.mark.network
VIRTUAL = ("__archspec=1=x86_64", "__glibc=2.36", "__linux=4.18", "__unix=0")
PLACES = {"first": 0, "middle": 1, "last": 2}
HARMLESS = ("wrong_package", "stale_repodata")
"""What does not keep a mirror's repodata from being read."""


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


def mirrors_of(entries: Mapping[str, object]) -> Mirrors:
    return Mirrors(Catalogue.model_validate_json(json.dumps(entries)).root, clients=NoClients())


def solved(
    farm: Farm,
    folder: Path,
    *specs: str,
    names: tuple[str, ...] | None = None,
    entries: Mapping[str, object] | None = None,
    tell: Callable[[str], None] = lambda _: None,
    keep: tuple[CondaPackage, ...] = (),
    channels: tuple[str, ...] = ("conda-forge",),
) -> CondaSolved:
    port = MirroredChannels(mirrors_of(entries or farm.entries()), folder=folder / "repodata")
    names = names or tuple(mirror.name for mirror in farm.mirrors)
    where = "recipes/a.yaml: conda"
    wanted = asked(*(specs or ("openssl",))).model_copy(update={"channels": channels})
    return port.solve(wanted, keep=keep, mirrors=names, where=where, tell=tell)


@pytest.fixture(scope="module")
def healthy(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> CondaSolved:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(farm.ca_pem))
        return solved(farm, tmp_path_factory.mktemp("healthy"))


def test_an_environment_is_locked_without_a_host(farm: Farm, healthy: CondaSolved) -> None:
    assert [p.name for p in healthy.packages] == ["ca-certificates", "libgcc", "openssl", "python"]
    assert healthy.notes == ()
    for package in healthy.packages:
        record = farm.channels["conda-forge"].records[package.artifact.source.rpartition("/")[2]][package.artifact.path]
        assert (package.artifact.sha256, package.artifact.size) == (record["sha256"], record["size"])
        assert list(package.depends) == record["depends"]
    assert "127.0.0.1" not in healthy.model_dump_json()


@pytest.mark.parametrize("number", PLACES.values(), ids=PLACES)
def test_any_mirror_alone_gives_the_same_lock(farm: Farm, tmp_path: Path, healthy: CondaSolved, number: int) -> None:
    assert solved(farm, tmp_path, names=(farm.mirrors[number].name,)) == healthy


@pytest.mark.parametrize("number", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_faulty_mirror_does_not_change_the_lock(
    farm: Farm, tmp_path: Path, healthy: CondaSolved, fault: str, number: int
) -> None:
    began = time.monotonic()
    with farm.faulty({number: fault}):
        found = solved(farm, tmp_path)
    assert time.monotonic() - began < 6
    assert found.packages == healthy.packages
    assert found.uploaded == healthy.uploaded
    assert not found.notes or all(note.startswith(farm.mirrors[number].name) for note in found.notes)
    assert found.notes or fault in HARMLESS


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in (*HARMLESS, "slow_drip")])
def test_when_no_mirror_is_left_each_is_named_once_with_its_cause(farm: Farm, tmp_path: Path, fault: str) -> None:
    with farm.faulty(dict.fromkeys(range(3), fault)), pytest.raises(NetworkError) as caught:
        solved(farm, tmp_path)
    assert caught.value.what.startswith("no mirror gives the repodata of conda-forge/")
    assert caught.value.where == "recipes/a.yaml: conda.mirrors"
    named = [fault.what.partition(": ")[0] for fault in caught.value.faults]
    assert list(dict.fromkeys(named)) == ["farm-a", "farm-b", "farm-c"]
    if fault not in ("truncated", "corrupt"):  # these tell each file's own size or place
        assert len(named) == 3


def test_mirrors_that_all_drip_are_told_as_such(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.adapters.conda.download.WINDOW", 0.5)
    with farm.faulty(dict.fromkeys(range(3), "slow_drip")), pytest.raises(NetworkError) as caught:
        solved(farm, tmp_path)
    assert [fault.what for fault in caught.value.faults] == [
        f"farm-{letter}: sends less than 40,000 B/s" for letter in "abc"
    ]


@pytest.mark.parametrize("fault", ["http_404", "http_403", "no_linux_64"])
def test_a_native_subdir_that_no_mirror_has_stops_the_lock(farm: Farm, tmp_path: Path, fault: str) -> None:
    faults = {"*/linux-64/*": fault}
    with farm.faulty(dict.fromkeys(range(3), faults)), pytest.raises(NetworkError) as caught:
        solved(farm, tmp_path)
    assert caught.value.what == "no mirror gives the repodata of conda-forge/linux-64"
    code = "403" if fault == "http_403" else "404"
    assert [fault.what for fault in caught.value.faults] == [f"farm-{x}: HTTP {code}" for x in "abc"]
    remedy = "name a mirror that has conda-forge/linux-64: conda itself would take it for empty here"
    assert all(fault.remedy and fault.remedy.startswith(remedy) for fault in caught.value.faults)


def test_a_noarch_that_no_mirror_has_stops_the_lock(farm: Farm, tmp_path: Path) -> None:
    with farm.faulty({n: {"*/noarch/*": "http_404"} for n in range(3)}), pytest.raises(NetworkError) as caught:
        solved(farm, tmp_path)
    assert caught.value.what == "no mirror gives the repodata of conda-forge/noarch"


@pytest.mark.parametrize("number", PLACES.values(), ids=PLACES)
def test_one_fresh_mirror_wins_over_two_stale_ones_which_are_named(
    farm: Farm, tmp_path: Path, healthy: CondaSolved, number: int
) -> None:
    stale = [n for n in range(3) if n != number]
    with farm.faulty(dict.fromkeys(stale, "stale_repodata")):
        found = solved(farm, tmp_path)
    assert found.packages == healthy.packages
    fresh = farm.mirrors[number].name
    *late, alone = found.notes
    assert alone == f"{fresh}: it alone lists the locked libgcc, openssl (conda-forge/linux-64)"
    assert tuple(late) == tuple(
        f"{farm.mirrors[n].name}: its repodata is 1 day behind {fresh}'s, not used (conda-forge/linux-64, "
        "conda-forge/noarch)"
        for n in stale
    )


def test_stale_mirrors_alone_give_what_they_have(farm: Farm, tmp_path: Path, healthy: CondaSolved) -> None:
    with farm.faulty(dict.fromkeys(range(3), "stale_repodata")):
        found = solved(farm, tmp_path)
    assert found.packages != healthy.packages  # the twin: the fault is one that can be seen
    assert found.notes == ()


def test_only_three_mirrors_are_asked_and_another_when_one_of_them_fails(tmp_path: Path, farm: Farm) -> None:
    with (
        Farm(tmp_path, channel=farm.channels["conda-forge"], mirrors=5) as large,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(large.ca_pem))
        solved(large, tmp_path / "all")
        assert [bool(mirror.requests) for mirror in large.mirrors] == [True, True, True, False, False]
        with large.faulty({1: "refused"}):
            solved(large, tmp_path / "one")
        assert [bool(mirror.requests) for mirror in large.mirrors] == [True, True, True, True, False]


def test_conda_asks_and_not_builder(farm: Farm, tmp_path: Path) -> None:
    solved(farm, tmp_path)
    assert farm.mirrors[0].requests[-1].headers["User-Agent"].startswith("conda/")


def test_a_mirror_that_wants_another_name_hears_that(farm: Farm, tmp_path: Path) -> None:
    entries = {name: {**entry, "user_agent": "Wanted/1"} for name, entry in farm.entries().items()}
    solved(farm, tmp_path, entries=entries)
    assert farm.mirrors[0].requests[-1].headers["User-Agent"] == "Wanted/1"


class PlainConda(NoClients):
    """A host whose .condarc has channels over plain http."""

    def conda_root(self, channel: str) -> str | None:
        return f"http://conda.test/{channel}"


def test_what_the_host_has_over_plain_http_is_left_out_and_alone_stops_the_lock(
    farm: Farm, tmp_path: Path, healthy: CondaSolved
) -> None:
    mirrors = Mirrors(mirrors_of(farm.entries()).entries, clients=PlainConda())
    port = MirroredChannels(mirrors, folder=tmp_path)
    what = "conda on this host is configured to ask for conda-forge over http, which anybody may change"
    with pytest.raises(HostError) as caught:
        port.solve(asked("openssl"), keep=(), mirrors=("upstream",), where="r", tell=lambda _: None)
    assert (caught.value.what, caught.value.seen) == (what, "http://conda.test/conda-forge")
    found = port.solve(asked("openssl"), keep=(), mirrors=("upstream", "farm-a"), where="r", tell=lambda _: None)
    assert found.packages == healthy.packages
    (note,) = found.notes
    assert note.startswith(f"upstream: left out, {what}")


def test_what_has_not_changed_is_not_sent_again(farm: Farm, tmp_path: Path, healthy: CondaSolved) -> None:
    solved(farm, tmp_path)
    before = {mirror.name: len(mirror.requests) for mirror in farm.mirrors}
    told: list[str] = []
    again = solved(farm, tmp_path, tell=told.append)
    assert again == healthy
    later = [request for mirror in farm.mirrors for request in mirror.requests[before[mirror.name] :]]
    assert len(later) == 6
    assert all("If-None-Match" in request.headers for request in later)
    with farm.faulty({0: "stale_repodata", 1: "refused", 2: "refused"}):  # it did change: another ETag
        assert solved(farm, tmp_path).packages != healthy.packages


def test_the_cache_holds_one_file_for_mirrors_that_agree_and_no_half_ones(farm: Farm, tmp_path: Path) -> None:
    with farm.faulty({1: "truncated"}):
        solved(farm, tmp_path)
    names = sorted(path.suffix for path in (tmp_path / "repodata").iterdir())
    assert names == [".json", ".json", ".kept", ".kept", ".kept", ".kept"]


def test_the_cache_is_pruned_of_what_nobody_has_any_more(farm: Farm, tmp_path: Path) -> None:
    folder = tmp_path / "repodata"
    folder.mkdir()
    old, young = folder / f"{'a' * 64}.json", folder / f"{'b' * 64}.json"
    for path, age in ((old, 7200), (young, 60)):
        path.write_text("{}")
        os.utime(path, (time.time() - age,) * 2)
    solved(farm, tmp_path)
    assert (old.exists(), young.exists()) == (False, True)


@pytest.fixture(scope="module")
def forged(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """One more mirror, as new as the others, whose openssl is another file under the same name."""
    folder = tmp_path_factory.mktemp("forged")
    packages = small_packages(large=1000)
    files = {"lib/forged": b"forged"}
    others = (replace(p, files=files) if p.name == "openssl" else p for p in packages)
    python = Package(name="python", version="3.9.23", build="0_cpython")
    channel = make_channel(folder / "channel", (python, *others))
    with Farm(folder, channel=channel, mirrors=1) as forged:
        yield forged


@pytest.mark.parametrize("place", ["first", "last"])
def test_one_file_name_with_two_hashes_stops_the_lock_and_names_both(
    farm: Farm, forged: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_text(farm.ca_pem.read_text() + forged.ca_pem.read_text())
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    entries = {**farm.entries(), "forger": forged.entries()["farm-a"]}
    names = ("forger", "farm-a", "farm-b") if place == "first" else ("farm-a", "farm-b", "forger")
    with pytest.raises(IntegrityError) as caught:
        solved(farm, tmp_path, names=names, entries=entries)
    error = caught.value
    own = farm.channels["conda-forge"].find("openssl")
    other = forged.channels["conda-forge"].find("openssl")
    assert error.what == f"two mirrors give two hashes for {own[0].partition('/')[2]}"
    assert error.where == "conda-forge/linux-64"
    assert error.seen == f"farm-a: sha256 {own[1]['sha256']}\nforger: sha256 {other[1]['sha256']}"
    # The twin: what is not asked for is nobody's business.
    assert solved(farm, tmp_path, "libgcc", names=names, entries=entries).packages


def test_what_cannot_be_solved_says_why(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        solved(farm, tmp_path, "openssl >=99")
    assert (caught.value.what, caught.value.where) == (
        "no set of conda packages meets the recipe",
        "recipes/a.yaml: conda.packages",
    )
    assert caught.value.seen is not None
    assert "openssl >=99" in caught.value.seen


def test_a_file_that_was_locked_with_another_hash_stops_the_lock(
    farm: Farm, tmp_path: Path, healthy: CondaSolved
) -> None:
    (own,) = (p for p in healthy.packages if p.name == "openssl")
    forged = own.model_copy(update={"artifact": own.artifact.model_copy(update={"sha256": "ab" * 32})})
    with pytest.raises(IntegrityError) as caught:
        solved(farm, tmp_path, keep=(forged,))
    assert caught.value.what == f"the mirrors give another hash for {own.artifact.path} than the lock has"
    assert caught.value.remedy is not None
    assert caught.value.remedy.endswith("`builder lock --upgrade openssl` takes it")
    assert solved(farm, tmp_path, keep=(own,)) == healthy


def test_a_channel_that_no_mirror_of_the_recipe_carries_is_a_fault_of_the_recipe(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        solved(farm, tmp_path, channels=("conda-forge", "pytorch"))
    assert caught.value.what == "no mirror of the recipe carries the channel pytorch"
    assert caught.value.where == "recipes/a.yaml: conda.mirrors"


def test_a_mirror_that_does_not_exist_is_a_fault_of_the_recipe(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        solved(farm, tmp_path, names=("farm-x",))
    assert caught.value.what == "no mirror is called 'farm-x'"


@pytest.mark.parametrize("fault", ["black_hole", "slow_drip"])
def test_who_interrupts_waits_for_no_mirror_and_finds_nothing_half_written(
    farm: Farm, tmp_path: Path, fault: str
) -> None:
    gatherer = Gatherer(mirrors=mirrors_of(farm.entries()), cache=RepodataCache(tmp_path))
    threading.Timer(0.3, gatherer.stop.set).start()
    began = time.monotonic()
    with farm.faulty({0: fault}), pytest.raises(Stopped):
        gatherer.gather("conda-forge/linux-64", ("farm-a",))
    assert time.monotonic() - began < 2
    assert not list(tmp_path.glob(".partial-*"))
