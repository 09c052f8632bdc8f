"""GET of pages and files, as the host's own clients do it: its proxies, its trust store, its credentials."""

from __future__ import annotations

import email.utils
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions as fault

import builder
from builder.adapters.http.connections import Connections, finish
from builder.adapters.http.host import unavailable
from builder.mirrors.transport import HTML, Page, Unavailable

_PIECES: Final = {"http": 1 << 20, "https": 1 << 16}
"""Bytes to read at most at a time. A GB, hashed and written to ext4, costs 1.1 s of CPU in pieces of 1 MB and 1.3 s
in pieces of 256 kB (curl, which hashes nothing: 1.2 s); of 4 MB nothing overlaps. TLS gives 16 kB at a time anyway."""
_LONGEST_PAGE: Final = 100_000_000
_AGENT: Final = f"builder/{builder.__version__}"
_INDEX: Final = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
_OWN_PACKING: Final = {"gzip": (".gz", ".tgz"), "bzip2": (".bz2",), "zstd": (".zst",), "xz": (".xz",)}


class Http:
    """Connections of one run. Safe to use from several threads; certificates are always verified."""

    def __init__(self, *, connect: float = 5.0, stall: float = 20.0, jobs: int = 8) -> None:
        """connect, stall: seconds without a connection, and without a byte, after which a server is given up."""
        self._connections = Connections(connect=connect, stall=stall, jobs=jobs)
        self._guard = threading.Lock()
        self._bodies: set[Body] = set()

    def page(self, url: str, *, agent: str | None = None) -> Page:
        """A page of a package index; raises Unavailable."""
        body = self._get(url, {"Accept": _INDEX, "Accept-Encoding": "gzip"}, agent)
        try:
            return Page(text=body.text(), media_type=body.media_type, url=body.url)
        finally:
            body.close()

    def open(
        self, url: str, *, offset: int = 0, agent: str | None = None, conditions: Mapping[str, str] | None = None
    ) -> Body:
        """A file, from `offset` bytes on. Raises Unavailable for anything but a file.

        conditions: headers such as If-None-Match, after which the cause may be `HTTP 304`.
        """
        part = {"Range": f"bytes={offset}-"} if offset else {}
        body = self._get(url, {"Accept-Encoding": "identity", **part, **(conditions or {})}, agent)
        if body.media_type == "text/html" or body.packed:
            body.close()
            cause = f"sends it packed as {body.packed}, which was not asked for" if body.packed else HTML
            raise Unavailable(cause=cause, host=body.host)
        return body

    def close(self) -> None:
        """Ends everything that is under way, from any thread."""
        with self._guard:
            bodies = tuple(self._bodies)
        for body in bodies:
            body.abort()

    def _get(self, url: str, headers: dict[str, str], agent: str | None) -> Body:
        *_, (url, response) = self._connections.followed(url, {"User-Agent": agent or _AGENT, **headers})
        return self._body(response, url)

    def _body(self, response: urllib3.BaseHTTPResponse, url: str) -> Body:
        body = Body(response, url=url, forget=self._forget)
        with self._guard:
            self._bodies.add(body)
        if refused := body.refused():
            finish(response)
            body.close()
            raise refused
        return body

    def _forget(self, body: Body) -> None:
        with self._guard:
            self._bodies.discard(body)


class Body:
    """What one server began to send."""

    def __init__(self, response: urllib3.BaseHTTPResponse, *, url: str, forget: Callable[[Body], None]) -> None:
        self._response, self._forget = response, forget
        headers = response.headers
        self._aborted = False
        self.url = url
        self.host = urlsplit(url).hostname or ""
        self._piece = _PIECES[urlsplit(url).scheme]
        self.media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self.etag, self.modified = headers.get("ETag"), headers.get("Last-Modified")
        self.packed = _packing(urlsplit(url).path, headers.get("Content-Encoding", ""))
        self.offset, self.size = _extent(response.status, headers)

    def refused(self) -> Unavailable | None:
        """What the status says, unless it announces the file."""
        status, headers = self._response.status, self._response.headers
        if status == 200 or (status == 206 and self.offset >= 0):
            return None
        after = _seconds(headers.get("Retry-After", ""))
        wait = f", asks to wait {after:.0f} s" if after is not None else ""
        return Unavailable(cause=f"HTTP {status}{wait}", host=self.host, again=status in _BUSY, after=after)

    def chunks(self) -> Iterator[bytes]:
        """The body, as it comes; ends early where the connection does. Raises Unavailable when nothing comes."""
        try:
            while chunk := self._response.read1(self._piece, decode_content=False):
                if self._aborted:  # a TLS socket that is shut down gives its reader cipher text
                    return
                yield chunk
        except fault.ProtocolError:
            return
        except (fault.HTTPError, OSError) as error:
            raise unavailable(error, self.host) from None
        except ValueError:  # what a TLS socket says that was shut down between two reads
            if not self._aborted:
                raise

    def text(self) -> str:
        """The whole body, decoded, as UTF-8; raises Unavailable when it is cut short or has no end."""
        try:
            data = self._response.read(_LONGEST_PAGE, decode_content=True)
        except (fault.HTTPError, OSError) as error:
            raise unavailable(error, self.host) from None
        if len(data) == _LONGEST_PAGE:
            raise Unavailable(cause=f"its index page is longer than {_LONGEST_PAGE} bytes", host=self.host)
        return data.decode("utf-8", errors="replace")

    def abort(self) -> None:
        """Makes a read that another thread is in return at once."""
        self._aborted = True
        with suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()

    def close(self) -> None:
        """Lets go of it; the connection is used again when everything was read."""
        self._forget(self)
        self._response.close()


def _packing(path: str, encoding: str) -> str | None:
    """How a file is packed beyond what it is: some servers call a .tar.bz2 packed, and send it as it is."""
    named = encoding.strip().lower()
    own = path.endswith(_OWN_PACKING.get(named.removeprefix("x-"), ()))
    return None if own or named in ("", "identity") else named


def _extent(status: int, headers: Mapping[str, str]) -> tuple[int, int | None]:
    """Where the body begins (-1: nobody knows) and how long the whole file is."""
    if status != 206:
        length = headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
    if not found:
        return -1, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _seconds(retry_after: str) -> float | None:
    """Retry-After, which is seconds or a date."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
