"""Every fault at every place among three mirrors over HTTPS: the file comes, and nothing unverified is stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from farm import FAULTS, Farm
from farming import bring, farm_of, unverified

from builder.adapters.store.content import Store
from builder.errors import IntegrityError, NetworkError
from builder.models.lock import Artifact

pytestmark = pytest.mark.network

OF_FILES = [fault for fault in FAULTS if fault not in ("stale_repodata", "no_linux_64")]
"""The two others are of the index: of locking, and not of fetching."""
CERTIFICATE = {"expired", "wrong_host", "unknown_ca"}
YESTERDAY = f"{datetime.now(timezone.utc) - timedelta(days=1):%Y-%m-%d}"

Grown = tuple[Farm, list[Artifact]]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    with farm_of(tmp_path_factory.mktemp("farm"), [300_000, 200_000, 100_000, 50_000, 3_000, 100]) as grown:
        yield grown


@pytest.fixture(autouse=True)
def _trust(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(grown[0].ca_pem))


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("fault", OF_FILES)
def test_a_fault_at_one_of_three_mirrors(grown: Grown, store: Store, fault: str, place: int) -> None:
    farm, artifacts = grown
    with farm.faulty({place: fault}):
        bring(store, artifacts, farm)
    assert all(store.has(a) for a in artifacts)
    assert unverified(store) == []


@pytest.mark.parametrize("good", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("fault", OF_FILES)
def test_a_fault_at_all_mirrors_but_one(grown: Grown, store: Store, fault: str, good: int) -> None:
    farm, artifacts = grown
    with farm.faulty({place: fault for place in range(3) if place != good}):
        summary = bring(store, artifacts, farm)
    assert {r.mirror for r in summary.refused} == {m.name for n, m in enumerate(farm.mirrors) if n != good}
    assert all(store.has(a) for a in artifacts)
    assert unverified(store) == []


CAUSES = {
    "refused": "no connection: Connection refused",
    "black_hole": "no answer within 2 s",
    "http_403": "HTTP 403",
    "http_404": "HTTP 404",
    "http_429": "HTTP 429, asks to wait 1 s",
    "http_500": "HTTP 500",
    "http_503": "HTTP 503",
    "html_200": "answers with a page of HTML, not with the file",
    "truncated": "ended after ",
    "expired": f"its certificate expired on {YESTERDAY}",
    "wrong_host": "its certificate is for another address",
    "unknown_ca": "its certificate is issued by an authority that is not trusted",
    "handshake_cut": "closed the connection during the TLS handshake",
    "redirect_loop": "redirects in a loop",
    "redirect_to_http": "redirects from https to plain http",
}


@pytest.mark.parametrize("fault", CAUSES)
def test_with_none_left_one_message_lists_each_mirror_with_its_cause(grown: Grown, store: Store, fault: str) -> None:
    farm, artifacts = grown
    with farm.faulty(dict.fromkeys(range(3), fault)), pytest.raises(NetworkError) as caught:
        bring(store, artifacts[:1], farm)
    assert caught.value.exit_code == 5
    assert caught.value.what == "no mirror gave part0-1.0-0.conda"
    said = {f.what.partition(": ")[0]: f.what.partition(": ")[2] for f in caught.value.faults}
    assert sorted(said) == ["farm-a", "farm-b", "farm-c"]
    assert all(cause.startswith(CAUSES[fault]) for cause in said.values()), said
    assert unverified(store) == []


def test_with_none_left_each_mirror_has_a_cause_of_its_own(grown: Grown, store: Store) -> None:
    farm, artifacts = grown
    with farm.faulty({0: "expired", 1: "http_403", 2: "html_200"}), pytest.raises(NetworkError) as caught:
        bring(store, artifacts[:1], farm)
    assert [(f.what, f.where) for f in caught.value.faults] == [
        (f"farm-a: {CAUSES['expired']}", "127.0.0.1"),
        ("farm-b: HTTP 403", "127.0.0.1"),
        ("farm-c: answers with a page of HTML, not with the file", "127.0.0.1"),
    ]


@pytest.mark.parametrize("fault", ["corrupt", "wrong_package"])
def test_wrong_bytes_everywhere_are_an_integrity_error(grown: Grown, store: Store, fault: str) -> None:
    farm, artifacts = grown
    with farm.faulty(dict.fromkeys(range(3), fault)), pytest.raises(IntegrityError) as caught:
        bring(store, artifacts[:1], farm)
    assert caught.value.exit_code == 6
    assert not store.has(artifacts[0])
    assert unverified(store) == []


def test_plain_http_and_untrusted_servers_see_no_request(grown: Grown, store: Store) -> None:
    farm, artifacts = grown
    asked = len(farm.plain.requests), len(farm.mirrors[1].requests)
    with farm.faulty({0: "redirect_to_http", 1: "unknown_ca"}):
        bring(store, artifacts, farm)
    assert (len(farm.plain.requests), len(farm.mirrors[1].requests)) == asked


def test_a_trickle_is_progress_where_no_other_mirror_is_left(grown: Grown, store: Store) -> None:
    farm, artifacts = grown
    farm.mirrors[0].drip = 40
    with farm.faulty({0: "slow_drip", 1: "http_404", 2: "refused"}):
        bring(store, artifacts[-1:], farm)
    farm.mirrors[0].drip = 64
    assert store.has(artifacts[-1])


@pytest.mark.parametrize("dead", ["refused", "black_hole", "handshake_cut"])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
def test_a_dead_mirror_costs_under_a_second_once(
    grown: Grown, store: Store, tmp_path: Path, dead: str, place: int
) -> None:
    farm, artifacts = grown
    began = time.monotonic()
    bring(Store(tmp_path / "other"), artifacts, farm, stall=20.0)
    alone = time.monotonic() - began
    with farm.faulty({place: dead}):
        began = time.monotonic()
        bring(store, artifacts, farm, stall=20.0)
        took = time.monotonic() - began
    print(f"\n{dead} at {place}: {took:.2f} s, without it {alone:.2f} s")  # noqa: T201
    assert took - alone < 1.0


def test_a_mirror_of_conda_is_asked_as_conda_asks(grown: Grown, store: Store) -> None:
    farm, artifacts = grown
    bring(store, artifacts[:1], farm)
    agent = next(h for m in farm.mirrors for r in m.requests for n, h in r.headers.items() if n.lower() == "user-agent")
    assert agent.startswith("conda/")
    assert "builder/" in agent
