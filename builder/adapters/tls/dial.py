"""A TCP connection to a host as its clients would have it: by the proxy that the environment names, in bounded time."""

from __future__ import annotations

import base64
import contextlib
import errno
import socket
import ssl
import threading
import time
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, urlsplit

from builder.adapters.http.host import proxy_of, split_login
from builder.trust.reached import Target, Trouble

_CONNECT: Final = 3.0
_RESOLVE: Final = 3.5
_LONGEST_HEAD: Final = 16384


class DialError(Exception):
    """There is no connection, and why."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.trouble = Trouble(cause=cause, detail=detail)


class Dial:
    """Connects to one target as often as needed; its name is resolved once."""

    def __init__(
        self, target: Target, *, timeout: float = _CONNECT, address: str | None = None, proxy: str | None = None
    ) -> None:
        """timeout: seconds for a connection, whichever of its addresses it comes from.

        address: there, whatever the name resolves to, and by no proxy. proxy: instead of what the environment names;
        empty for none. Raises HostError for a proxy that cannot be used."""
        self.target, self._fixed, self._timeout = target, address, timeout
        self._proxy = "" if address else proxy_of(f"https://{target}") if proxy is None else proxy
        self.shown_proxy = split_login(self._proxy)[0] if self._proxy else None
        self._addresses: list[str] = [address] if address else []

    @property
    def address(self) -> str:
        """Where the connection goes; empty before the first one."""
        return self._addresses[0] if self._addresses else ""

    def at(self, port: int, *, timeout: float) -> Dial:
        """The same host by the same way, at another port."""
        return Dial(replace(self.target, port=port), timeout=timeout, address=self._fixed, proxy=self._proxy)

    def open(self) -> socket.socket:
        """A connection on which TLS may begin. Raises DialError."""
        if not self._proxy:
            return self._direct(self.target.host, self.target.port)
        parts = urlsplit(self._proxy)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        connection = self._direct(parts.hostname or "", port)
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context()
                connection = context.wrap_socket(connection, server_hostname=parts.hostname)
            self._tunnel(connection)
        except (OSError, ValueError) as error:
            connection.close()
            raise DialError("proxy-refused", reason(error)) from None
        except DialError:
            connection.close()
            raise
        return connection

    def _direct(self, host: str, port: int) -> socket.socket:
        self._addresses = self._addresses or resolve(host, port)
        trouble: DialError | None = None
        tried = self._addresses[:2]
        patience = self._timeout / len(tried)
        for address in tried:
            try:
                connection = socket.create_connection((address, port), timeout=patience)
            except OSError as error:
                trouble = trouble or _unconnected(error, f"{address} port {port}", patience, bool(self._proxy))
            else:
                self._addresses = [address]
                return connection
        raise trouble or DialError("dns-failure", "no address")

    def _tunnel(self, connection: socket.socket) -> None:
        host = self.target.host if ":" not in self.target.host else f"[{self.target.host}]"
        place = f"{host}:{self.target.port}"
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if login := split_login(self._proxy or "")[1]:
            lines.append("Proxy-Authorization: Basic " + base64.b64encode(unquote(login).encode()).decode())
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        head = read_head(connection, 2 * self._timeout)
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if status.split(" ")[1:2] != ["200"]:
            raise DialError("proxy-refused", f"it answers {printable(status.partition(' ')[2]) or 'nothing'}")


def resolve(host: str, port: int) -> list[str]:
    """Its addresses, IPv4 first where there is both. Raises DialError; the resolver's own patience is 30 s and more."""
    found: list[str] = []
    failed: list[str] = []

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(i[4][0]) for i in sorted(infos, key=lambda i: i[0])))
        except (OSError, UnicodeError) as error:
            failed.append(reason(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_RESOLVE)
    if not found:
        raise DialError("dns-failure", failed[0] if failed else f"no name server answers within {_RESOLVE:.0f} s")
    return list(found)


def read_head(connection: socket.socket, seconds: float) -> bytes:
    """What comes until an empty line, the end, or the time is over; never more than 16 kB. Raises OSError."""
    data, until = b"", time.monotonic() + seconds
    with contextlib.suppress(TimeoutError):
        while b"\r\n\r\n" not in data and len(data) < _LONGEST_HEAD and (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not (more := connection.recv(4096)):
                break
            data += more
    return data


def reason(error: BaseException) -> str:
    """An error of the network in its own words."""
    text = getattr(error, "verify_message", None) or getattr(error, "reason", None) or getattr(error, "strerror", None)
    return printable(str(text or error or type(error).__name__))


def printable(text: str) -> str:
    """On one line and short; a stranger's bytes do not reach the terminal as they are."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def _unconnected(error: OSError, where: str, seconds: float, by_proxy: bool) -> DialError:
    detail = f"{where}: {reason(error)}"
    if by_proxy:
        return DialError("proxy-refused", detail)
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return DialError("time-out", f"no connection to {where} within {seconds:g} s")
    if isinstance(error, ConnectionRefusedError):
        return DialError("connection-refused", detail)
    return DialError("unreachable", detail)
