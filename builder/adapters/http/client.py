"""GET over HTTP, as the host's own clients do it: its proxies, its trust store, its credentials.

On urllib3, not httpx: measured from a loopback server, one stream of httpx reaches 0.35 GB/s where curl reaches
0.8 and urllib3 1.2.
"""

from __future__ import annotations

import email.utils
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3 import exceptions as fault
from urllib3.util import Timeout, make_headers

import builder
from builder.adapters.http.host import netrc_login, proxy_of, split_login, unavailable
from builder.adapters.http.tls import trusting
from builder.mirrors.transport import HTML, Page, Unavailable

_PIECES: Final = {"http": 1 << 20, "https": 1 << 16}
"""Bytes to read at most at a time. A GB, hashed and written to ext4, costs 1.1 s of CPU in pieces of 1 MB and 1.3 s
in pieces of 256 kB (curl, which hashes nothing: 1.2 s); of 4 MB nothing overlaps. TLS gives 16 kB at a time anyway."""
_LONGEST_PAGE: Final = 100_000_000
_AGENT: Final = f"builder/{builder.__version__}"
_INDEX: Final = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
_REDIRECTS: Final = 5
_SHORT: Final = 1 << 13
_OWN_PACKING: Final = {"gzip": (".gz", ".tgz"), "bzip2": (".bz2",), "zstd": (".zst",), "xz": (".xz",)}


class Http:
    """Connections of one run. Safe to use from several threads; certificates are always verified."""

    def __init__(self, *, connect: float = 5.0, stall: float = 20.0, jobs: int = 8) -> None:
        """connect, stall: seconds without a connection, and without a byte, after which a server is given up."""
        self._timeout = Timeout(connect=connect, read=stall)
        self._jobs = jobs
        self._pools: dict[tuple[str | None, str], urllib3.PoolManager] = {}
        self._guard = threading.Lock()
        self._bodies: set[Body] = set()

    def page(self, url: str, *, agent: str | None = None) -> Page:
        """A page of a package index; raises Unavailable."""
        body = self._get(url, {"Accept": _INDEX, "Accept-Encoding": "gzip"}, agent)
        try:
            return Page(text=body.text(), media_type=body.media_type, url=body.url)
        finally:
            body.close()

    def open(self, url: str, *, offset: int = 0, agent: str | None = None) -> Body:
        """A file, from `offset` bytes on; raises Unavailable for anything but a file."""
        wanted = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        body = self._get(url, wanted, agent)
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
        seen = set[str]()
        while len(seen) <= _REDIRECTS:
            seen.add(url)
            response = self._request(url, {"User-Agent": agent or _AGENT, **headers})
            target = response.get_redirect_location()
            if not target:
                return self._body(response, url)
            _finish(response)
            url = redirected(url, target)
            if url in seen:
                raise Unavailable(cause="redirects in a loop", host=urlsplit(url).hostname)
        raise Unavailable(cause=f"redirects more than {_REDIRECTS} times", host=urlsplit(url).hostname)

    def _request(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """One request; redirects are followed by `_get`, so that each goes by the proxy and the login of its host."""
        bare, login = split_login(url)
        own = make_headers(basic_auth=login or netrc_login(bare))
        try:
            return self._pool(bare).request(
                "GET",
                bare,
                headers={**own, **headers},
                redirect=False,
                retries=False,
                timeout=self._timeout,
                preload_content=False,
            )
        except fault.HTTPError as error:
            raise unavailable(error, urlsplit(bare).hostname) from None

    def _body(self, response: urllib3.BaseHTTPResponse, url: str) -> Body:
        body = Body(response, url=url, forget=self._forget)
        with self._guard:
            self._bodies.add(body)
        if refused := body.refused():
            _finish(response)
            body.close()
            raise refused
        return body

    def _forget(self, body: Body) -> None:
        with self._guard:
            self._bodies.discard(body)

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections to one host: truststore locks a context for a whole handshake, so a context shared by
        all hosts would let one that never answers hold up every other.
        """
        parts = urlsplit(url)
        proxy, host = proxy_of(url), f"{parts.scheme}://{parts.netloc}"
        with self._guard:
            if (proxy, host) not in self._pools:
                self._pools[proxy, host] = self._new_pool(proxy, secure=parts.scheme == "https")
            return self._pools[proxy, host]

    def _new_pool(self, proxy: str | None, *, secure: bool) -> urllib3.PoolManager:
        trust = trusting() if secure else None  # not for plain http: it takes 40 ms
        if proxy is None:
            return urllib3.PoolManager(maxsize=self._jobs, ssl_context=trust)
        bare, login = split_login(proxy)
        return urllib3.ProxyManager(
            bare,
            proxy_headers=make_headers(proxy_basic_auth=login) if login else None,
            maxsize=self._jobs,
            ssl_context=trust,
            proxy_ssl_context=trusting() if proxy.startswith("https:") else None,
        )


def _finish(response: urllib3.BaseHTTPResponse) -> None:
    """Ends an answer that nobody wants; a short one is read, so that its connection serves the next request."""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= _SHORT:
        with suppress(fault.HTTPError, OSError):
            response.read(decode_content=False)
    response.close()


def redirected(url: str, target: str) -> str:
    """Where a redirect leads. Raises Unavailable for one from https to plain http."""
    try:
        there = urljoin(url, target)
        parts = urlsplit(there)
    except ValueError:  # as of `https://[x/`
        raise Unavailable(cause="redirects to what is no address", host=urlsplit(url).hostname) from None
    if parts.scheme not in ("http", "https"):
        raise Unavailable(cause=f"redirects to {parts.scheme}:", host=urlsplit(url).hostname)
    if url.startswith("https:") and parts.scheme == "http":
        raise Unavailable(cause="redirects from https to plain http", host=urlsplit(url).hostname)
    return there


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
