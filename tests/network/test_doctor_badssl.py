"""badssl.com's scenarios by their names there, made on loopback; and the rows of FACTS 2, each with a proven remedy."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import pytest
from chains import scenarios as s
from chains import servers
from chains.clients import clients
from chains.factory import Made, intermediate, make, new_key, root
from chains.presented import HERE, NOBODY
from chains.scenarios import NAME, Scenario, leaf
from chains.servers import Listening
from cryptography.hazmat.primitives.asymmetric import ec

from builder.adapters.tls.case import Options
from builder.adapters.tls.doctor import examine
from builder.adapters.tls.doctor_many import examine_all
from builder.progress import Silent
from builder.trust.diagnosis import Diagnosis
from builder.trust.reached import Target

pytestmark = pytest.mark.network
Server = Callable[[], AbstractContextManager[Listening]]


def sent(*chain: Made) -> Server:
    return lambda: servers.tls(chain)


def of(scenario: Callable[[], Scenario]) -> Server:
    return lambda: servers.tls(scenario().sent)


def with_key(key: object) -> Server:
    return sent(leaf(key=key), intermediate())


def names(count: int) -> Server:
    return lambda: servers.tls((leaf(sans=(*(f"host{n}.site.test" for n in range(count)), NAME)), intermediate()))


def version(one: ssl.TLSVersion) -> Server:
    return lambda: servers.tls(s.good().sent, minimum_version=one, maximum_version=one)


@contextmanager
def ciphers(text: str) -> Iterator[Listening]:
    """TLS 1.2 with these alone, and a key of RSA for those that need it."""
    context = servers.tls_context((leaf(key=new_key(2048)), intermediate()))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{text}:@SECLEVEL=0")

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(servers.page())

    with servers.listening(handle) as there:
        yield there


@cache
def foreign() -> Made:
    return root("Superfish, Inc.")


BADSSL: dict[str, tuple[Server, str]] = {
    "expired": (of(s.expired_leaf), "expired-leaf"),
    "self-signed": (sent(make(NAME, ca=None)), "self-signed"),
    "untrusted-root": (of(s.root_sent_along), "root-sent-along"),
    "incomplete-chain": (sent(leaf()), "unknown-root"),
    "no-common-name": (of(s.no_common_name), "verifies"),
    "1000-sans": (names(1000), "verifies"),
    "10000-sans": (names(10_000), "chain-too-large"),
    "ecc256": (with_key(new_key()), "verifies"),
    "ecc384": (with_key(ec.generate_private_key(ec.SECP384R1())), "verifies"),
    "rsa2048": (with_key(new_key(2048)), "verifies"),
    "rsa4096": (with_key(new_key(4096)), "verifies"),
    "sha1-intermediate": (of(s.weak_signature), "weak-signature"),
    "tls-v1-0": (version(ssl.TLSVersion.TLSv1), "protocol-too-old"),
    "tls-v1-1": (version(ssl.TLSVersion.TLSv1_1), "protocol-too-old"),
    "tls-v1-2": (version(ssl.TLSVersion.TLSv1_2), "verifies"),
    "cbc": (lambda: ciphers("ECDHE-RSA-AES128-SHA256"), "verifies"),
    "static-rsa": (lambda: ciphers("AES128-SHA"), "protocol-too-old"),
    "null": (lambda: ciphers("NULL-SHA256"), "handshake-refused"),
    "http": (lambda: servers.answering(servers.page()), "plain-http"),
    "superfish": (lambda: servers.tls((leaf(foreign()), foreign())), "root-sent-along"),
    "webpack-dev-server": (sent(make(NAME, ca=True)), "self-signed"),
}
"""By badssl's own names. Not here: `wrong.host`, which is asked by another name (host_mismatch of the scenarios);
`revoked`, `no-sct` and `pinning-test`, where the diagnosis says that nobody looked; what is about browsers."""


def bundle(folder: Path, *trusted: Made) -> Path:
    path = folder / "trusted.pem"
    path.write_text("".join(c.pem for c in trusted))
    return path


def asked(there: Listening, path: Path, http: int = NOBODY) -> Diagnosis:
    options = Options(bundle=path, address=HERE, against=(), http_port=http)
    return examine(Target(host=NAME, port=there.port), options)


@pytest.mark.parametrize("name", BADSSL)
def test_each_of_badssl_s_scenarios_has_its_cause(name: str, tmp_path: Path) -> None:
    server, cause = BADSSL[name]
    trusted = (s.rsa_root(),) if name == "sha1-intermediate" else (root(),)
    with server() as there:
        found = asked(there, bundle(tmp_path, *trusted))
    assert found.cause == cause, found.sentence
    if found.chain:
        assert "revocation (OCSP, CRLs)" in found.not_looked_at
        assert any(text.startswith("pins") for text in found.not_looked_at)


# FACTS 2: a row, its scenarios, and OpenSSL's codes as measured there. test_doctor_causes.py asks each of them.
ROWS: dict[str, tuple[tuple[Callable[..., Scenario], ...], tuple[int, ...]]] = {
    "expired leaf or intermediate": ((s.expired_leaf, s.expired_intermediate), (10,)),
    "clock behind": ((s.clock_behind,), (9,)),
    "clock ahead": ((s.clock_ahead,), (10,)),
    "host mismatch, name": ((s.host_mismatch,), (62,)),
    "host mismatch, IP": ((s.ip_mismatch,), (64,)),
    "no SAN, only CN": ((s.no_san,), ()),
    "missing intermediate": ((s.missing_intermediate,), (20,)),
    "unknown root, not sent": ((s.unknown_root,), (20,)),
    "bad signature": ((s.bad_signature, s.another_key), (7, 20)),
    "intercepting proxy, root sent along": ((s.root_sent_along,), (19,)),
    "self-signed leaf": ((s.self_signed,), (18,)),
    "anchor without its issuer": ((s.anchor_without_issuer,), (2,)),
    "expired root / old store with a cross-sign": ((s.expired_root,), (10,)),
    "extended key usage": ((s.extended_key_usage,), (26,)),
    "name constraint": ((s.name_constraint,), (47,)),
    "path length": ((s.path_length,), (25,)),
    "issuer is no CA": ((s.issuer_is_no_ca,), (79,)),
    "RSA-1024 leaf": ((s.weak_key,), (66,)),
    "corporate root without AKI/SKI/critical basicConstraints": ((s.strict,), (85, 89, 86, 92)),
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_facts_has_a_chain_and_a_remedy_that_a_test_applies(row: str) -> None:
    """`add`, `use`, `reissued` and `drift` are what test_doctor_causes.py applies, with real clients."""
    makes, codes = ROWS[row]
    for make_it in makes:
        one = make_it()
        assert make_it in s.FAILING
        assert set(one.codes) <= set(codes)
        assert one.add or one.use or one.reissued or one.drift, "nothing proves its remedy"


# Remedies of what is no matter of certificates


def test_protocol_too_old_is_cured_by_what_it_says(tmp_path: Path) -> None:
    trusted = bundle(tmp_path, root())
    with version(ssl.TLSVersion.TLSv1_1)() as there:
        found = asked(there, trusted)
    assert [r.what for r in found.remedies] == ["switch TLS 1.2 or 1.3 on, with ciphers of today (ECDHE)"]
    for better in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with version(better)() as there:
            assert asked(there, trusted).cause == "verifies"


def test_plain_http_is_cured_by_the_port_that_has_tls(tmp_path: Path) -> None:
    trusted = bundle(tmp_path, root())
    with servers.answering(servers.page()) as plain, servers.tls(s.good().sent) as secure:
        found = asked(plain, trusted)
        assert found.remedies[0].what.startswith("use the port that has TLS")
        assert asked(secure, trusted).cause == "verifies"


def test_login_page_is_cured_by_logging_in(tmp_path: Path) -> None:
    """The page answers for the host until somebody has logged in."""
    trusted, logged_in = bundle(tmp_path, root()), []
    own, theirs = (servers.tls_context(c) for c in (s.good().sent, (make("login.hotel.example"),)))

    def handle(connection: socket.socket) -> None:
        with (own if logged_in else theirs).wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(servers.page())

    login = b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/start\r\n\r\n"
    with servers.listening(handle) as there, servers.answering(login) as plain:
        found = asked(there, trusted, http=plain.port)
        assert found.cause == "captive-portal"
        assert found.remedies[0].what == "open http://login.hotel.example/start in a browser and log in"
        logged_in.append(True)
        assert asked(there, trusted).cause == "verifies"


def test_interception_is_cured_by_the_root_that_it_names(tmp_path: Path) -> None:
    """Two unrelated hosts behind one proxy: with its root trusted, real clients accept both, and not before."""
    ask, proxy = clients(), root("Inspection Proxy")
    one, two = make("one.test", proxy), make("two.example", proxy)
    before = bundle(tmp_path, root())
    with servers.tls((one, proxy)) as first, servers.tls((two, proxy)) as second:
        targets = (Target(host="one.test", port=first.port), Target(host="two.example", port=second.port))
        options = Options(bundle=before, address=HERE, against=(), http_port=NOBODY)
        found = examine_all(targets, options, Silent())
        assert [d.cause for d in found] == ["interception", "interception"]
        (add,) = {c for d in found for r in d.remedies for c in r.add}
        after = tmp_path / "after.pem"
        after.write_text(before.read_text() + add.pem)
        for client in ("python 3.11", "curl", "urllib3"):
            for target in targets:
                assert ask[client](target.port, target.host, after), client
                assert not ask[client](target.port, target.host, before), client
