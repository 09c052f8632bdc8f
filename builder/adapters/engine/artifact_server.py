"""A read-only HTTP server on loopback over exactly the files that one build needs, and nothing else of the disk."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from builder.models.base import Sha256

_PIECE = 8 << 20
"""Bytes between two tellings of how far a file is."""

Sent = Callable[[str, int], None]
"""Takes a path and how many bytes of it one request has been given so far; called from the server's threads."""


@dataclass(frozen=True)
class Served:
    """A file and the hash of its content, which is its ETag."""

    file: Path
    sha256: Sha256


class ArtifactServer:
    """Serves files from construction of the `with` block to its end, each at one exact path, by GET and HEAD.

    files: by the path under which each is asked for, without the leading slash.
    """

    def __init__(self, files: Mapping[str, Served], *, sent: Sent = lambda _path, _bytes: None) -> None:
        self._server = _Server(files, sent)
        self._thread = threading.Thread(target=self._server.serve_until_stopped, name="artifact-server", daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def asked(self) -> int:
        """Requests so far. None at all: whoever should have asked does not reach us."""
        return self._server.asked

    def __enter__(self) -> ArtifactServer:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.stop()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, files: Mapping[str, Served], sent: Sent) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        # Exact strings, raw and percent-encoded: nothing is ever decoded or joined to a folder, so that no request
        # can name another file.
        self.files = {form: (path, file) for path, file in files.items() for form in ("/" + path, "/" + quote(path))}
        self.sent, self.asked = sent, 0
        self._stopping = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def serve_until_stopped(self) -> None:
        """Blocks without polling: `serve_forever` looks up twice a second only, and a build that does nothing takes
        less than that."""
        while not self._stopping:
            self.handle_request()
        self.server_close()

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.server_port), timeout=1).close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is none of our errors; whoever asked tells what it missed."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "builder", ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """A file, or the range of it that is asked for."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """The same headers without the bytes."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        self.server.asked += 1
        path, served = self.server.files.get(self.path, ("", None))
        if served is None:
            return self._nothing(HTTPStatus.NOT_FOUND)
        if self.headers.get("If-None-Match") == f'"{served.sha256}"':
            return self._nothing(HTTPStatus.NOT_MODIFIED, ETag=f'"{served.sha256}"')
        try:
            file = served.file.open("rb")
        except OSError:
            return self._nothing(HTTPStatus.NOT_FOUND)
        with file:
            return self._send(file, path, served, body=body)

    def _send(self, file: BinaryIO, path: str, served: Served, *, body: bool) -> None:
        size = file.seek(0, 2)
        part = self._range(size, served)
        if part is None:
            return self._nothing(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, **{"Content-Range": f"bytes */{size}"})
        whole = part == range(size)
        self.send_response(HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT)
        if not whole:
            self.send_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{served.sha256}"')
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if body:
            self._stream(file, path, part)
        return None

    def _range(self, size: int, served: Served) -> range | None:
        """What is asked for; None when the file has nothing there. Forms that we do not know mean the whole."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not match or match.group() == "bytes=-" or not self._same(served):
            return range(size)
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last))
        stop = min(size, int(last) + 1) if first and last else size
        return range(start, stop) if start < stop else None

    def _same(self, served: Served) -> bool:
        return self.headers.get("If-Range", f'"{served.sha256}"') == f'"{served.sha256}"'

    def _stream(self, file: BinaryIO, path: str, part: range) -> None:
        for start in range(part.start, part.stop, _PIECE):
            wanted = min(_PIECE, part.stop - start)
            if self.connection.sendfile(file, start, wanted) < wanted:
                self.close_connection = True  # the file shrank: an end too early is an error for the client
                return
            self.server.sent(path, start + wanted - part.start)

    def _nothing(self, status: HTTPStatus, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing: the build says what it is at."""
