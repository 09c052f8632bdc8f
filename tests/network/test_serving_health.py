"""`healthcheck` of a served model, against a server that stands in for MLServer, which is in images alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from builder.serving import health

pytestmark = pytest.mark.network

STORED = {
    "path": "/v2/models/groups/infer",
    "request": {"inputs": [{"name": "measured", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1.5]}]},
    "outputs": {"group": [3.0, -4.0]},
    "min_sqnr_db": 30,
}


class StandIn(ThreadingHTTPServer):
    """Answers whatever a test has put here."""

    daemon_threads = True
    status = 200
    answer: bytes = b""
    seen: tuple[str, Any] = ("", None)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, StandIn)
        server.seen = (self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.answer)))
        self.end_headers()
        self.wfile.write(server.answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def answering(*numbers: float) -> bytes:
    return json.dumps({"outputs": [{"name": "group", "shape": [1, 2], "data": numbers}]}).encode()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "health.json").write_text(json.dumps(STORED))
    with StandIn(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setenv("MODEL_FOLDER", str(tmp_path))
        monkeypatch.setenv("MLSERVER_HTTP_PORT", str(made.port))
        monkeypatch.setenv("MLSERVER_HOST", "0.0.0.0")
        yield made
        made.shutdown()


def said(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    return health.main([]), capsys.readouterr().out


def test_the_stored_answer_is_healthy(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = answering(3.0, -4.001)
    assert said(capsys) == (0, f"healthy: port {server.port} gives the stored answer\n")
    assert server.seen == (STORED["path"], STORED["request"])


UNHEALTHY = {
    "another answer": (
        200,
        answering(3.0, -3.5),
        "unhealthy: group is not as stored: 20.0 dB, at least 30 are needed\n",
    ),
    "too short": (200, answering(3.0), "unhealthy: group is not as stored: -200.0 dB, at least 30 are needed\n"),
    "not a number": (200, answering(3.0, float("nan")), "unhealthy: group is not as stored: -200.0 dB"),
    "refused": (404, b'{"error": "no such model"}', 'unhealthy: the server answers 404: {"error": "no such model"}\n'),
    "no JSON": (200, b"<html>", "unhealthy: Expecting value: "),
    "another output": (200, b'{"outputs": []}', "unhealthy: 'group'\n"),
}


@pytest.mark.parametrize("case", UNHEALTHY)
def test_anything_else_is_not(case: str, server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    server.status, server.answer, message = UNHEALTHY[case]
    code, text = said(capsys)
    assert (code, text[: len(message)]) == (1, message)


def test_a_server_that_hangs_is_unhealthy(
    server: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.2)
    going = threading.Event()
    monkeypatch.setattr(Handler, "do_POST", lambda _: going.wait(5))
    assert said(capsys) == (1, "unhealthy: timed out\n")
    going.set()


def test_no_server_is_unhealthy(server: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    server.shutdown()
    server.server_close()
    code, text = said(capsys)
    assert (code, "refused" in text) == (1, True)
