"""What a mirror answers to a request: a file, a page of the index, or the fault that it was told to have."""

from __future__ import annotations

import email.utils
import hashlib
import json
import re
import socket
import struct
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

import zstandard

from builder.mirrors.index import project_of

if TYPE_CHECKING:
    from farm.mirror import Mirror

Content = bytes | memoryview

_PAGE: Final = b"<!DOCTYPE html><html><body>Please sign in to the network.</body></html>\n"
_JSON: Final = "application/vnd.pypi.simple.v1+json"


class Answers(BaseHTTPRequestHandler):
    """One connection of a client: HTTP/1.1, kept alive."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "farm", ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Mirror  # type: ignore[assignment]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The mirror keeps a log of its own."""

    def do_GET(self) -> None:
        fault = self.server.fault_of(self.path)
        self.server.note(self.command, self.path, dict(self.headers), fault)
        WHOLE.get(fault, Answers.file)(self)
        self.wfile.flush()

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def file(self) -> None:
        """The file at the path, or a part of it; 404 without one."""
        path = unquote(urlsplit(self.path).path)
        place = self.server.place(path)
        if place is None:
            return self.page(path) if path.startswith("/simple/") else self.status(404)
        content = self.server.content(place, path)
        etag = f'"{hashlib.md5(f"{self.server.name}{place.stat().st_mtime_ns}{len(content)}".encode()).hexdigest()}"'
        dated = email.utils.formatdate(int(place.stat().st_mtime), usegmt=True)
        tags = {"ETag": etag, "Last-Modified": dated, "Accept-Ranges": "bytes", "Content-Type": _type(place)}
        if self._fresh(etag, dated):
            return self.send(304, tags, b"")
        start, end = self._range(len(content), etag, dated)
        if start is None:
            return self.send(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
        part = memoryview(content)[start:end]
        if len(part) == len(content) and "Range" not in self.headers:
            return self.send(200, tags, part)
        return self.send(206, {**tags, "Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}, part)

    def page(self, path: str) -> None:
        """The simple index of the wheels: one project's page, as JSON or HTML."""
        names = [n for n in self.server.wheels() if project_of(n) == path.split("/")[2]]
        if not names:
            return self.status(404)
        if _JSON in self.headers.get("Accept", ""):
            files = [{"filename": n, "url": f"../../files/{quote(n)}", "hashes": {}} for n in names]
            return self.send(
                200, {"Content-Type": _JSON}, json.dumps({"files": files, "meta": {"api-version": "1.0"}}).encode()
            )
        links = "".join(f'<a href="../../files/{quote(n)}">{n}</a><br>\n' for n in names)
        return self.send(
            200, {"Content-Type": "text/html"}, f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode()
        )

    def status(self, code: int, headers: dict[str, str] | None = None) -> None:
        body = f"<html><body><h1>{code} {HTTPStatus(code).phrase}</h1></body></html>\n".encode()
        self.send(code, {"Content-Type": "text/html", **(headers or {})}, body)

    def send(self, code: int, headers: dict[str, str], body: Content) -> None:
        self.send_response(code)
        for name, value in {**headers, **({} if code == 304 else {"Content-Length": str(len(body))})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        if self.command == "HEAD":
            return
        for piece in self._pieces(code, body):
            self.connection.sendall(piece)

    def _pieces(self, code: int, body: Content) -> Iterator[Content]:
        """The body at the mirror's pace; half of it where the fault says so, and then the end of the connection."""
        fault, size = self.server.fault_of(self.path), len(body)
        if fault == "truncated" and code in (200, 206):
            size, self.close_connection = size // 2, True
        step = self.server.step(fault)
        for begin in range(0, size, step):
            end = min(begin + step, size)
            if not self.server.pause(end - begin, fault):
                self.close_connection = True
                return
            yield body[begin:end]

    def _fresh(self, etag: str, dated: str) -> bool:
        if known := self.headers.get("If-None-Match"):
            return etag in known
        return self.headers.get("If-Modified-Since") == dated

    def _range(self, size: int, etag: str, dated: str) -> tuple[int | None, int]:
        """Begin and end of what is asked for; all of it where no range is; None where there is no such part."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not found or found.groups() == ("", "") or self.headers.get("If-Range", etag) not in (etag, dated):
            return 0, size
        first, last = found.groups()
        if not first:
            return max(0, size - int(last)), size
        if int(first) >= size:
            return None, size
        return int(first), min(int(last) + 1, size) if last else size

    def silence(self) -> None:
        """Takes the request and never answers."""
        self.server.wait_for_change()
        self.close_connection = True

    def reset(self) -> None:
        """Ends the connection the hard way."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def too_many(self) -> None:
        self.status(429, {"Retry-After": str(self.server.retry_after)})

    def sign_in(self) -> None:
        self.send(200, {"Content-Type": "text/html; charset=utf-8"}, _PAGE)

    def loop(self) -> None:
        self.status(302, {"Location": self.path})

    def to_http(self) -> None:
        self.status(302, {"Location": self.server.plain_url + self.path})


def _status(code: int) -> Callable[[Answers], None]:
    return lambda answers: answers.status(code)


WHOLE: Final[dict[str, Callable[[Answers], None]]] = {
    "black_hole": Answers.silence,
    "refused": Answers.reset,
    "handshake_cut": Answers.reset,
    "http_403": _status(403),
    "http_404": _status(404),
    "http_429": Answers.too_many,
    "http_500": _status(500),
    "http_503": _status(503),
    "html_200": Answers.sign_in,
    "no_linux_64": _status(404),
    "redirect_loop": Answers.loop,
    "redirect_to_http": Answers.to_http,
}
"""Faults that stand in place of the file. The others change its bytes or its pace, or the connection before it."""


def spoiled(content: Content, fault: str, *, place: Path, other: bytes) -> Content:
    """A file's bytes as the fault leaves them: one bit wrong, or another package's of the right size."""
    if fault == "corrupt" and content:
        middle = len(content) // 2
        return b"".join((content[:middle], bytes([content[middle] ^ 1]), content[middle + 1 :]))
    if fault == "wrong_package" and is_file(place):
        return (other * (len(content) // max(1, len(other)) + 1))[: len(content)]
    return content


def is_file(place: Path) -> bool:
    """Whether it is a package, an installer or a wheel, and no index of them."""
    return "repodata" not in place.name


def stale(content: bytes, *, name: str) -> bytes:
    """Repodata compressed as its file's name says."""
    return zstandard.compress(content, 3) if name.endswith(".zst") else content


def _type(place: Path) -> str:
    return "application/json" if place.suffix == ".json" else "application/octet-stream"
