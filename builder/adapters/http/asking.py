"""GET with every circumstance noted: who answered in the end, how fast, with which certificate. Never HEAD.

HEAD lies: mirrors redirect it where they refuse GET (FACTS 3). Bodies are bounded in bytes and time.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from cryptography import x509
from urllib3 import exceptions as fault

from builder.adapters.http.connections import Connections
from builder.adapters.http.host import proxy_of, unavailable
from builder.mirrors.race import Stopped
from builder.mirrors.transport import Unavailable

_PIECE: Final = 1 << 16
_TELLING, _SAMPLE, _SAMPLE_SECONDS = 100_000, 1 << 22, 3.0
"""Bytes that tell a rate at all; bytes and seconds that are enough for it."""
_USUAL: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long and how much: seconds and bytes."""

    connect: float = 5.0
    stall: float = 10.0
    """Without a byte."""
    whole: float = 60.0
    """For one body, however fast it comes."""
    most: int = 1 << 28
    """Of one body."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Who is at the other end."""

    host: str
    """With the port where it is no usual one."""
    address: str | None = None
    """A public one; None through a proxy, and through one that nobody named: it has one address for every host."""
    issuer: str | None = None
    days: int | None = None
    sha256: str | None = None
    """None through a proxy: it may be the proxy's own."""


class Reply:
    """An answer whose body is still to be read."""

    def __init__(self, response: urllib3.BaseHTTPResponse, *, url: str, limits: Limits, stop: threading.Event) -> None:
        self.url, self.status, self.headers = url, response.status, response.headers
        self.peer = _peer(response, url)
        self.via: tuple[str, ...] = ()
        self.first_byte = 0.0
        self.read = 0
        self.rate: float | None = None
        """Bytes a second while nothing else was done with them; None for what is too little to tell."""
        self.is_cut = self.is_done = False
        """Cut: the limits, and not the server, ended it."""
        self._response, self._limits, self._stop = response, limits, stop

    @property
    def media_type(self) -> str:
        """As in `text/html`."""
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()

    @property
    def total(self) -> int | None:
        """Bytes of the whole file, if it says so."""
        told = str(self.headers.get("Content-Range", "")).rpartition("/")[2]
        told = told if self.status == 206 else str(self.headers.get("Content-Length", ""))
        return int(told) if told.isdecimal() else None

    @property
    def modified(self) -> float | None:
        """Last-Modified, seconds since 1970."""
        try:
            return email.utils.parsedate_to_datetime(str(self.headers.get("Last-Modified", ""))).timestamp()
        except (ValueError, TypeError):
            return None

    def pieces(self, most: int | None = None) -> Iterator[bytes]:
        """The body as it comes, after a sample that tells the rate; ends at the limits. Raises Unavailable."""
        most, end = most or self._limits.most, time.monotonic() + self._limits.whole
        sample: list[bytes] = []
        begun = time.monotonic()
        for piece in self._raw(most, end):
            sample.append(piece)
            if self.read >= _SAMPLE or time.monotonic() - begun > _SAMPLE_SECONDS:
                break
        if self.read >= _TELLING:
            self.rate = self.read / (time.monotonic() - begun)
        yield from sample
        if not self.is_done:
            yield from self._raw(most, end)

    def _raw(self, most: int, end: float) -> Iterator[bytes]:
        try:
            while piece := self._response.read1(min(_PIECE, most - self.read), decode_content=False):
                self.read += len(piece)
                self.is_cut = self.read >= most or time.monotonic() > end
                self.is_done = self.is_cut
                yield piece
                if self._stop.is_set():
                    raise Stopped
                if self.is_cut:
                    return
            self.is_done = True
        except (fault.HTTPError, OSError, ValueError) as error:
            if self._stop.is_set():
                raise Stopped from None
            raise unavailable(error, self.peer.host) from None

    def body(self, most: int) -> bytes:
        """So many bytes of it, or all."""
        return b"".join(self.pieces(most))

    def abort(self) -> None:
        """Makes a read in another thread return at once."""
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()

    def close(self) -> None:
        """Lets go of it, read or not."""
        self._response.close()


class Asker:
    """Asks; safe to use from several threads. Certificates are always verified, and the host's proxies used."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits, self.stop = limits or Limits(), threading.Event()
        self._connections = Connections(connect=self.limits.connect, stall=self.limits.stall)
        self._guard = threading.Lock()
        self._open: set[Reply] = set()

    @contextlib.contextmanager
    def ask(self, url: str, *, agent: str, headers: Mapping[str, str] | None = None) -> Iterator[Reply]:
        """An answer with 200 or 206, followed through redirects. Raises Unavailable for any other, and Stopped."""
        wanted = {"Accept-Encoding": "identity", "User-Agent": agent, **(headers or {})}
        reply = self._followed(url, wanted)
        with self._guard:
            self._open.add(reply)
        try:
            if reply.status not in (200, 206):
                raise Unavailable(cause=f"HTTP {reply.status}{_through(reply)}", host=reply.peer.host)
            yield reply
        finally:
            with self._guard:
                self._open.discard(reply)
            reply.close()

    def close(self) -> None:
        """Ends everything that is under way, from any thread."""
        self.stop.set()
        with self._guard:
            for reply in self._open:
                reply.abort()

    def _followed(self, url: str, headers: Mapping[str, str]) -> Reply:
        if self.stop.is_set():
            raise Stopped
        begun, replies = time.monotonic(), list[Reply]()
        for there, response in self._connections.followed(url, headers):
            replies.append(Reply(response, url=there, limits=self.limits, stop=self.stop))
        reply = replies.pop()
        reply.via, reply.first_byte = tuple(r.peer.host for r in replies), time.monotonic() - begun
        return reply


def _through(reply: Reply) -> str:
    return f" from {reply.peer.host}, where it redirects to" if reply.via else ""


def _peer(response: urllib3.BaseHTTPResponse, url: str) -> Peer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _USUAL[parts.scheme]
    named = host if port in _USUAL.values() else f"{host}:{port}"
    socket: Any = getattr(response.connection, "sock", None)
    if socket is None:
        return Peer(host=named)
    proxied = proxy_of(url) is not None
    address = None if proxied else _public(socket.getpeername()[0], port)
    der = socket.getpeercert(binary_form=True) if isinstance(socket, ssl.SSLSocket) else None
    if not der:
        return Peer(host=named, address=address)
    leaf = x509.load_der_x509_certificate(der)
    left = leaf.not_valid_after_utc.timestamp() - time.time()
    sha256 = None if proxied else hashlib.sha256(der).hexdigest()
    return Peer(host=named, address=address, issuer=_name(leaf.issuer), days=int(left // 86_400), sha256=sha256)


def _public(address: str, port: int) -> str | None:
    return f"{address}:{port}" if ipaddress.ip_address(address.partition("%")[0]).is_global else None


def _name(name: x509.Name) -> str:
    """The organisation, else the common name."""
    for kind in (x509.NameOID.ORGANIZATION_NAME, x509.NameOID.COMMON_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return str(attribute.value)
    return name.rfc4514_string()
