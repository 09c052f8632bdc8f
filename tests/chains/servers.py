"""Servers on loopback: TLS with a chain of ours, and the many ways to be no TLS server at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

from chains.factory import Made

Handle = Callable[[socket.socket], None]
PAGE = b"HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


@dataclass(frozen=True)
class Listening:
    port: int

    def __str__(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def listening(handle: Handle) -> Iterator[Listening]:
    """Gives each connection to `handle`, in a thread of its own, until the block is left."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_accept, args=(server, handle), daemon=True)
        thread.start()
        try:
            yield Listening(server.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@contextmanager
def tls(sent: tuple[Made, ...], *, drift: timedelta = timedelta(0), **limits: ssl.TLSVersion) -> Iterator[Listening]:
    """Presents these certificates, whatever they are; `drift` is how far its Date is from ours."""
    context = tls_context(sent, **limits)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(page(drift))

    with listening(handle) as found:
        yield found


@contextmanager
def asking_for_a_certificate(sent: tuple[Made, ...], version: ssl.TLSVersion) -> Iterator[Listening]:
    """Wants a certificate of the client, which TLS 1.3 says only behind the handshake."""
    context = tls_context(sent, minimum_version=version, maximum_version=version)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=sent[0].pem)

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)

    with listening(handle) as found:
        yield found


def tls_context(sent: tuple[Made, ...], **limits: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name, version in limits.items():
            setattr(context, name, version)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # RSA with 1024 bits, SHA-1, TLS 1.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chain.pem")
        path.write_text("".join(c.pem for c in sent) + sent[0].key_pem)
        context.load_cert_chain(path)
    return context


def page(drift: timedelta = timedelta(0)) -> bytes:
    return PAGE % formatdate(time.time() + drift.total_seconds(), usegmt=True).encode()


@contextmanager
def answering(data: bytes) -> Iterator[Listening]:
    """Sends these bytes to whatever it hears, TLS or not."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    with listening(handle) as found:
        yield found


@contextmanager
def resetting() -> Iterator[Listening]:
    """Resets each connection once the handshake has begun."""

    def handle(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listening(handle) as found:
        yield found


@contextmanager
def silent() -> Iterator[Listening]:
    """Accepts and says nothing."""
    over = threading.Event()
    with listening(lambda connection: over.wait(30) and None) as found:
        try:
            yield found
        finally:
            over.set()


@contextmanager
def file_server(files: list[bytes]) -> Iterator[Listening]:
    """HTTP: each request gets the first file, which goes from the list unless it is the last one."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        data = files.pop(0) if len(files) > 1 else files[0]
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data)
        connection.sendall(head + data)

    with listening(handle) as found:
        yield found


@contextmanager
def connect_proxy(refuse: bytes = b"") -> Iterator[tuple[Listening, list[str]]]:
    """An HTTP proxy that knows CONNECT; gives what it was asked. Every name leads to 127.0.0.1."""
    asked: list[str] = []

    def handle(connection: socket.socket) -> None:
        target = connection.recv(65536).split()[1].decode()
        asked.append(target)
        if refuse:
            connection.sendall(refuse)
            return
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])), timeout=5) as onward:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(onward, connection), daemon=True)
            back.start()
            _pump(connection, onward)
            back.join(5)

    with listening(handle) as found:
        yield found, asked


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def _accept(server: socket.socket, handle: Handle) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, handle), daemon=True).start()


def _serve(connection: socket.socket, handle: Handle) -> None:
    connection.settimeout(10)
    with connection, contextlib.suppress(OSError, IndexError, ValueError):
        handle(connection)
