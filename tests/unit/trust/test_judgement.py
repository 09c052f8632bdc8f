"""The judgement of a chain without any network, and what a stranger's bytes can do to it: nothing."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
from chains.factory import altered, intermediate, make, new_key, root
from chains.scenarios import FAILING, GOOD, NAME, good, leaf
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.trust.certs import Cert, read, split_pem
from builder.trust.graph import Anchors, Graph, Signature, check
from builder.trust.names import is_for, matches, unrelated
from builder.trust.rules import Judgement, judge

NOW = datetime.now(timezone.utc)


def cert(made: object) -> Cert:
    found = read(made.der)  # type: ignore[attr-defined]
    assert found
    return found


def judged(sent: tuple[object, ...], trusted: tuple[object, ...], name: str = NAME) -> Judgement:
    certs = tuple(map(cert, sent))
    graph = Graph(sent=certs, anchors=Anchors.of(m.der for m in trusted))  # type: ignore[attr-defined]
    return judge(graph, certs[0], name=name, at=NOW)


@pytest.mark.parametrize("scenario", FAILING, ids=lambda f: f.__name__)
def test_no_failing_chain_is_called_good(scenario: object) -> None:
    one = scenario()  # type: ignore[operator]
    found = judged(one.sent, one.trusted, one.name)
    assert found.problems or found.strict


@pytest.mark.parametrize("scenario", GOOD, ids=lambda f: f.__name__)
def test_no_good_chain_is_called_failing(scenario: object) -> None:
    one = scenario()  # type: ignore[operator]
    found = judged(one.sent, one.trusted, one.name)
    assert (found.problems, found.strict) == ((), ())


def test_several_faults_are_all_found_hardest_first() -> None:
    worst = make("Nobody's Root", ca=True)
    bad = leaf(worst, days=-2, begun=9, sans=("other.test",), key=new_key(1024))
    assert [p.cause for p in judged((bad,), (root(),)).problems] == [
        "unknown-root",
        "host-mismatch",
        "weak-key",
        "expired-leaf",
    ]


def test_signature_is_checked_along_the_edge() -> None:
    one = leaf()
    assert check(cert(one), cert(intermediate())) is Signature.GOOD
    assert check(cert(altered(one)), cert(intermediate())) is Signature.BAD
    assert check(cert(one), cert(root())) is Signature.BAD


def test_signature_that_nobody_here_can_check_is_no_good_one() -> None:
    """Found by the property below: an algorithm without a name counted as verified."""
    der, known = leaf().der, bytes.fromhex("2a8648ce3d040302")
    strange = read(der.replace(known, bytes.fromhex("2a8648ce3d04037f")))
    assert strange
    graph = Graph(sent=(strange, cert(intermediate())), anchors=Anchors.of([root().der]))
    assert judge(graph, strange, name=NAME, at=NOW).problems[0].cause == "signature-unchecked"


def test_wildcard_is_for_one_label_and_no_address() -> None:
    assert matches("*.site.test", "app.site.test")
    assert not matches("*.site.test", "a.b.site.test")
    assert not matches("*.site.test", "site.test")
    assert not matches("*.test", "test")
    assert not is_for(cert(leaf(sans=("*.0.0.1",))), "127.0.0.1")
    assert is_for(cert(leaf(sans=("127.0.0.1",))), "127.0.0.1")


def test_hosts_of_one_owner_are_not_unrelated() -> None:
    assert not unrelated("a.example.org", "b.example.org")
    assert unrelated("a.example.org", "a.example.net")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    assert read(data) is None
    assert split_pem(data) in ((), (data,)) or all(isinstance(d, bytes) for d in split_pem(data))


GOOD_DER = good().sent[0].der


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD_DER) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_change_of_a_certificate_crashes_the_judgement(changes: list[tuple[int, int]]) -> None:
    der = bytearray(GOOD_DER)
    for place, value in changes:
        der[place] = value
    found = read(bytes(der))
    if found is None:
        return
    graph = Graph(sent=(found, cert(intermediate())), anchors=Anchors.of([root().der]))
    judgement = judge(graph, found, name=NAME, at=NOW)
    if bytes(der) != GOOD_DER and judgement.verifies:
        # Only where the change is none to the signed part: the signature has room for such (RFC 5280 section 4.1.1.2).
        assert check(found, cert(intermediate())) is Signature.GOOD


def test_pathological_chain_of_one_name_and_one_key_ends_soon() -> None:
    """What hung cryptography before 49: every certificate may have issued every other."""
    key = new_key()
    first = make("Same", ca=True, key=key, path_length=9)
    same = [make("Same", first, ca=True, key=key, path_length=n % 9) for n in range(120)]
    begun = time.monotonic()
    found = judged((leaf(first), *same), (root(),))
    assert time.monotonic() - begun < 2
    assert found.problems


def test_pathological_circle_of_two_names_and_one_key_ends_soon() -> None:
    """Each of 20 may have issued each of 20 others: 20 to the power of 11 paths, if nobody bounds them."""
    key = new_key()
    one, other = make("One", ca=True, key=key), make("Other", ca=True, key=key)
    circle = [make(*pair, ca=True, key=key) for _ in range(20) for pair in (("One", other), ("Other", one))]
    begun = time.monotonic()
    found = judged((leaf(circle[0]), *circle), (root(),))
    assert time.monotonic() - begun < 2
    assert found.problems


def test_number_of_signatures_that_are_checked_is_bounded() -> None:
    key = new_key()
    one, other = make("One", ca=True, key=key), make("Other", ca=True, key=key)
    circle = [make(*pair, ca=True, key=key) for _ in range(40) for pair in (("One", other), ("Other", one))]
    graph = Graph(sent=tuple(map(cert, (leaf(circle[0]), *circle))), anchors=Anchors.of([root().der]))
    for child in graph.sent:
        graph.issuers(child)
    assert sum(e.signature is not Signature.UNCHECKED for c in graph.sent for e in graph.issuers(c)) == 300


def test_pathological_web_of_many_names_ends_soon() -> None:
    layers = [[make(f"L{n}", ca=True, key=new_key()) for _ in range(6)] for n in range(6)]
    crossed = [
        make(f"L{n}", issuer, ca=True, key=layers[n][i].key)
        for n in range(5)
        for i in range(6)
        for issuer in layers[n + 1]
    ]
    begun = time.monotonic()
    found = judged((leaf(layers[0][0]), *crossed), (root(),))
    assert time.monotonic() - begun < 2
    assert found.problems


def test_certificate_says_nothing_unprintable() -> None:
    found = cert(make("a\x1b[31m\n\u202ered", ca=True))
    assert found.subject.isprintable()


def test_dates_are_judged_at_the_time_that_is_asked() -> None:
    one = good()
    sent = tuple(map(cert, one.sent))
    graph = Graph(sent=sent, anchors=Anchors.of([root().der]))
    for days, causes in ((0, []), (200, ["expired-leaf"]), (-500, ["not-yet-valid"])):
        found = judge(graph, sent[0], name=NAME, at=NOW + timedelta(days=days))
        assert [p.cause for p in found.problems] == causes
