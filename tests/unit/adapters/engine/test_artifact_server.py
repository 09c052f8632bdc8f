"""The loopback server, asked over real sockets: what is listed, and nothing else."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.adapters.engine.artifact_server import ArtifactServer, Served

DATA = bytes(range(256)) * 4096
SHA = hashlib.sha256(DATA).hexdigest()
PATH = f"sha256/{SHA[:2]}/{SHA}/a-wheel+cu128.whl"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    file = tmp_path / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(DATA)
    (file.parent / "not-listed").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    with ArtifactServer({PATH: Served(file, SHA)}) as running:
        yield running


def ask(
    server: ArtifactServer, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
    try:
        connection.putrequest(method, path, skip_host=False)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


URL = "/" + PATH


def test_a_listed_file_comes_whole_with_its_hash_as_etag(server: ArtifactServer) -> None:
    answer, body = ask(server, URL)
    assert (answer.status, body) == (200, DATA)
    assert answer.headers["ETag"] == f'"{SHA}"'
    assert server.asked == 1


def test_the_percent_encoded_form_is_the_same_file(server: ArtifactServer) -> None:
    assert ask(server, URL.replace("+", "%2B"))[1] == DATA


def test_head_gives_the_length_and_no_bytes(server: ArtifactServer) -> None:
    answer, body = ask(server, URL, "HEAD")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, str(len(DATA)), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/secret",
        "/../secret",
        "/..%2fsecret",
        "//etc/passwd",
        f"/{Path(PATH).parent}/not-listed",
        f"/{Path(PATH).parent}",
        f"/{Path(PATH).parent}/",
        f"{URL}/",
        f"{URL}?x",
        f"/sha256/..{URL}",
        f"/x/../{PATH}",
        URL.upper(),
        "http://127.0.0.1" + URL,
    ],
)
def test_anything_else_is_not_found(server: ArtifactServer, path: str) -> None:
    answer, body = ask(server, path)
    assert (answer.status, body) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_and_head_are_answered(server: ArtifactServer, method: str) -> None:
    assert ask(server, URL, method)[0].status == 501


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", range(10)),
        ("bytes=100-", range(100, len(DATA))),
        ("bytes=-5", range(len(DATA) - 5, len(DATA))),
        (f"bytes=10-{len(DATA) * 2}", range(10, len(DATA))),
    ],
)
def test_a_range_comes_alone(server: ArtifactServer, asked: str, expected: range) -> None:
    answer, body = ask(server, URL, Range=asked)
    assert (answer.status, body) == (206, DATA[expected.start : expected.stop])
    assert answer.headers["Content-Range"] == f"bytes {expected.start}-{expected.stop - 1}/{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=-", "lines=1-2", "bytes=a-b"])
def test_a_range_of_another_form_means_the_whole(server: ArtifactServer, asked: str) -> None:
    answer, body = ask(server, URL, Range=asked)
    assert (answer.status, body) == (200, DATA)


def test_a_range_past_the_end_is_refused(server: ArtifactServer) -> None:
    answer, _ = ask(server, URL, Range=f"bytes={len(DATA)}-")
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")


def test_a_range_of_another_content_means_the_whole(server: ArtifactServer) -> None:
    assert ask(server, URL, Range="bytes=0-9", If_Range='"other"')[0].status == 200
    assert ask(server, URL, Range="bytes=0-9", If_Range=f'"{SHA}"')[0].status == 206


def test_what_the_asker_has_is_not_sent_again(server: ArtifactServer) -> None:
    answer, body = ask(server, URL, If_None_Match=f'"{SHA}"')
    assert (answer.status, body) == (304, b"")


def test_several_requests_go_over_one_connection(server: ArtifactServer) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
    for _ in range(3):
        connection.request("GET", URL)
        assert connection.getresponse().read() == DATA
    connection.close()


def test_a_file_that_shrinks_breaks_off_and_never_pretends(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as large:
        large.truncate(64 << 20)
    with ArtifactServer({"large": Served(file, SHA)}, sent=lambda _path, _sent: file.write_bytes(b"")) as running:  # type: ignore[arg-type, return-value]
        connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=5)
        connection.request("GET", "/large")
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with ArtifactServer({"gone": Served(tmp_path / "gone", SHA)}) as running:
        assert ask(running, "/gone")[0].status == 404


def test_it_says_how_many_bytes_of_which_file_went_out(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as large:
        large.truncate(20 << 20)
    told: list[tuple[str, int]] = []
    with ArtifactServer({"large": Served(file, SHA)}, sent=lambda path, sent: told.append((path, sent))) as running:
        ask(running, "/large")
    assert told == [("large", 8 << 20), ("large", 16 << 20), ("large", 20 << 20)]


def test_it_listens_on_loopback_only(server: ArtifactServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    port = int(server.url.rpartition(":")[2])
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect((_own_address(), port))


def _own_address() -> str:
    """An address of this machine that is not 127.0.0.1; the second loopback address, where there is no network."""
    return "127.0.0.2"


def test_it_ends_at_once_and_cuts_what_is_open(server: ArtifactServer, tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as large:
        large.truncate(64 << 20)
    threads = threading.active_count()
    with ArtifactServer({"large": Served(file, SHA)}) as running:
        stuck = socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])))
        stuck.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        started = time.monotonic()
    assert time.monotonic() - started < 0.5
    stuck.close()
    end = time.monotonic() + 2
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == threads
