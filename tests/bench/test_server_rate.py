"""How fast the loopback server gives a large file, beside `python -m http.server`, both on loopback."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder.adapters.engine.artifact_server import ArtifactServer, Served
from builder.adapters.engine.processes import child

pytestmark = pytest.mark.bench

SIZE = 512 << 20
ROUNDS = 5


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "large"
    path.write_bytes(bytes(SIZE))
    return path


def rate(url: str) -> float:
    """The best of some rounds, bytes a second; read with little effort, where curl would be the slower side."""
    return max(SIZE / _seconds(url) for _ in range(ROUNDS))


def _seconds(url: str) -> float:
    address, buffer, got = urlsplit(url), bytearray(4 << 20), 0
    with socket.create_connection((address.hostname, address.port)) as connection:
        started = time.perf_counter()
        connection.sendall(f"GET {address.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        while size := connection.recv_into(buffer):
            got += size
        seconds = time.perf_counter() - started
    assert got > SIZE
    return seconds


@contextmanager
def plain_server(folder: Path) -> Iterator[str]:
    argv = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with child(argv) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split()[5].decode()
        yield f"http://127.0.0.1:{port}"


def test_throughput_beside_the_standard_librarys_server(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ArtifactServer({"large": Served(file, "0" * 64)}) as server:  # type: ignore[arg-type]
        ours = rate(f"{server.url}/large")
    with plain_server(file.parent) as url:
        plain = rate(f"{url}/large")
    with capsys.disabled():
        rates = f"artifact server {ours / 1e9:.2f} GB/s, http.server {plain / 1e9:.2f} GB/s"
        print(f"\n{rates}, ratio {ours / plain:.2f}")  # noqa: T201 - its purpose
    assert ours > plain


def test_starting_and_ending_costs_next_to_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.perf_counter()
    for _ in range(20):
        with ArtifactServer({"large": Served(file, "0" * 64)}):  # type: ignore[arg-type]
            pass
    each = (time.perf_counter() - started) / 20
    with capsys.disabled():
        print(f"\nartifact server: {each * 1e3:.1f} ms to start and end")  # noqa: T201 - its purpose
    assert each < 0.05
