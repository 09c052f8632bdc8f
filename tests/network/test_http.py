"""GET as the host's own clients do it: proxies, logins, redirects, trust."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from fault_server import Mirror, refusing

from builder.adapters.http.client import Http
from builder.adapters.http.host import proxy_of
from builder.errors import HostError
from builder.mirrors.transport import Unavailable

pytestmark = pytest.mark.network

FILES = {"one-1.0-py3-none-any.whl": b"wheel"}
PATH = "/files/one-1.0-py3-none-any.whl"
Serve = Callable[..., Mirror]


def got(url: str) -> bytes:
    body = Http(connect=2.0, stall=2.0).open(url)
    try:
        return b"".join(body.chunks())
    finally:
        body.close()


class Relay(ThreadingHTTPServer):
    """A proxy that notes what it was asked for, or a server that redirects."""

    daemon_threads = True

    def __init__(self, redirect: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _RelayHandler)
        self.redirect, self.seen = redirect, list[tuple[str, str, str | None]]()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _RelayHandler(BaseHTTPRequestHandler):
    server: Relay

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.server.seen.append(("GET", self.path, self.headers.get("Proxy-Authorization")))
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", "9")
        self.end_headers()
        self.wfile.write(b"via proxy")

    def do_CONNECT(self) -> None:
        self.server.seen.append(("CONNECT", self.path, self.headers.get("Proxy-Authorization")))
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def relay() -> Iterator[Callable[..., Relay]]:
    running: list[Relay] = []

    def start(redirect: str = "") -> Relay:
        server = Relay(redirect)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def secure(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """A mirror over TLS, whose authority SSL_CERT_FILE names."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return serve(FILES, tls=context)


def header(mirror: Mirror, name: str) -> str | None:
    """Of the first request."""
    return {k.lower(): v for k, v in mirror.seen[0][1].items()}.get(name)


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def test_a_server_of_a_trusted_authority_is_asked(secure: Mirror) -> None:
    assert got(secure.url + PATH) == b"wheel"


def test_a_server_under_another_name_is_refused(secure: Mirror) -> None:
    url = secure.url.replace("127.0.0.1", "localhost") + PATH
    with pytest.raises(Unavailable) as caught:
        got(url)
    assert str(caught.value) == "its certificate is for another name"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"])
def test_what_pip_and_curl_are_told_to_trust_is_trusted(
    secure: Mirror, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in ("REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    bundle = os.environ["SSL_CERT_FILE"]
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Unavailable, match="not trusted"):
        got(secure.url + PATH)
    monkeypatch.setenv(name, bundle)
    assert got(secure.url + PATH) == b"wheel"


def test_plain_http_goes_through_the_proxy(relay: Callable[..., Relay], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = relay()
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:p%40ss@"))
    assert got("http://mirror.test/file") == b"via proxy"
    assert proxy.seen == [("GET", "http://mirror.test/file", basic("user:p@ss"))]


def test_https_goes_through_a_tunnel_of_the_proxy(
    secure: Mirror, relay: Callable[..., Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = relay()
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:pass@"))
    assert got(secure.url + PATH) == b"wheel"
    assert proxy.seen == [("CONNECT", secure.url.removeprefix("https://"), basic("user:pass"))]


def test_no_proxy_is_honoured(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as dead:
        monkeypatch.setenv("http_proxy", dead)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert got(serve(FILES).url + PATH) == b"wheel"


def test_a_dead_proxy_is_named_as_the_cause_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as dead:
        monkeypatch.setenv("http_proxy", dead)
        with pytest.raises(Unavailable) as caught:
            got("http://mirror.test/file")
    assert str(caught.value) == "the proxy does not let it through: Connection refused"


@pytest.mark.parametrize(
    ("proxy", "what", "seen"),
    [
        ("socks5h://me:secret@127.0.0.1:1", "a SOCKS proxy cannot be used", "socks5h://127.0.0.1:1"),
        ("ftp://127.0.0.1:1", "this proxy cannot be used", "ftp://127.0.0.1:1"),
        ("http://127.0.0.1:port", "this proxy cannot be used", "http://127.0.0.1:port"),
        ("http://", "this proxy cannot be used", "http://"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_with_what_to_do(
    proxy: str, what: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(HostError, match=what) as caught:
        got("http://mirror.test/file")
    assert caught.value.seen == seen
    assert str(caught.value.remedy).startswith("name an HTTP proxy in HTTPS_PROXY, which goes before ALL_PROXY, or")


def test_https_proxy_goes_before_a_socks_proxy_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the refusal of SOCKS says to do."""
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:2")
    assert proxy_of("https://mirror.test/file") == "http://127.0.0.1:2"
    monkeypatch.delenv("https_proxy")
    monkeypatch.setenv("no_proxy", "mirror.test")
    assert proxy_of("https://mirror.test/file") is None


def test_a_login_in_the_address_is_sent_and_not_in_the_path(serve: Serve) -> None:
    mirror = serve(FILES)
    got(mirror.url.replace("//", "//me:p%40ss@") + PATH)
    path, _ = mirror.seen[0]
    assert (path, header(mirror, "authorization")) == (PATH, basic("me:p@ss"))


def test_a_login_in_netrc_is_sent(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    mirror = serve(FILES)
    got(mirror.url + PATH)
    assert header(mirror, "authorization") == basic("me:secret")


def test_a_login_stays_behind_when_another_host_is_redirected_to(serve: Serve, relay: Callable[..., Relay]) -> None:
    mirror = serve(FILES)
    elsewhere = mirror.url.replace("127.0.0.1", "localhost")
    assert got(relay(elsewhere + PATH).url.replace("//", "//me:secret@") + "/x") == b"wheel"
    assert header(mirror, "authorization") is None


@pytest.mark.parametrize("leads", [True, False], ids=["redirects", "refusals"])
def test_a_connection_that_redirected_or_refused_is_used_again(serve: Serve, leads: bool) -> None:
    behind, front = serve(FILES), serve({})
    front.redirect = behind.url if leads else ""
    transport = Http()
    for _ in range(3):
        with suppress(Unavailable):
            body = transport.open(front.url + PATH)
            assert b"".join(body.chunks()) == b"wheel"
            body.close()
    assert (len(front.asked), len(front.clients)) == (3, 1)
    assert (len(behind.asked), len(behind.clients)) == ((3, 1) if leads else (0, 0))


def test_redirects_without_end_are_given_up(relay: Callable[..., Relay]) -> None:
    further = relay("further/")
    with pytest.raises(Unavailable) as caught:
        got(further.url + "/")
    assert str(caught.value) == "redirects more than 5 times"
    assert len(further.seen) == 6


def test_redirects_in_a_loop_are_given_up_at_once(relay: Callable[..., Relay]) -> None:
    around = relay("/again")
    with pytest.raises(Unavailable) as caught:
        got(around.url)
    assert str(caught.value) == "redirects in a loop"
    assert len(around.seen) == 2


def test_a_redirect_to_another_kind_of_address_is_refused(relay: Callable[..., Relay]) -> None:
    with pytest.raises(Unavailable, match=r"^redirects to file:$"):
        got(relay("file:///etc/passwd").url)


def test_a_name_that_does_not_resolve_is_told() -> None:
    with pytest.raises(Unavailable) as caught:
        got("http://no-such-host.invalid/file")
    assert str(caught.value) == "its name does not resolve"
    assert caught.value.host == "no-such-host.invalid"


def test_we_say_who_we_are_and_ask_for_the_file_as_it_is(serve: Serve) -> None:
    mirror = serve(FILES)
    got(mirror.url + PATH)
    assert (header(mirror, "user-agent") or "").startswith("builder/")
    assert header(mirror, "accept-encoding") == "identity"


def test_close_ends_a_read_that_another_thread_is_in(serve: Serve) -> None:
    mirror = serve({"big-1.0-py3-none-any.whl": bytes(500_000)})
    mirror.gate = threading.Event()
    transport = Http(stall=30.0)
    body = transport.open(mirror.url + "/files/big-1.0-py3-none-any.whl")
    amounts: list[int] = []
    reader = threading.Thread(target=lambda: amounts.extend(len(c) for c in body.chunks()), daemon=True)
    reader.start()
    while not amounts:
        pass
    transport.close()
    reader.join(2.0)
    mirror.gate.set()
    assert not reader.is_alive()
    assert sum(amounts) < 500_000


def test_what_was_read_when_a_body_is_aborted_is_the_file_and_no_cipher_text(secure: Mirror) -> None:
    content = os.urandom(8_000_000)
    secure.files["big-1.0-py3-none-any.whl"] = content
    for number in range(20):
        body = Http().open(secure.url + "/files/big-1.0-py3-none-any.whl")
        threading.Timer(0.002 * number, body.abort).start()
        got = bytearray()
        with suppress(Unavailable):
            for chunk in body.chunks():
                got += chunk
                time.sleep(0.001)
        body.close()
        assert content.startswith(got)


@pytest.mark.parametrize("target", ["https://[bad/x", "https://mirror.test:port/x", "https:///x"])
def test_a_redirect_to_what_is_no_address_is_that_servers_fault(relay: Callable[..., Relay], target: str) -> None:
    with pytest.raises(Unavailable):
        got(f"{relay(target).url}/x")


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("a.tar.bz2", "x-bzip2"), ("a.tar.gz", "gzip"), ("a.tar.gz", "x-gzip"), ("r.json.zst", "zstd"), ("a", "identity")],
)
def test_a_file_that_is_called_by_its_own_packing_is_as_it_is(name: str, encoding: str) -> None:
    with encoding_as(encoding) as url:
        assert got(f"{url}/{name}") == b"bytes"


@pytest.mark.parametrize(("name", "encoding"), [("a.conda", "gzip"), ("a.tar.bz2", "gzip"), ("a.whl", "br")])
def test_a_file_that_was_packed_once_more_is_called_that(name: str, encoding: str) -> None:
    with encoding_as(encoding) as url, pytest.raises(Unavailable) as caught:
        got(f"{url}/{name}")
    assert caught.value.cause == f"sends it packed as {encoding}, which was not asked for"


@contextmanager
def encoding_as(name: str) -> Iterator[str]:
    """A server that says so of all that it sends."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Encoding", name)
            self.end_headers()
            self.wfile.write(b"bytes")

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
