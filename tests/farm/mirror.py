"""One mirror on loopback that can fail in every way that mirrors do, from one moment to the next."""

from __future__ import annotations

import fnmatch
import mmap
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from farm.answers import Answers, Content, spoiled, stale
from farm.channel import Channel

FAULTS: Final = (
    "refused",  # nobody listens at the port
    "black_hole",  # takes the connection and never says a word
    "slow_drip",  # `drip` bytes a second
    "http_403",
    "http_404",
    "http_429",  # with Retry-After: `retry_after`
    "http_500",
    "http_503",
    "html_200",  # a page to sign in, in place of anything
    "truncated",  # half the body, then the end of the connection
    "corrupt",  # one bit wrong, in any file
    "wrong_package",  # another file's bytes at the right size; repodata stays as it is
    "stale_repodata",  # of each name only the oldest package is listed; all files are there
    "no_linux_64",  # 404 for all below linux-64
    "expired",  # a certificate of the farm's authority, a day past its end
    "wrong_host",  # a certificate for another name and address
    "unknown_ca",  # a certificate of an authority that nobody trusts
    "handshake_cut",  # the connection ends after the client's first word
    "redirect_loop",
    "redirect_to_http",  # to `Farm.plain`, which has the file, without TLS
)
"""Each fault by its name."""

CONNECTION_FAULTS: Final = frozenset({"refused", "handshake_cut", "expired", "wrong_host", "unknown_ca"})
"""Those that are there before a path is known; set for some paths, two of them only reset the connection."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client asked a mirror."""

    method: str
    path: str
    headers: Mapping[str, str]
    fault: str
    time: float
    """By time.monotonic()."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every mirror of a farm serves: folders by the first part of the path."""

    mounts: Mapping[str, Path]
    channels: Mapping[str, Channel]


class Mirror:
    """One mirror, of whose requests a log is kept; `fault` and `rate` may be set at any time."""

    def __init__(self, name: str, site: Site, *, contexts: Mapping[str, ssl.SSLContext] | None) -> None:
        self.name, self.requests = name, list[Request]()
        self.rate: float | None = None
        """Bytes a second, of all its connections together."""
        self.drip = 64
        """Bytes a second under the fault slow_drip, of each connection."""
        self.delay = 0.0
        """Seconds before each answer."""
        self.retry_after = 1
        """Seconds, under the fault http_429."""
        self.plain_url = ""
        self._site, self._contexts = site, contexts
        self._fault: str | Mapping[str, str] = ""
        self._lock, self._changed, self._due = threading.Lock(), threading.Event(), 0.0
        self._open: set[socket.socket] = set()
        self._listener = _bound(0)
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    @property
    def url(self) -> str:
        return f"{'https' if self._contexts else 'http'}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked of it, in order."""
        return [request.path for request in self.requests]

    @property
    def fault(self) -> str | Mapping[str, str]:
        """One of FAULTS for all that it does, or by pattern of the path (fnmatch), the first that fits; "" for none."""
        return self._fault

    @fault.setter
    def fault(self, fault: str | Mapping[str, str]) -> None:
        named = {fault} - {""} if isinstance(fault, str) else set(fault.values())
        if unknown := named - set(FAULTS):
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
        if not isinstance(fault, str) and (early := named & {"expired", "wrong_host", "unknown_ca"}):
            raise ValueError(f"a certificate knows no path: {', '.join(sorted(early))}")
        deaf = self._fault == "refused"
        self._fault = fault
        if fault == "refused" and not deaf:
            _close(self._listener)
            self._listener = _bound(self.port)
        elif deaf and fault != "refused":
            self._listen()
        self._changed.set()
        self._changed = threading.Event()
        self.drop()

    def fault_of(self, path: str) -> str:
        """The fault that a request for this path meets."""
        fault = self._fault
        if not isinstance(fault, str):
            fault = next((name for pattern, name in fault.items() if fnmatch.fnmatch(urlsplit(path).path, pattern)), "")
        return "" if fault == "no_linux_64" and "/linux-64/" not in path else fault

    def drop(self) -> None:
        """Ends every connection, so that what was set holds for the next request."""
        for connection in list(self._open):
            _end(connection)

    def stop(self) -> None:
        self._fault = "refused"
        self._changed.set()
        _close(self._listener)
        self.drop()

    def note(self, method: str, path: str, headers: Mapping[str, str], fault: str) -> None:
        self.requests.append(Request(method=method, path=path, headers=headers, fault=fault, time=time.monotonic()))
        time.sleep(self.delay)

    def place(self, path: str) -> Path | None:
        """The file at a path, if there is one."""
        first, _, rest = path.lstrip("/").partition("/")
        folder = self._site.mounts.get(first)
        place = folder / rest if folder and ".." not in rest.split("/") else None
        return place if place and place.is_file() else None

    def wheels(self) -> list[str]:
        folder = self._site.mounts.get("files")
        return sorted(place.name for place in folder.glob("*.whl")) if folder else []

    def content(self, place: Path, path: str) -> Content:
        """A file's bytes, as the fault leaves them."""
        fault = self.fault_of(path)
        if fault == "stale_repodata" and place.name.startswith("repodata.json"):
            channel = self._site.channels[path.lstrip("/").partition("/")[0]]
            return stale(channel.repodata(place.parent.name, stale=True), name=place.name)
        content = _mapped(place)
        return spoiled(content, fault, place=place, other=self._other(place)) if fault else content

    def _other(self, place: Path) -> bytes:
        """Another file of the same folder."""
        others = [other for other in sorted(place.parent.iterdir()) if other != place and other.is_file()]
        return others[0].read_bytes() if others else b"another"

    def step(self, fault: str) -> int:
        """Bytes that go out at once."""
        rate = self.drip if fault == "slow_drip" else self.rate
        return max(1, min(1 << 18, int(rate / 20))) if rate else 1 << 18

    def pause(self, size: int, fault: str) -> bool:
        """Waits until so many bytes may go; False when the mirror was told otherwise meanwhile."""
        if fault == "slow_drip":
            return not self._changed.wait(size / self.drip)
        if self.rate:
            with self._lock:
                due = self._due = max(self._due, time.monotonic() - 0.05) + size / self.rate
            return not self._changed.wait(max(0.0, due - time.monotonic()))
        return True

    def wait_for_change(self) -> None:
        self._changed.wait(120)

    def _listen(self) -> None:
        self._listener.listen(128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True, name=self.name).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, address = listener.accept()
                threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with suppress(OSError, ValueError), self._kept(connection):
            connection.settimeout(60)
            if self._fault == "black_hole":
                self.wait_for_change()
            elif self._fault == "handshake_cut":
                connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif self._contexts is None:
                Answers(connection, address, self)  # type: ignore[arg-type]
            else:
                context = self._contexts.get(str(self._fault), self._contexts[""])
                with self._kept(context.wrap_socket(connection, server_side=True)) as secured:
                    Answers(secured, address, self)  # type: ignore[arg-type]

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[socket.socket]:
        """Known to `drop` while it is open."""
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            _close(connection)


def _mapped(place: Path) -> Content:
    """A file's bytes without reading them."""
    with place.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if place.stat().st_size else b""


def _bound(port: int) -> socket.socket:
    """A socket that holds a port; who connects is refused until it listens."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


def _end(connection: socket.socket) -> None:
    """Wakes whoever waits on it; its own thread closes it. Not ssl's shutdown, which takes the TLS off first."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _close(connection: socket.socket) -> None:
    _end(connection)
    connection.close()
