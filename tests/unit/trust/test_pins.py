"""Pins against a bundle and against a chain; what of them an image holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from certificates import BEGIN, DAY, LEAF, MIDDLE, ROOT, certificate
from chains.factory import make, root
from chains.scenarios import good, leaf
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import RecipeError
from builder.models.lock import Certificate
from builder.models.pin import Pin
from builder.trust.bundle import PemSource, make_bundle
from builder.trust.certs import Cert, read
from builder.trust.pins import (
    backups_for,
    check_pins,
    held_against,
    key_digest,
    key_text,
    parse_pins,
    pin_faults,
    pin_for,
    pins_files,
    pins_text,
    sentences,
)
from builder.trust.reached import Target

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
AT = int(datetime(2026, 11, 24, tzinfo=timezone.utc).timestamp())


def pin(**more: str) -> Pin:
    return Pin.model_validate({"host": "mirror.site", "root": A, "backup": B} | more)


def held(*ends: tuple[str, str]) -> tuple[Certificate, ...]:
    return tuple(Certificate.model_validate({"subject": "CN=x", "sha256": d, "not_after": end}) for d, end in ends)


def cert(made: object) -> Cert:
    found = read(made.der)  # type: ignore[attr-defined]
    assert found
    return found


def test_pins_whose_roots_are_in_the_bundle_and_last_hold() -> None:
    check_pins((pin(),), held((A, "2026-12-31"), (B, "2040-01-01")), at=AT, where="r: trust.pins")
    check_pins((), (), at=AT, where="r: trust.pins")


@pytest.mark.parametrize(
    ("bundle", "place", "what"),
    [
        (
            held((A, "2040-01-01")),
            "backup",
            "the backup root that is pinned for mirror.site is not in the image's bundle",
        ),
        (held((B, "2040-01-01")), "root", "the root that is pinned for mirror.site is not in the image's bundle"),
    ],
)
def test_a_root_that_the_bundle_lacks_is_a_fault_with_its_place(
    bundle: tuple[Certificate, ...], place: str, what: str
) -> None:
    (fault,) = pin_faults((pin(),), bundle, at=AT, where="recipes/r.yaml: trust.pins")
    assert fault.where == f"recipes/r.yaml: trust.pins[0].{place}"
    assert fault.what.startswith(what)
    assert (A if place == "root" else B) in str(fault.seen)
    assert "trust.extra" in str(fault.remedy)


def test_every_fault_of_every_pin_is_told_at_once() -> None:
    with pytest.raises(RecipeError, match="the pins do not hold in the image's bundle") as caught:
        check_pins((pin(), pin(host="b.site", root=C)), (), at=AT, where="p")
    assert [f.where for f in caught.value.faults] == ["p[0].root", "p[0].backup", "p[1].root", "p[1].backup"]


def test_one_of_the_two_roots_has_to_last_a_year_beyond_the_lock() -> None:
    (fault,) = pin_faults((pin(),), held((A, "2027-11-23"), (B, "2027-01-01")), at=AT, where="p")
    assert fault.what == "neither root that is pinned for mirror.site lasts a year"
    assert fault.seen == "the later one ends on 2027-11-23, the lock is of 2026-11-24"
    assert not list(pin_faults((pin(),), held((A, "2027-01-01"), (B, "2027-11-24")), at=AT, where="p"))


def test_a_pin_is_of_a_host_and_its_port() -> None:
    pins = (pin(), pin(host="mirror.site:8443"), pin(host="[::1]:8443"))
    assert pin_for(pins, Target(host="mirror.site")) is pins[0]
    assert pin_for(pins, Target(host="mirror.site", port=8443)) is pins[1]
    assert pin_for(pins, Target(host="::1", port=8443)) is pins[2]
    assert pin_for(pins, Target(host="mirror.site", port=9)) is None


SENT = good().sent
PATH = tuple(map(cert, (*SENT, root())))
OURS = pin(root=PATH[-1].sha256, key=key_text(PATH[0]))


def test_a_chain_as_pinned_is_no_alarm() -> None:
    verdict = held_against(OURS, PATH)
    assert (verdict.root, verdict.key, verdict.alarm) == ("root", "same", False)
    assert list(sentences(verdict)) == ["As pinned: the chain ends in the pinned root, its key is the pinned one."]
    as_hex = pin(root=PATH[-1].sha256, key=key_digest(PATH[0]).hex())
    assert held_against(as_hex, PATH).key == "same"
    assert held_against(pin(root=PATH[-1].sha256), PATH).key == "not pinned"


def test_a_renewal_with_the_same_key_is_no_alarm_and_one_with_another_is() -> None:
    again = (cert(leaf(key=SENT[0].key)), *PATH[1:])
    assert again[0] != PATH[0]
    assert not held_against(OURS, again).alarm
    other = held_against(OURS, (cert(leaf()), *PATH[1:]))
    assert (other.root, other.key, other.alarm) == ("root", "other", True)
    (line,) = sentences(other)
    assert line.startswith("Alarm: mirror.site has another key than the pinned one (seen ")
    assert "ask those who run mirror.site by another way" in line


def test_a_chain_from_another_root_is_an_alarm_and_the_backup_is_none() -> None:
    other = held_against(pin(root=A, backup=B), PATH)
    assert (other.root, other.alarm) == ("other", True)
    assert next(sentences(other)).startswith("Alarm: the chain of mirror.site ends in CN=Test Root (SHA-256 ")
    moved = held_against(pin(backup=PATH[-1].sha256), PATH)
    assert (moved.root, moved.alarm) == ("backup", False)
    assert "has moved to the backup root" in next(sentences(moved))


def test_a_chain_that_ends_nowhere_is_the_diagnosis_s_business() -> None:
    assert held_against(OURS, PATH[:2]).root == "none"
    assert not held_against(OURS, PATH[:2]).alarm


def named(name: str, days: int, *, organisation: str = "site", ca: bool = True) -> Cert:
    one = certificate(days, ca=ca, name=name, issuer=name)
    key = (*one.subject_key, ("2.5.4.10", organisation))
    return replace(one, subject_key=key, issuer_key=key)


def test_backup_is_another_lasting_root_of_the_same_organisation() -> None:
    mine, soon, long, longer = (named(n, d) for n, d in (("a", 7300), ("b", 400), ("c", 5000), ("d", 6000)))
    stranger, leaf_of_theirs = named("e", 9000, organisation="other"), named("f", 9000, ca=False)
    nobody = certificate(9000, ca=True)
    store = (mine, soon, long, longer, stranger, leaf_of_theirs, nobody)
    assert backups_for(mine, store, at=BEGIN + 300 * DAY) == (longer, long)
    assert backups_for(nobody, store, at=BEGIN) == (), "no organisation: nothing is known of another"


def test_key_of_a_certificate_is_as_openssl_has_it() -> None:
    import subprocess

    made = make("a.site")
    text = "openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64"
    done = subprocess.run(["sh", "-c", text], input=made.pem, capture_output=True, text=True, check=True)
    assert key_text(cert(made)) == done.stdout.strip()


def test_an_image_without_pins_has_no_file_of_them() -> None:
    assert pins_files(()) == ()
    (file,) = pins_files((OURS, pin(host="a.site")))
    assert file.path == "/etc/builder/pins.json"
    assert [p["host"] for p in json.loads(file.content)["pins"]] == ["a.site", "mirror.site"]
    assert parse_pins(file.content, "x") == (pin(host="a.site"), OURS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        '{"version": 2, "pins": []}',
        '{"version": 1}',
        '{"version": 1, "pins": [{"host": "a"}]}',
        "[" * 99999,
    ],
)
def test_a_file_that_holds_no_pins_is_told(text: str) -> None:
    with pytest.raises(RecipeError, match="the pins of the image cannot be read"):
        parse_pins(text, "image: /etc/builder/pins.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
)


@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda v: json.dumps({"version": 1, "pins": v})))
def test_no_text_crashes_the_reader_of_an_image_s_pins(text: str) -> None:
    try:
        found = parse_pins(text, "x")
    except RecipeError:
        return
    assert parse_pins(pins_text(found), "x") == tuple(sorted(found, key=lambda p: p.host))


def test_a_leaf_is_no_root_of_any_bundle() -> None:
    """A leaf's fingerprint as a pin: bundles hold CA certificates alone, so that it is never found there."""
    bundle = held((ROOT.sha256, "2045-01-01"), (MIDDLE.sha256, "2045-01-01"))
    (fault,) = pin_faults((pin(root=LEAF.sha256, backup=ROOT.sha256),), bundle, at=AT, where="p")
    assert "a leaf is never one" in str(fault.seen)


def test_a_leaf_in_trust_extra_is_refused_with_the_reason_and_the_way_to_pin() -> None:
    """FACTS 1, code 20: a chain whose leaf alone is trusted is incomplete for OpenSSL without PARTIAL_CHAIN."""
    with pytest.raises(RecipeError) as caught:
        make_bundle((PemSource(where="recipes/site/leaf.pem", text=LEAF.pem),), at=AT)
    (fault,) = caught.value.faults
    assert (fault.where, fault.what) == ("recipes/site/leaf.pem", "not a CA certificate (basicConstraints CA:FALSE)")
    assert "fails at once in Python up to 3.12, requests, pip, git, Node, uv and apt" in str(fault.remedy)
    assert "`builder certs pin HOST` pins the root, and the leaf's key as an alarm" in str(fault.remedy)
