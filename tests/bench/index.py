"""A package index over the store: PEP 503 pages, and the files by sendfile, as our own build gets them."""

from __future__ import annotations

import html
import threading
from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.utils import canonicalize_name

from builder.models.lock import Package


class Index:
    """Serves packages from construction of the `with` block to its end.

    Its port stays: in the plain Dockerfile it is part of the command, and with it of the cache's key.
    """

    def __init__(self, store: Path, packages: Iterable[Package]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.pages, self._server.files = _pages(packages), {}  # type: ignore[attr-defined]
        for package in packages:
            path = package.artifact.store_path
            self._server.files[f"/{path}"] = store / path  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """For `--index-url`."""
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def __enter__(self) -> Index:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _pages(packages: Iterable[Package]) -> dict[str, bytes]:
    links = defaultdict[str, list[str]](list)
    for package in packages:
        file = package.artifact
        href = html.escape(f"/{file.store_path}#sha256={file.sha256}")
        links[canonicalize_name(package.name)].append(f'<a href="{href}">{html.escape(file.filename)}</a>')
    return {f"/simple/{name}/": "\n".join(("<!DOCTYPE html>", *them)).encode() for name, them in links.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)  # type: ignore[attr-defined]
        file = self.server.files.get(self.path)  # type: ignore[attr-defined]
        if page is not None:
            self._head("text/html", len(page))
            self.wfile.write(page)
        elif file is not None:
            with file.open("rb") as opened:
                self._head("application/octet-stream", file.stat().st_size)
                self.connection.sendfile(opened)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _head(self, kind: str, length: int) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_args: object) -> None: ...
