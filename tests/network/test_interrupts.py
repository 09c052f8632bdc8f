"""Downloads that are killed, interrupted, doubled or out of room: nothing half-written, nothing fetched twice."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_server import Mirror, artifact_of
from fetching import bring, sources_of

from builder.adapters.http.client import Http
from builder.adapters.store.content import Store
from builder.errors import DiskError
from builder.models.lock import Artifact
from builder.progress import Silent
from builder.stages.fetch import fetch

pytestmark = pytest.mark.network

NAME = "big-1.0-py3-none-any.whl"
CONTENT = os.urandom(3_000_000)
WHEEL = artifact_of(NAME, CONTENT)
Serve = Callable[..., Mirror]

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from fetching import bring
from builder.adapters.store.content import Store
from builder.models.lock import Artifact
from pathlib import Path
from builder.cli.errors import handle_signals
handle_signals()
artifact = Artifact.model_validate_json(sys.argv[4])
print(bring(Store(Path(sys.argv[2])), [artifact], {"one": sys.argv[3]}, stall=30.0).model_dump_json(), flush=True)
"""


def child(store: Store, url: str, artifact: Artifact = WHEEL) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(store.root), url, artifact.model_dump_json()]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


@pytest.fixture
def gated(serve: Serve) -> Iterator[Mirror]:
    """A mirror that stops after each 64 kB for as long as its gate is shut."""
    mirror = serve({NAME: CONTENT})
    mirror.gate = threading.Event()
    yield mirror
    mirror.gate.set()


def test_a_download_goes_on_after_kill_9(store: Store, gated: Mirror) -> None:
    process = child(store, gated.url)
    until(lambda: store.partial_size(WHEEL) > 0)
    process.kill()
    process.communicate()
    had = store.partial_size(WHEEL)
    assert not store.has(WHEEL)
    gated.gate.set()
    summary = bring(store, [WHEEL], {"one": gated})
    assert gated.ranges()[-1] == f"bytes={had}-"
    assert (summary.resumed, summary.served[0].bytes) == (had, len(CONTENT) - had)
    assert store.path(WHEEL).read_bytes() == CONTENT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_download_ends_soon_and_can_be_resumed(store: Store, gated: Mirror, number: int) -> None:
    process = child(store, gated.url)
    until(lambda: store.partial_size(WHEEL) > 0)
    began = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=10)
    assert time.monotonic() - began < 2.0
    assert process.returncode != 0
    assert store.partial_size(WHEEL) > 0


def test_two_processes_at_once_fetch_a_file_once(store: Store, gated: Mirror) -> None:
    processes = [child(store, gated.url) for _ in range(2)]
    until(lambda: store.partial_size(WHEEL) > 0)
    time.sleep(0.5)  # the second one is at its door by then
    gated.gate.set()
    outputs = [p.communicate(timeout=30) for p in processes]
    assert [p.returncode for p in processes] == [0, 0], outputs
    assert len(gated.ranges()) == 1
    assert store.path(WHEEL).read_bytes() == CONTENT
    assert sorted(p.name for p in (store.root / "partial").iterdir()) == []


def test_eight_processes_that_are_killed_one_after_the_other_leave_a_sound_store(store: Store, serve: Serve) -> None:
    mirror = serve({NAME: CONTENT})
    mirror.pace = 0.02
    grown = [0]
    for turn in range(8):
        process = child(store, mirror.url)
        until(lambda: store.partial_size(WHEEL) > grown[-1])
        time.sleep(0.01 * turn)
        process.kill()
        process.communicate()
        grown.append(store.partial_size(WHEEL))
    assert grown == sorted(set(grown)), "each went on where the one before was killed"
    bring(store, [WHEEL], {"one": mirror})
    assert store.verify().damaged == ()
    assert store.path(WHEEL).read_bytes() == CONTENT


def test_too_little_room_is_told_before_the_first_byte(store: Store, serve: Serve) -> None:
    mirror = serve({NAME: CONTENT})
    huge = WHEEL.model_copy(update={"size": 10**17})
    with pytest.raises(DiskError) as caught:
        bring(store, [huge], {"one": mirror})
    assert caught.value.what == "there is too little room for what is to be fetched"
    assert caught.value.seen is not None
    assert caught.value.seen.startswith("100000000000.0 MB needed, ")
    assert mirror.asked == []


def test_a_write_that_fails_loses_nothing(store: Store, serve: Serve) -> None:
    mirror = serve({NAME: CONTENT})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(DiskError) as caught:
            bring(store, [WHEEL], {"one": mirror})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.seen is not None
    assert caught.value.seen.startswith("File too large; 2.0 MB needed, ")
    assert store.partial_size(WHEEL) == 1_000_000
    assert bring(store, [WHEEL], {"one": mirror}).resumed == 1_000_000


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_disk_that_fills_up_is_a_disk_error_and_loses_nothing(tmp_path: Path, serve: Serve) -> None:
    mirror, small = serve({NAME: CONTENT}), tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("this container may not mount")
    try:
        store = Roomy(small / "store")
        transport = Http()
        ports = {"sources": sources_of({"one": mirror}, transport), "transport": transport, "progress": Silent()}
        with pytest.raises(DiskError) as caught:
            fetch([WHEEL], store=store, **ports)
        assert caught.value.seen is not None
        assert caught.value.seen.startswith("No space left on device; ")
        assert store.partial_size(WHEEL) > 1_000_000
    finally:
        subprocess.run(["umount", str(small)], check=True)


class Roomy(Store):
    """A store that was promised room which somebody else then took."""

    def require_room(self, needed: int) -> None:
        pass
