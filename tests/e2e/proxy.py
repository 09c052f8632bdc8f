"""A company's proxy: re-signs TLS with a root that only its hosts know. On loopback, for the time of a test."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import trustme


@dataclass
class Interceptor:
    """What the proxy is, and what it was asked for."""

    url: str
    root: trustme.CA
    hosts: set[str] = field(default_factory=set)
    """Whatever was asked for through it."""
    tls: int = 0
    """Connections that it re-signed."""


@contextmanager
def intercepting() -> Iterator[Interceptor]:
    """A proxy for http and https. It verifies the servers itself, with this host's trust."""
    server = _Server(("127.0.0.1", 0), _Handler)
    found = server.found = Interceptor(
        url=f"http://127.0.0.1:{server.server_address[1]}",
        root=trustme.CA(organization_name="Interception", organization_unit_name="Builder end to end"),
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    found: Interceptor

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.trust = ssl.create_default_context()
        self.guard = threading.Lock()
        self.contexts: dict[str, ssl.SSLContext] = {}

    def context(self, host: str) -> ssl.SSLContext:
        """The proxy's own certificate for a host."""
        with self.guard:
            if host not in self.contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.found.root.issue_cert(host).configure_cert(context)
                self.contexts[host] = context
            return self.contexts[host]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        """A tunnel, with us at its middle."""
        host, _, port = self.path.rpartition(":")
        self.server.found.hosts.add(host)
        self.server.found.tls += 1
        self.send_response(200)
        self.end_headers()
        with (
            self.server.context(host).wrap_socket(self.connection, server_side=True) as client,
            socket.create_connection((host, int(port)), timeout=30) as plain,
            self.server.trust.wrap_socket(plain, server_hostname=host) as server,
        ):
            _pump(client, server)
        self.close_connection = True

    def do_GET(self) -> None:
        """A request for a whole URL: handed on, answered, and the connection closed."""
        parts = urlsplit(self.path)
        self.server.found.hosts.add(parts.hostname or "")
        target = parts._replace(scheme="", netloc="").geturl() or "/"
        kept = [f"{k}: {v}" for k, v in self.headers.items() if k.lower() not in ("connection", "proxy-connection")]
        head = "\r\n".join([f"GET {target} HTTP/1.1", *kept, "Connection: close", "", ""])
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30) as server:
            server.sendall(head.encode("latin-1"))
            while data := server.recv(1 << 16):
                self.connection.sendall(data)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


def _pump(one: ssl.SSLSocket, other: ssl.SSLSocket) -> None:
    """Bytes both ways until one side ends."""
    with suppress(OSError):
        while True:
            ready = [s for s in (one, other) if s.pending()] or select.select([one, other], [], [], 120)[0]
            if not ready:
                return
            for source in ready:
                if not (data := source.recv(1 << 16)):
                    return
                (other if source is one else one).sendall(data)
