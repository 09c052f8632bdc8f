"""Slow mirrors: overtaken where another is far faster, tolerated where none is, and nothing fetched twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from farm import FAULTS, Farm
from farming import bring, farm_of, unverified
from fault_server import Mirror, artifact_of
from fetching import bring as bring_wheels

from builder.adapters.store.content import Store
from builder.models.lock import Artifact

pytestmark = pytest.mark.network

Grown = tuple[Farm, list[Artifact]]
MB = 1_000_000


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    with farm_of(tmp_path_factory.mktemp("farm"), [4 * MB, *[MB] * 8, 400_000], mirrors=2) as grown:
        yield grown


@pytest.fixture(autouse=True)
def _trust(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(grown[0].ca_pem))


@pytest.fixture(autouse=True)
def farm(grown: Grown) -> Iterator[Farm]:
    """Without what another test set."""
    for mirror in grown[0].mirrors:
        mirror.requests.clear()
    yield grown[0]
    for mirror in grown[0].mirrors:
        mirror.rate = None


def offsets(farm: Farm, number: int) -> list[int]:
    """Where the ranges that a mirror was asked for begin."""
    asked = (request.headers.get("Range") for request in farm.mirrors[number].requests)
    return [int(a.removeprefix("bytes=").rstrip("-")) for a in asked if a]


@pytest.mark.parametrize("slow", [0, 1], ids=["first", "second"])
def test_a_file_at_a_far_slower_mirror_is_gone_on_with_at_the_faster_one(
    farm: Farm, grown: Grown, store: Store, slow: int
) -> None:
    farm.mirrors[slow].rate, farm.mirrors[1 - slow].rate = 0.5 * MB, 5 * MB
    summary = bring(store, grown[1], farm, stall=20.0)
    names = [m.name for m in farm.mirrors]
    causes = {(r.mirror, r.cause) for r in summary.refused}
    assert causes == {(names[slow], f"is far slower than {names[1 - slow]}")}
    assert min(offsets(farm, 1 - slow)) > 100_000
    assert sum(s.bytes for s in summary.served) == sum(a.size for a in grown[1])
    assert unverified(store) == []


def test_a_trickle_is_gone_on_with_at_a_mirror_of_which_nothing_is_known(
    farm: Farm, grown: Grown, store: Store
) -> None:
    farm.mirrors[0].rate = 60_000
    summary = bring(store, grown[1][-2:-1], farm, jobs=1, stall=20.0)
    assert [(r.mirror, r.cause) for r in summary.refused] == [("farm-a", "sends less than 100 kB/s")]
    assert min(offsets(farm, 1)) > 100_000
    assert sum(s.bytes for s in summary.served) == MB


def test_where_all_are_equally_slow_nothing_is_left_or_fetched_twice(farm: Farm, grown: Grown, store: Store) -> None:
    for mirror in farm.mirrors:
        mirror.rate = 1.5 * MB
    summary = bring(store, grown[1], farm, stall=20.0)
    assert summary.refused == ()
    assert sum(s.bytes for s in summary.served) == sum(a.size for a in grown[1])
    assert len(farm.mirrors[0].requests) + len(farm.mirrors[1].requests) == len(grown[1])


def test_where_the_way_to_all_of_them_is_slow_nothing_is_left_or_fetched_twice(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with farm_of(tmp_path, [4 * MB, 2 * MB, *[100_000] * 40], mirrors=3) as (farm, artifacts):
        monkeypatch.setenv("SSL_CERT_FILE", str(farm.ca_pem))
        for mirror in farm.mirrors:
            mirror.rate = 3 * MB
            mirror.pause = farm.mirrors[0].pause  # type: ignore[method-assign]  # one link for all of them
        summary = bring(store, artifacts, farm, jobs=8, stall=20.0)
    assert summary.refused == ()
    assert sum(s.bytes for s in summary.served) == sum(a.size for a in artifacts)


def test_the_only_mirror_that_works_is_not_left_for_being_slow(farm: Farm, grown: Grown, store: Store) -> None:
    farm.mirrors[0].rate = 70_000
    with farm.faulty({1: {"*part9*": "http_404"}}):
        summary = bring(store, grown[1][-1:], farm, jobs=1, stall=20.0)
    assert store.has(grown[1][-1])
    assert sum(s.bytes for s in summary.served) == 400_000


def test_a_file_whose_next_mirror_knows_no_ranges_starts_over_and_is_whole(
    store: Store, serve: Callable[..., Mirror], tmp_path: Path
) -> None:
    name, content = "big-1.0-py3-none-any.whl", os.urandom(2 * MB)
    slow, other = serve({name: content}), serve({name: content}, fault="no-range")
    slow.pace = 1.0  # 64 kB a second
    wheel = artifact_of(name, content)
    summary = bring_wheels(store, [wheel], {"slow": slow, "other": other}, stall=20.0)
    assert store.path(wheel).read_bytes() == content
    assert {s.mirror: s.bytes for s in summary.served}["other"] == 2 * MB


@pytest.mark.parametrize("slow", [0, 1], ids=["first", "second"])
def test_of_200_files_a_mirror_of_a_tenth_of_the_speed_costs_next_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: int
) -> None:
    with farm_of(tmp_path, [200_000] * 200, mirrors=2) as (farm, artifacts):
        monkeypatch.setenv("SSL_CERT_FILE", str(farm.ca_pem))
        farm.mirrors[slow].rate, farm.mirrors[1 - slow].rate = MB, 10 * MB

        def seconds(names: list[str]) -> float:
            began = time.monotonic()
            bring(Store(tmp_path / "-".join(names)), artifacts, farm, names=names, stall=20.0)
            return time.monotonic() - began

        names = [m.name for m in farm.mirrors]
        alone, both = seconds([names[1 - slow]]), seconds(names)
    print(f"\nthe fast one alone {alone:.2f} s, both {both:.2f} s: {alone / both:.2f} of its rate")  # noqa: T201
    assert alone / both >= 0.85


@pytest.mark.parametrize("fault", ["http_503", "black_hole", "refused", "a trickle", "a tenth"])
def test_a_mirror_that_fails_in_the_middle_of_a_run_costs_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    with farm_of(tmp_path, [250_000] * 80, mirrors=2) as (farm, artifacts):
        monkeypatch.setenv("SSL_CERT_FILE", str(farm.ca_pem))
        first, second = farm.mirrors
        first.rate = second.rate = 10 * MB

        def break_down() -> None:
            if fault in FAULTS:
                first.fault = fault
            else:
                first.rate = MB if fault == "a tenth" else 100.0

        threading.Timer(0.7, break_down).start()
        began, store = time.monotonic(), Store(tmp_path / "store")
        summary = bring(store, artifacts, farm, stall=20.0)
        took = time.monotonic() - began
    print(f"\n{fault}: {took:.2f} s, of which 2.00 s at its rate")  # noqa: T201
    assert all(store.has(a) for a in artifacts)
    assert summary.refused
    assert took < 3.5
