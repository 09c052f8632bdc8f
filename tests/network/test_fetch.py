"""Fetching from real servers that fail: each fault means the next mirror, and nothing but the hash decides."""

from __future__ import annotations

import io
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from fault_server import Mirror, artifact_of, black_hole, deaf, refusing
from fetching import bring, sources_of

from builder.adapters.http.client import Http
from builder.adapters.store.content import Store
from builder.cli.lines import Lines
from builder.errors import HostError, IntegrityError, NetworkError, RecipeError
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.sources import Sources
from builder.models.lock import Artifact
from builder.progress import Silent
from builder.stages.fetch import fetch

pytestmark = pytest.mark.network

NAME = "torch_like-1.0+cu128-cp39-cp39-manylinux_2_28_x86_64.whl"
CONTENT = os.urandom(300_001)
WHEEL = artifact_of(NAME, CONTENT)
FILES = {NAME: CONTENT}
Serve = Callable[..., Mirror]

HTTP_FAULTS = {
    "403": "HTTP 403",
    "404": "HTTP 404",
    "429": "HTTP 429",
    "500": "HTTP 500",
    "503": "HTTP 503",
    "no-page": "HTTP 404",
    "html": "answers with a page of HTML, not with the file",
    "short": f"offers 100 bytes instead of {len(CONTENT)}",
    "chunked-long": f"sends more than the file's {len(CONTENT)} bytes",
    "corrupt": "wrong bytes: sha256 ",
    "wrong": "wrong bytes: sha256 ",
    "truncated": f"ended after {len(CONTENT) // 2} of {len(CONTENT)} bytes",
    "reset": "ended after ",
}


@pytest.mark.parametrize("fault", HTTP_FAULTS)
@pytest.mark.parametrize("page", ["json", "html"])
def test_a_faulty_first_mirror_means_the_next(store: Store, serve: Serve, fault: str, page: str) -> None:
    bad, good = serve(FILES, fault=fault, page=page), serve(FILES, page=page)
    summary = bring(store, [WHEEL], {"bad": bad, "good": good})
    assert store.path(WHEEL).read_bytes() == CONTENT
    assert [(s.mirror, s.files) for s in summary.served if s.files] == [("good", 1)]
    assert summary.refused[0].mirror == "bad"
    assert summary.refused[0].file == NAME
    assert any(r.cause.startswith(HTTP_FAULTS[fault]) for r in summary.refused), summary.refused


def tls_of(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@contextmanager
def untrusted() -> Iterator[str]:
    """A server whose certificate authority nobody here knows."""
    with Mirror(FILES, tls=tls_of(trustme.CA())).running() as mirror:
        yield mirror.url


LATE = "had no answer yet when another mirror did"
DEAD = {
    "refused": (refusing, "no connection: Connection refused"),
    "black hole": (black_hole, LATE),
    "deaf": (deaf, LATE),
    "unknown CA": (untrusted, "its certificate is issued by an authority that is not trusted"),
}


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_first_mirror_costs_under_a_second_in_all(store: Store, serve: Serve, kind: str) -> None:
    start, cause = DEAD[kind]
    files = {f"part{n}-1.0-py3-none-any.whl": os.urandom(1000) for n in range(12)}
    wheels = [artifact_of(name, content) for name, content in files.items()]
    good = serve(files)
    with start() as dead:
        began = time.monotonic()
        summary = bring(store, wheels, {"dead": dead, "good": good}, stall=20.0)
        took = time.monotonic() - began
    assert took < 1.0
    assert [(s.mirror, s.files) for s in summary.served] == [("good", 12)]
    assert {r.cause for r in summary.refused} == {cause}


def test_a_handshake_that_never_ends_holds_up_no_other_mirror(
    store: Store, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    good = serve(FILES, tls=tls_of(authority))
    with black_hole() as dead:
        began = time.monotonic()
        bring(store, [WHEEL], {"dead": dead.replace("http:", "https:"), "good": good}, stall=20.0)
        took = time.monotonic() - began
    assert store.has(WHEEL)
    assert took < 1.0


def test_a_mirror_that_is_silent_only_for_files_costs_under_a_second(store: Store, serve: Serve) -> None:
    silent, good = serve(FILES, fault="silent"), serve(FILES)
    began = time.monotonic()
    bring(store, [WHEEL], {"silent": silent, "good": good}, stall=20.0)
    assert time.monotonic() - began < 1.0


def test_a_slow_answer_is_waited_for_when_there_is_no_other_mirror(store: Store, serve: Serve) -> None:
    slow = serve(FILES)
    slow.delay = 0.8
    bring(store, [WHEEL], {"slow": slow})
    assert store.has(WHEEL)
    assert len(slow.asked) == 2


def test_a_stalled_body_is_gone_on_with_at_the_next_mirror(store: Store, serve: Serve) -> None:
    stalling, good = serve(FILES, fault="stall"), serve(FILES)
    summary = bring(store, [WHEEL], {"stalling": stalling, "good": good}, stall=0.5)
    assert good.ranges() == [f"bytes={len(CONTENT) // 2}-"]
    assert [(r.mirror, r.cause) for r in summary.refused] == [("stalling", "no answer any more")]


def test_a_truncated_body_is_resumed_at_the_same_mirror_once(store: Store, serve: Serve) -> None:
    first, second = serve(FILES, fault="truncated-once"), serve(FILES)
    bring(store, [WHEEL], {"first": first, "second": second})
    assert first.ranges() == [None, f"bytes={len(CONTENT) // 2}-"]
    assert second.asked == []


def test_a_body_truncated_twice_is_gone_on_with_at_the_next_mirror(store: Store, serve: Serve) -> None:
    first, second = serve(FILES, fault="truncated"), serve(FILES)
    summary = bring(store, [WHEEL], {"first": first, "second": second})
    half, rest = len(CONTENT) // 2, len(CONTENT) - len(CONTENT) // 2
    assert first.ranges() == [None, f"bytes={half}-"]
    assert second.ranges() == [f"bytes={half + rest // 2}-"]
    assert {s.mirror: s.bytes for s in summary.served} == {"first": half + rest // 2, "second": rest - rest // 2}


def test_a_server_without_ranges_starts_over(store: Store, serve: Serve) -> None:
    first, second = serve(FILES, fault="truncated"), serve(FILES, fault="no-range")
    bring(store, [WHEEL], {"first": first, "second": second})
    assert store.path(WHEEL).read_bytes() == CONTENT


def test_bytes_of_two_mirrors_that_do_not_fit_are_fetched_again_whole(store: Store, serve: Serve) -> None:
    other = bytes(len(CONTENT))
    first, second = serve({NAME: other}, fault="truncated"), serve(FILES)
    bring(store, [WHEEL], {"first": first, "second": second})
    assert store.path(WHEEL).read_bytes() == CONTENT
    assert second.ranges()[-1] is None


def test_when_all_fail_each_mirror_is_named_with_its_cause(store: Store, serve: Serve) -> None:
    with refusing() as dead:
        roots = {"dead": dead, "forbidding": serve(FILES, fault="403"), "corrupt": serve(FILES, fault="wrong")}
        with pytest.raises(NetworkError) as caught:
            bring(store, [WHEEL], roots)
    assert caught.value.what == f"no mirror gave {NAME}"
    assert caught.value.where == f"pypi: {NAME}"
    wrong = artifact_of(NAME, bytes(len(CONTENT))).sha256
    assert [f.what for f in caught.value.faults] == [
        "dead: no connection: Connection refused",
        "forbidding: HTTP 403",
        f"corrupt: wrong bytes: sha256 {wrong}",
    ]
    assert not store.has(WHEEL)


def test_no_network_is_told_at_once(store: Store) -> None:
    with refusing() as dead:
        began = time.monotonic()
        with pytest.raises(NetworkError):
            bring(store, [WHEEL], {"dead": dead})
    assert time.monotonic() - began < 0.5


def test_wrong_bytes_from_every_mirror_name_what_was_expected_and_seen(store: Store, serve: Serve) -> None:
    one, two = serve(FILES, fault="wrong"), serve(FILES, fault="corrupt")
    with pytest.raises(IntegrityError) as caught:
        bring(store, [WHEEL], {"one": one, "two": two})
    zeros = artifact_of(NAME, bytes(len(CONTENT))).sha256
    flipped = artifact_of(NAME, bytes([CONTENT[0] ^ 1]) + CONTENT[1:]).sha256
    assert caught.value.what == f"every mirror gave wrong bytes for {NAME}"
    assert caught.value.seen == f"expected sha256 {WHEEL.sha256}; one gave {zeros}; two gave {flipped}"
    assert not store.has(WHEEL)
    assert store.partial_size(WHEEL) == 0


def test_retry_after_is_obeyed_when_there_is_no_other_mirror(store: Store, serve: Serve) -> None:
    busy = serve(FILES, fault="429-once")
    began = time.monotonic()
    bring(store, [WHEEL], {"busy": busy})
    assert 1.0 <= time.monotonic() - began < 2.0
    assert store.has(WHEEL)


def test_retry_after_is_not_waited_for_when_there_is_another_mirror(store: Store, serve: Serve) -> None:
    began = time.monotonic()
    bring(store, [WHEEL], {"busy": serve(FILES, fault="429"), "good": serve(FILES)})
    assert time.monotonic() - began < 0.5


def test_a_mirror_that_keeps_failing_is_asked_last(store: Store, serve: Serve) -> None:
    files = {f"part{n}-1.0-py3-none-any.whl": os.urandom(100) for n in range(10)}
    bad, good = serve(files, fault="403"), serve(files)
    bring(store, [artifact_of(n, c) for n, c in files.items()], {"bad": bad, "good": good}, jobs=1)
    assert len([path for path in bad.asked if "/simple/" not in path]) == 3


def test_an_index_page_is_asked_for_once_in_a_run(store: Store, serve: Serve) -> None:
    files = {f"one-{n}.0-py3-none-any.whl": os.urandom(100) for n in range(8)}
    good = serve(files)
    bring(store, [artifact_of(n, c) for n, c in files.items()], {"good": good})
    assert good.asked.count("/simple/one/") == 1


def test_a_deb_is_fetched_by_its_pool_path(store: Store, serve: Serve) -> None:
    path, content = "pool/main/g/g++/libstdc++6_10.2.1-6~deb11u1_amd64.deb", os.urandom(5000)
    mirror = serve({path: content})
    deb = artifact_of(path, content, source="debian")
    bring(store, [deb], {"one": mirror})
    assert store.path(deb).name == "libstdc++6_10.2.1-6~deb11u1_amd64.deb"
    assert mirror.asked == ["/pool/main/g/g%2B%2B/libstdc%2B%2B6_10.2.1-6~deb11u1_amd64.deb"]


def test_the_second_root_of_a_mirror_has_what_moved_to_the_archive(store: Store, serve: Serve) -> None:
    from builder.mirrors.catalogue import Mirror as Entry

    path, content = "pool/main/h/hello/hello_2.10_amd64.deb", os.urandom(500)
    current, archive = serve({}), serve({path: content})
    entry = Entry(debian=(current.url, archive.url))
    transport = Http()
    deb = artifact_of(path, content, source="debian")
    sources = Sources(Mirrors({"one": entry}, clients=None), transport=transport, apt=("one",))  # type: ignore[arg-type]
    summary = fetch([deb], store=store, sources=sources, transport=transport, progress=Silent())
    assert store.has(deb)
    assert summary.refused == ()


def test_what_is_there_needs_no_mirror(store: Store, serve: Serve) -> None:
    bring(store, [WHEEL], {"good": serve(FILES)})
    with refusing() as dead:
        summary = bring(store, [WHEEL], {"dead": dead})
    assert (summary.present, summary.served) == (1, ())


def test_a_source_that_no_mirror_carries_is_told(store: Store, serve: Serve) -> None:
    odd = WHEEL.model_copy(update={"source": "conda-forge/linux-64"})
    with pytest.raises(RecipeError) as caught:
        bring(store, [odd], {"good": serve(FILES)})
    assert caught.value.what == "no mirror of the recipe carries conda-forge/linux-64"


BUNDLE = artifact_of("ca.pem", b"bundle", source="derived")


def making(store: Store) -> Callable[[Artifact], None]:
    """What makes BUNDLE in the store."""

    def derive(artifact: Artifact) -> None:
        file = store.root / "made"
        file.write_bytes(b"bundle")
        store.add("derived", artifact.path, file)

    return derive


def test_derived_files_are_made_and_not_asked_for(store: Store, serve: Serve) -> None:
    good, transport = serve(FILES), Http()
    ports = {"store": store, "sources": sources_of({"good": good}, transport), "transport": transport}
    summary = fetch([WHEEL, BUNDLE], **ports, progress=Silent(), derive=making(store))
    assert (summary.derived, summary.served[0].files) == (1, 1)
    assert store.path(BUNDLE).read_bytes() == b"bundle"
    assert summary.lines()[1:] == ("made here: 1",)


def test_making_is_seen_where_nothing_is_downloaded(store: Store) -> None:
    log, transport = io.StringIO(), Http()
    ports = {"store": store, "sources": sources_of({}, transport), "transport": transport}
    fetch([BUNDLE], **ports, progress=Lines(log), derive=making(store))
    assert re.fullmatch(r"make ca\.pem: started\nmake ca\.pem: done, \d\.\d s\n", log.getvalue())


def test_a_derived_file_that_comes_out_different_is_an_integrity_error(store: Store) -> None:
    bundle = artifact_of("ca.pem", b"bundle", source="derived")
    transport = Http()
    ports = {"store": store, "sources": sources_of({}, transport), "transport": transport, "progress": Silent()}
    with pytest.raises(IntegrityError, match="came out different"):
        fetch([bundle], **ports, derive=lambda _: None)
    with pytest.raises(HostError, match="nobody makes it here"):
        fetch([bundle], **ports)


def test_no_socket_is_left_open_by_a_fetch_that_hedged(store: Store, serve: Serve) -> None:
    with black_hole() as dead:
        bring(store, [WHEEL], {"dead": dead, "good": serve(FILES)}, stall=0.6)
        time.sleep(0.8)  # the overtaken attempt ends by itself
        here = [s for s in _sockets() if s.endswith(f":{dead.rsplit(':', 1)[1]}")]
    assert here == []


def _sockets() -> list[str]:
    """Remote ends of this process's established connections."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    mine = {str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
    return [
        f"{socket.inet_ntoa(bytes.fromhex(row[2][:8])[::-1])}:{int(row[2][9:], 16)}"
        for row in rows
        if row[3] == "01" and f"socket:[{row[9]}]" in mine
    ]
