"""Fetching beside curl: the same files from the same loopback server, one transfer a core, in one run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.adapters.http.client import Http
from builder.adapters.store.content import Store
from builder.models.lock import Artifact
from builder.progress import Silent
from builder.stages.fetch import fetch

pytestmark = pytest.mark.bench

SIZE = 512 << 20
ROUNDS = 6
# A process of its own, which sends from the page cache by sendfile: it takes no time of ours.
SERVER = """
import http.server, os, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def copyfile(self, source, out):
        out.flush()
        self.connection.sendfile(source)
    def log_message(self, *a): pass
os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
server.serve_forever()
"""


class OneServer:
    """A mirror that is that server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def names(self, artifact: Artifact) -> tuple[str, ...]:
        return ("loopback",)

    def agent(self, name: str, artifact: Artifact) -> None: ...

    def urls(self, name: str, artifact: Artifact) -> tuple[str, ...]:
        return (f"{self.url}/{artifact.filename}",)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port)])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def made(folder: Path, count: int) -> list[Artifact]:
    folder.mkdir()
    block = os.urandom(1 << 20)
    artifacts = []
    for n in range(count):
        digest, path = hashlib.sha256(), folder / f"file{n}"
        with path.open("wb") as file:
            for k in range(SIZE >> 20):
                chunk = block[:-8] + n.to_bytes(4, "big") + k.to_bytes(4, "big")
                file.write(chunk)
                digest.update(chunk)
        artifacts.append(Artifact(source="pypi", path=path.name, sha256=digest.hexdigest(), size=SIZE))
    return artifacts


def by_curl(url: str, artifacts: list[Artifact], folder: Path) -> None:
    runs = [subprocess.Popen(["curl", "-sSfo", str(folder / a.path), f"{url}/{a.path}"]) for a in artifacts]
    assert [run.wait() for run in runs] == [0] * len(runs)


def by_us(url: str, artifacts: list[Artifact], folder: Path) -> None:
    store, transport = Store(folder), Http()
    ports = {"sources": OneServer(url), "transport": transport, "progress": Silent()}
    fetch(artifacts, store=store, **ports, jobs=len(artifacts))
    assert all(store.has(a) for a in artifacts)


def measured(work: Callable[[], None], folder: Path, amount: int) -> tuple[float, float]:
    """MB a second and seconds of CPU a GB, of a transfer into a folder that is new each time."""
    folder.mkdir()
    began, used = time.perf_counter(), _cpu()
    work()
    took, spent = time.perf_counter() - began, _cpu() - used
    shutil.rmtree(folder)
    return amount / took / 1e6, spent / amount * 1e9


def _cpu() -> float:
    """Seconds of this process and of the children that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.mark.parametrize("count", [1, os.cpu_count() or 1], ids=["one file", "one file a core"])
def test_fetch_reaches_nine_tenths_of_curl(tmp_path: Path, count: int) -> None:
    artifacts, into = made(tmp_path / "www", count), tmp_path / "into"
    pairs = []
    with server(tmp_path / "www") as url:
        for _ in range(ROUNDS):
            curl = measured(lambda: by_curl(url, artifacts, into), into, count * SIZE)
            ours = measured(lambda: by_us(url, artifacts, into), into, count * SIZE)
            pairs.append((*curl, *ours))
    curl_rates, curl_cpu, our_rates, our_cpu = zip(*pairs, strict=True)
    found = {
        "files": count,
        "curl_MB_s": round(max(curl_rates)),  # the best: others may use this machine too
        "ours_MB_s": round(max(our_rates)),
        "ratio": round(max(our_rates) / max(curl_rates), 3),
        "curl_cpu_s_per_GB": round(min(curl_cpu), 2),
        "ours_cpu_s_per_GB": round(min(our_cpu), 2),
    }
    print("\n" + json.dumps(found))  # noqa: T201
    assert max(our_rates) >= 0.9 * max(curl_rates)
