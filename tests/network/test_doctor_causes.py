"""Every row of FACTS 2, and badssl's names: each is diagnosed by its own cause, and its remedy helps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from chains.clients import clients, openssl_at
from chains.factory import root
from chains.presented import presented
from chains.scenarios import FAILING, GOOD, Scenario, expired_leaf, host_mismatch, leaf, root_sent_along

from builder.trust.causes import CAUSES
from builder.trust.remedies import Remedy

pytestmark = pytest.mark.network
ASK = clients()
Make = Callable[..., Scenario]


def by_name(make: Make) -> str:
    return make.__name__


@pytest.mark.parametrize("make", FAILING, ids=by_name)
def test_each_chain_has_its_own_cause_and_the_cross_checks_agree(make: Make, tmp_path: Path) -> None:
    with presented(make, tmp_path) as shown:
        begun = time.monotonic()
        found = shown.diagnosis()
        seconds = time.monotonic() - begun
    assert found.cause == shown.scenario.cause, found.sentence
    assert "?" not in found.sentence
    assert [c for c in found.cross_checks if not c.agrees] == []
    codes = {c.verdict.code for c in found.cross_checks if not c.library} - {None}
    assert codes <= set(shown.scenario.codes), "OpenSSL says what FACTS 2 says"
    assert bool(codes) == bool(shown.scenario.codes)
    assert found.chain
    assert found.remedies
    assert seconds < 2


@pytest.mark.parametrize("make", GOOD, ids=by_name)
def test_good_chain_verifies(make: Make, tmp_path: Path) -> None:
    with presented(make, tmp_path) as shown:
        found = shown.diagnosis()
    assert (found.cause, found.remedies, found.also) == ("verifies", (), ())
    assert [c for c in found.cross_checks if not (c.verdict.ok and c.agrees)] == []


def test_every_cause_about_certificates_has_its_scenario() -> None:
    tested = {make().cause for make in FAILING}
    untested = {c.id for c in CAUSES.values() if c.codes or c.id in ("no-san", "strict")} - tested
    elsewhere = {"interception", "signature-unchecked"}  # test_doctor_condarc.py, test_judgement.py
    assert untested == elsewhere


def test_no_remedy_ever_speaks_of_switching_verification_off() -> None:
    for cause in CAUSES.values():
        for word in ("disable", "insecure", "switch verification off", "ssl_verify", "trusted-host", "no-check"):
            assert word not in f"{cause.sentence} {cause.cure}".lower()


@pytest.mark.parametrize("make", [m for m in FAILING if m().add], ids=by_name)
def test_adding_what_the_doctor_offers_makes_real_clients_verify(make: Make, tmp_path: Path) -> None:
    with presented(make, tmp_path) as shown:
        remedy = offered(shown.diagnosis().remedies, "trust")
        assert {c.der for c in remedy.add} == {m.der for m in shown.scenario.add}
        assert "tried: with it, the same connection verifies" in remedy.proof
        bundle = tmp_path / "with.pem"
        bundle.write_text(shown.bundle.read_text() + "".join(c.pem for c in remedy.add))
        port, name = shown.server.port, shown.scenario.name
        for client in ("python 3.11", "curl", "urllib3"):
            assert ASK[client](port, name, bundle), client
        if shown.scenario.cause not in ("anchor-without-issuer", "pinned-leaf"):  # which curl accepts anyway
            assert not ASK["curl"](port, name, shown.bundle)
        assert not ASK["python 3.11"](port, name, shown.bundle)


@pytest.mark.parametrize("make", [m for m in FAILING if m().wrong], ids=by_name)
def test_what_does_not_help_is_not_offered_and_does_not_help(make: Make, tmp_path: Path) -> None:
    with presented(make, tmp_path) as shown:
        tried = shown.written("wrong.pem", shown.scenario.wrong)
        found = shown.diagnosis(try_files=(tried,))
        wrong = {m.der for m in shown.scenario.wrong}
        assert not any(c.der in wrong for r in found.remedies for c in r.add)
        bundle = shown.written("with.pem", (*shown.scenario.trusted, *shown.scenario.wrong))
        assert not ASK["python 3.11"](shown.server.port, shown.scenario.name, bundle)


@pytest.mark.parametrize("make", [m for m in FAILING if m().use], ids=by_name)
def test_the_name_that_the_doctor_offers_verifies(make: Make, tmp_path: Path) -> None:
    with presented(make, tmp_path) as shown:
        remedy = offered(shown.diagnosis().remedies, "name")
        assert remedy.what.startswith(f"use the name {shown.scenario.use},")
        port = shown.server.port
        assert ASK["python 3.11"](port, str(shown.scenario.use), shown.bundle)
        assert not ASK["python 3.11"](port, shown.scenario.name, shown.bundle)


@pytest.mark.parametrize("make", [m for m in FAILING if m().reissued], ids=by_name)
def test_what_the_server_is_told_to_do_cures_it(make: Make, tmp_path: Path) -> None:
    """The chain made anew as the remedy says, and nothing else changed."""

    def cured() -> Scenario:
        one = make()
        trusted = (one.reissued[-1],) if one.cause == "strict" else one.trusted
        return Scenario(cause=None, sent=one.reissued, trusted=trusted, name=one.name)

    with presented(make, tmp_path) as shown:
        assert offered(shown.diagnosis().remedies, "server").what
    with presented(cured, tmp_path) as shown:
        assert shown.diagnosis().cause == "verifies"
        for client in ("python 3.11", "python 3.13", "urllib3", "curl"):
            if client in ASK:
                assert ASK[client](shown.server.port, shown.scenario.name, shown.bundle), client


@pytest.mark.parametrize("make", [m for m in FAILING if m().drift], ids=by_name)
def test_the_time_that_the_doctor_offers_verifies(make: Make, tmp_path: Path) -> None:
    """By `openssl s_client -attime` against the running server: the one client whose clock can be set."""
    with presented(make, tmp_path) as shown:
        remedy = offered(shown.diagnosis().remedies, "clock")
        right = time.time() + shown.scenario.drift.total_seconds()
        port, name = shown.server.port, shown.scenario.name
        assert openssl_at(right, port, name, shown.bundle)
        assert not openssl_at(time.time(), port, name, shown.bundle)
        assert time.strftime("set the clock to %Y-%m-%d %H:", time.gmtime(right)) in remedy.what


def test_a_wrong_clock_is_told_from_an_expired_certificate_by_other_hosts(tmp_path: Path) -> None:
    """The asked server's own clock is wrong; two others agree with ours."""
    from chains.scenarios import clock_ahead, good
    from chains.servers import tls

    with presented(clock_ahead, tmp_path) as shown, tls(good().sent) as one, tls(good().sent) as other:
        found = shown.diagnosis(against=(f"https://{one}", f"https://{other}"))
    assert found.cause == "expired-leaf"


def test_a_name_under_which_it_would_fail_as_well_is_not_offered(tmp_path: Path) -> None:
    def twice() -> Scenario:
        return replace(host_mismatch(), sent=expired_leaf().sent)

    with presented(twice, tmp_path) as shown:
        found = shown.diagnosis()
    assert found.cause == "host-mismatch"
    assert [r.kind for r in found.remedies] == ["server"]
    assert found.remedies[0].proof == "", "nothing shows that a new name would be enough"
    assert found.also == (f"The certificate of wrong.host.test expired on {ends(twice())}.",)


def test_a_root_is_not_offered_where_python_would_accept_it_and_others_not(tmp_path: Path) -> None:
    """A common name without subject alternative names: Python's own `ssl` is content, requests is not."""

    def twice() -> Scenario:
        proxy = root("Proxy Root")
        return replace(root_sent_along(), sent=(leaf(proxy, sans=()), proxy))

    with presented(twice, tmp_path) as shown:
        found = shown.diagnosis()
    assert (found.cause, [r.kind for r in found.remedies]) == ("root-sent-along", ["here"])
    assert not any(r.add for r in found.remedies)


def ends(scenario: Scenario) -> str:
    return f"{scenario.sent[0].cert.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"


def offered(remedies: tuple[Remedy, ...], kind: str) -> Remedy:
    (found,) = [r for r in remedies if r.kind == kind]
    return found
