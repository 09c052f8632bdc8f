"""Connections of one run: one GET at a time, by the proxy, the login and the trust store that the host has for it.

On urllib3, not httpx: measured from a loopback server, one stream of httpx reaches 0.35 GB/s where curl reaches
0.8 and urllib3 1.2.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3 import exceptions as fault
from urllib3.util import Timeout, make_headers

from builder.adapters.http.host import netrc_login, proxy_of, split_login, unavailable
from builder.adapters.http.tls import trusting
from builder.mirrors.transport import Unavailable

_REDIRECTS: Final = 5
"""So many in a row are followed."""
_SHORT: Final = 1 << 13
"""Bytes of an answer that is read though nobody wants it."""


class Connections:
    """Kept alive for each host. Safe to use from several threads; certificates are always verified."""

    def __init__(self, *, connect: float, stall: float, jobs: int = 1) -> None:
        """connect, stall: seconds without a connection, and without a byte; jobs: connections kept to each host."""
        self._timeout = Timeout(connect=connect, read=stall)
        self._jobs = jobs
        self._pools: dict[tuple[str | None, str], urllib3.PoolManager] = {}
        self._guard = threading.Lock()

    def followed(self, url: str, headers: Mapping[str, str]) -> Iterator[tuple[str, urllib3.BaseHTTPResponse]]:
        """Each answer on the way with its address; the last one is no redirect, and its body is unread.

        Each redirect goes by the proxy and the login of its own host. Raises Unavailable where there is no answer, and
        for a redirect that is refused: to plain http, in a loop, one too many.
        """
        seen = set[str]()
        while len(seen) <= _REDIRECTS:
            seen.add(url)
            response = self._get(url, headers)
            yield url, response
            target = response.get_redirect_location()
            if not target:
                return
            finish(response)
            url = redirected(url, target)
            if url in seen:
                raise Unavailable(cause="redirects in a loop", host=urlsplit(url).hostname)
        raise Unavailable(cause=f"redirects more than {_REDIRECTS} times", host=urlsplit(url).hostname)

    def _get(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """What the server answers, its body unread. Raises Unavailable where there is no answer."""
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


def finish(response: urllib3.BaseHTTPResponse) -> None:
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
