"""Servers that are none, proxies, login pages, black holes: each by its own cause; no answer crashes the doctor."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from chains import servers
from chains.factory import intermediate, make, new_key, root
from chains.presented import HERE, NOBODY
from chains.scenarios import NAME, good, leaf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.adapters.tls import probe
from builder.adapters.tls.case import Options
from builder.adapters.tls.doctor import examine
from builder.adapters.tls.probe import parse_head, portal_of
from builder.trust.diagnosis import Diagnosis
from builder.trust.reached import Target

pytestmark = pytest.mark.network


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_text(root().pem)
    return path


def asked(server: servers.Listening, bundle: Path | None = None, name: str = NAME, http: int = NOBODY) -> Diagnosis:
    options = Options(bundle=bundle, address=HERE, against=(), http_port=http)
    return examine(Target(host=name, port=server.port), options)


PORTAL = b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/start\r\n\r\n"
REQUIRED = b"HTTP/1.1 511 Network Authentication Required\r\n\r\n"


@pytest.mark.parametrize(
    ("server", "cause", "answered"),
    [
        (lambda: servers.answering(servers.page()), "plain-http", True),
        (lambda: servers.answering(PORTAL), "captive-portal", True),
        (lambda: servers.answering(REQUIRED), "captive-portal", True),
        (lambda: servers.answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "not-tls", True),
        (lambda: servers.answering(b"220 mail.example ESMTP\r\n"), "not-tls", True),
        (lambda: servers.answering(b""), "reset-in-handshake", True),
        (servers.resetting, "reset-in-handshake", True),
        (lambda: servers.answering(b"\x15\x03\x03\x00\x02\x02\x28"), "handshake-refused", True),
        (lambda: servers.answering(b"\x15\x03\x01\x00\x02\x02\x46"), "protocol-too-old", True),
        (servers.silent, "time-out", False),
    ],
)
def test_each_kind_of_no_tls_has_its_own_cause(
    server: AbstractContextManager[servers.Listening], cause: str, answered: bool, bundle: Path
) -> None:
    with server() as there:  # type: ignore[operator]
        begun = time.monotonic()
        found = asked(there, bundle)
    assert (found.cause, found.answered, found.verifies) == (cause, answered, False)
    assert "?" not in found.sentence
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_server_that_wants_a_certificate_of_the_client_is_no_good_one(version: ssl.TLSVersion, bundle: Path) -> None:
    with servers.asking_for_a_certificate(good().sent, version) as there:
        found = asked(there, bundle)
    assert (found.cause, found.verifies) == ("handshake-refused", False)
    assert "a client's certificate" in found.remedies[0].what


def test_certificate_that_tls_13_wants_is_heard_of_where_the_server_has_already_closed(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(connection: socket.socket, host: str) -> bytes:
        time.sleep(0.1)  # a busy machine: the alert, the end and the reset are here before the request goes out
        return probe_ask(connection, host)

    probe_ask = probe._ask
    monkeypatch.setattr(probe, "_ask", late)
    with servers.asking_for_a_certificate(good().sent, ssl.TLSVersion.TLSv1_3) as there:
        found = asked(there, bundle)
    assert (found.cause, found.verifies) == ("handshake-refused", False)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_protocol_is_named_with_its_version(version: ssl.TLSVersion, bundle: Path) -> None:
    with servers.tls(good().sent, minimum_version=version, maximum_version=version) as there:
        found = asked(there, bundle)
    assert found.cause == "protocol-too-old"
    assert f"speaks {'TLS 1.0' if version is ssl.TLSVersion.TLSv1 else 'TLS 1.1'} at most" in found.sentence


def test_cipher_that_no_client_takes_any_more_is_an_old_protocol(bundle: Path) -> None:
    context = servers.tls_context((make(NAME, intermediate(), key=new_key(2048)), intermediate()))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")  # without forward secrecy: Python's own defaults refuse it

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)

    with servers.listening(handle) as there:
        found = asked(there, bundle)
    assert found.cause == "protocol-too-old"


def test_refused_connection_could_not_be_asked() -> None:
    with socket.create_server((HERE, 0)) as closed:
        port = closed.getsockname()[1]
    found = asked(servers.Listening(port))
    assert (found.cause, found.answered) == ("connection-refused", False)


def test_name_without_address_could_not_be_asked() -> None:
    found = examine(Target(host="no.such.invalid"), Options(against=()))
    assert (found.cause, found.answered) == ("dns-failure", False)


def test_black_hole_is_given_up_in_ten_seconds() -> None:
    """A full backlog: the kernel drops what comes next, as a firewall does."""
    with socket.socket() as hole:
        hole.bind((HERE, 0))
        hole.listen(0)
        port = hole.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((HERE, port))
        begun = time.monotonic()
        found = asked(servers.Listening(port))
        for filler in fillers:
            filler.close()
    assert (found.cause, found.answered) == ("time-out", False)
    assert "no connection to 127.0.0.1" in found.sentence
    assert time.monotonic() - begun < 10


def test_login_page_that_intercepts_tls_is_told_by_port_80(bundle: Path) -> None:
    portal = make("login.hotel.example")
    with servers.tls((portal,)) as there, servers.answering(PORTAL) as plain:
        found = asked(there, bundle, http=plain.port)
    assert found.cause == "captive-portal"
    assert "http://login.hotel.example/start" in found.sentence


def test_redirect_to_https_of_the_same_host_is_no_login_page(bundle: Path) -> None:
    answer = f"HTTP/1.1 301 Moved\r\nLocation: https://www.{NAME}/\r\n\r\n".encode()
    with servers.tls((make("other.test", intermediate()), intermediate())) as there, servers.answering(answer) as plain:
        found = asked(there, bundle, http=plain.port)
    assert found.cause == "host-mismatch"


def test_proxy_is_used_and_shown(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers.tls(good().sent) as there, servers.connect_proxy() as (proxy, asked_for):
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:secret@{proxy}")
        found = examine(Target(host=NAME, port=there.port), Options(bundle=bundle, against=()))
    assert found.cause == "verifies"
    assert set(asked_for) == {f"{NAME}:{there.port}"}
    assert found.reached.proxy == f"http://{proxy}"
    assert f"by the proxy http://{proxy}" in found.evidence[0]
    assert "secret" not in repr(found)


def test_host_in_no_proxy_is_asked_directly(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        servers.tls((leaf(sans=("localhost",)), intermediate())) as there,
        servers.connect_proxy() as (proxy, asked_for),
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
        monkeypatch.setenv("NO_PROXY", "localhost")
        found = examine(Target(host="localhost", port=there.port), Options(bundle=bundle, against=()))
    assert (found.cause, asked_for, found.reached.proxy) == ("verifies", [], None)


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden"])
def test_proxy_that_refuses_is_named_with_its_answer(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers.connect_proxy(f"HTTP/1.1 {status}\r\n\r\n".encode()) as (proxy, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
        found = examine(Target(host=NAME), Options(against=()))
    assert (found.cause, found.answered) == ("proxy-refused", False)
    assert status in found.sentence


def test_pathological_chain_is_diagnosed_in_two_seconds(bundle: Path) -> None:
    key = new_key()
    first = make("Same", ca=True, key=key)
    same = tuple(make("Same", first, ca=True, key=key) for _ in range(60))
    with servers.tls((leaf(first), *same)) as there:
        begun = time.monotonic()
        found = asked(there, bundle)
        seconds = time.monotonic() - begun
    assert not found.verifies
    assert seconds < 2


@pytest.fixture(scope="module")
def parrot() -> Iterator[tuple[servers.Listening, list[bytes]]]:
    said = [b""]

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said[0])

    with servers.listening(handle) as there:
        yield there, said


RECORDS = st.tuples(st.sampled_from([20, 21, 22, 23]), st.binary(max_size=60)).map(
    lambda r: bytes([r[0], 3, 3]) + len(r[1]).to_bytes(2, "big") + r[1]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), RECORDS, st.binary(max_size=90).map(lambda b: b"HTTP/1.1 " + b)))
def test_no_answer_crashes_the_doctor(parrot: tuple[servers.Listening, list[bytes]], data: bytes) -> None:
    there, said = parrot
    said[0] = data
    found = asked(there)
    assert not found.verifies
    assert found.sentence.isprintable()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_http_answer_crashes_the_doctor(data: bytes) -> None:
    found = parse_head(b"HTTP/1.1 302 x\r\nDate: " + data)
    assert portal_of("app.site.test", (found["status"], found["location"])) in (None, found["location"])
