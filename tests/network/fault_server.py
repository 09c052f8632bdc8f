"""A package mirror on loopback that can fail in every way that mirrors do."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from builder.mirrors.index import project_of
from builder.models.lock import Artifact


def artifact_of(filename: str, content: bytes, *, source: str = "pypi") -> Artifact:
    return Artifact(source=source, path=filename, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


class Mirror(ThreadingHTTPServer):
    """Serves `files` (name or pool path to content) as a simple index and as a Debian root; fails as `fault` says."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, files: dict[str, bytes], *, fault: str = "", page: str = "json", tls: ssl.SSLContext | None = None
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.fault, self.page, self.tls = files, fault, page, tls
        self.delay = self.pace = 0.0
        self.redirect = ""
        """Where to send who asks for what it does not have."""
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.clients: set[object] = set()
        """The other ends of its connections."""
        self.gate: threading.Event | None = None
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    @property
    def index(self) -> str:
        return f"{self.url}/simple"

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.seen]

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for path, headers in self.seen if "/simple/" not in path]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""

    @contextmanager
    def running(self) -> Iterator[Mirror]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirror

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        self.server.clients.add(self.client_address)
        time.sleep(self.server.delay)
        if "/simple/" in self.path:
            return self._page() if self.server.fault != "no-page" else self._status(404, {})
        content = self.server.files.get(unquote(self.path).split("/files/")[-1].lstrip("/"))
        if content is None and self.server.redirect:
            return self._status(302, {"Location": self.server.redirect + self.path})
        if content is None:
            return self._status(404, {})
        return self._file(content, self.server.fault)

    def _page(self) -> None:
        project = self.path.rstrip("/").rsplit("/", 1)[-1]
        names = [n for n in self.server.files if project_of(n) == project]
        if not names:
            return self._status(404, {})
        if self.server.page == "json":
            files = [{"filename": n, "url": f"../../files/{n}", "hashes": {}} for n in names]
            body, kind = (
                json.dumps({"files": files, "meta": {"api-version": "1.0"}}),
                "application/vnd.pypi.simple.v1+json",
            )
        else:
            links = "".join(f'<a href="../../files/{n.replace("+", "%2B")}#sha256=0">{n}</a><br>\n' for n in names)
            body, kind = f"<!DOCTYPE html><html><body>\n{links}</body></html>", "text/html"
        return self._send(200, {"Content-Type": kind}, body.encode())

    def _file(self, content: bytes, fault: str) -> None:  # noqa: PLR0911 - a table of faults
        match fault:
            case "403" | "404" | "500" | "503" | "429":
                return self._status(int(fault), {"Retry-After": "1"} if fault == "429" else {})
            case "429-once" if len([p for p in self.server.asked if "/simple/" not in p]) == 1:
                return self._status(429, {"Retry-After": "1"})
            case "html":
                return self._send(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>login please</html>")
            case "short":
                return self._send(200, {}, content[:100])
            case "corrupt":
                return self._send(200, {}, bytes([content[0] ^ 1]) + content[1:])
            case "wrong":
                return self._send(200, {}, bytes(len(content)))
            case "no-range":
                return self._send(200, {}, content)
            case "chunked-long":
                return self._chunked(content + b"more")
            case "silent":
                time.sleep(30)
                return None
        return self._range(content, fault)

    def _range(self, content: bytes, fault: str) -> None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if found else {}
        body = content[start:]
        match fault:
            case "truncated":  # half of what is left, each time
                return self._send(206 if found else 200, headers, body, cut=len(body) // 2)
            case "truncated-once" if not found:
                return self._send(200, headers, body, cut=len(body) // 2)
            case "reset":
                self._send(206 if found else 200, headers, body, cut=len(body) // 2)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return None
            case "stall":
                self._send(206 if found else 200, headers, body, cut=len(body) // 2, close=False)
                time.sleep(30)
                return None
        return self._send(206 if found else 200, headers, body)

    def _status(self, status: int, headers: dict[str, str]) -> None:
        self._send(status, {"Content-Type": "text/html", **headers}, b"<html>no</html>")

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, *, cut: int | None = None, close: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "Content-Type": "application/octet-stream",
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        for begin in range(0, len(body[:cut]), 1 << 16):
            time.sleep(self.server.pace)
            if self.server.gate and begin:
                self.server.gate.wait(20)
            self.wfile.write(body[begin : min(begin + (1 << 16), cut or len(body))])
        self.wfile.flush()
        if cut is not None and close:
            self.close_connection = True

    def _chunked(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


@contextmanager
def refusing() -> Iterator[str]:
    """The address of a port where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of a port that takes connections and never says a word."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(64)
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def deaf() -> Iterator[str]:
    """The address of a port whose queue is full: a connection to it never comes about, as through a silent firewall."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        waiting = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(held.getsockname())
            waiting.append(client)
        time.sleep(0.05)
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
        for client in waiting:
            client.close()
