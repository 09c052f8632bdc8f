"""One chain for each cause, with what cures it: every row of FACTS 2, and badssl's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from cryptography.x509.oid import ExtendedKeyUsageOID

from chains.factory import Made, altered, intermediate, make, new_key, root, rsa_root, with_sha1

NAME: Final = "app.site.test"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What a server sends, what the client trusts and asks for, and what makes it verify."""

    cause: str | None
    """None: it verifies."""
    sent: tuple[Made, ...]
    trusted: tuple[Made, ...]
    name: str = NAME
    drift: timedelta = timedelta(0)
    """What the server's Date says, against this host's clock."""
    elsewhere: tuple[Made, ...] = ()
    """To be had from the issuer's URL, which the scenario then takes as its argument; first one first."""
    add: tuple[Made, ...] = ()
    """The remedy: trust these as well."""
    wrong: tuple[Made, ...] = ()
    """What might be thought of and does not help."""
    use: str | None = None
    """The remedy: ask for this name."""
    reissued: tuple[Made, ...] = ()
    """The remedy: what the server has to send instead."""
    codes: tuple[int, ...] = ()
    """OpenSSL's, as FACTS 2 has them."""


def leaf(by: Made | None = None, **fields: object) -> Made:
    return make(NAME, by or intermediate(), **fields)  # type: ignore[arg-type]


def good() -> Scenario:
    return Scenario(cause=None, sent=(leaf(), intermediate()), trusted=(root(),))


def expired_leaf() -> Scenario:
    old = leaf(days=-3, begun=90)
    return replace(good(), cause="expired-leaf", sent=(old, intermediate()), reissued=good().sent, codes=(10,))


def expired_intermediate() -> Scenario:
    key = new_key()
    old, new = (make("Aged Intermediate", root(), ca=True, days=d, begun=90, key=key) for d in (-3, 300))
    sent = (leaf(old), old)
    return replace(good(), cause="expired-intermediate", sent=sent, add=(new,), reissued=(sent[0], new), codes=(10,))


def not_yet_valid() -> Scenario:
    early = leaf(begun=-3)
    return replace(good(), cause="not-yet-valid", sent=(early, intermediate()), reissued=good().sent, codes=(9,))


def clock_behind() -> Scenario:
    fresh = leaf(begun=-3)
    return replace(good(), cause="clock-behind", sent=(fresh, intermediate()), drift=timedelta(days=5), codes=(9,))


def clock_ahead() -> Scenario:
    old = leaf(days=-3, begun=90)
    return replace(good(), cause="clock-ahead", sent=(old, intermediate()), drift=timedelta(days=-5), codes=(10,))


def host_mismatch() -> Scenario:
    return replace(good(), cause="host-mismatch", name="wrong.host.test", use=NAME, codes=(62,))


def ip_mismatch() -> Scenario:
    return replace(good(), cause="ip-mismatch", name="127.0.0.1", use=NAME, codes=(64,))


def no_san() -> Scenario:
    return replace(good(), cause="no-san", sent=(leaf(sans=()), intermediate()), reissued=good().sent)


def missing_intermediate(url: str | None = None) -> Scenario:
    one = leaf(aia=url)
    return replace(
        good(),
        cause="missing-intermediate",
        sent=(one,),
        elsewhere=(intermediate(),),
        add=(intermediate(),),
        wrong=(root("Another Root"),),
        reissued=(one, intermediate()),
        codes=(20,),
    )


def unknown_root(url: str | None = None) -> Scenario:
    hidden = root("Hidden Root")
    middle = make("Hidden Intermediate", hidden, ca=True, aia=url)
    sent = (leaf(middle), middle)
    return replace(
        good(),
        cause="unknown-root",
        sent=sent,
        elsewhere=(hidden,),
        add=(hidden,),
        wrong=(intermediate(),),
        codes=(20,),
    )


def bad_signature() -> Scenario:
    sent = (altered(leaf()), intermediate())
    return replace(
        good(), cause="bad-signature", sent=sent, wrong=(intermediate(),), reissued=good().sent, codes=(7, 20)
    )


def another_key() -> Scenario:
    """A root that was made anew under its old name."""
    new = make("Test Root", ca=True)
    return replace(good(), cause="bad-signature", sent=(leaf(new),), wrong=(intermediate(),), add=(new,), codes=(7, 20))


def root_sent_along() -> Scenario:
    proxy = root("Proxy Root")
    sent = (leaf(proxy), proxy)
    return replace(good(), cause="root-sent-along", sent=sent, add=(proxy,), wrong=(sent[0],), codes=(19,))


def self_signed() -> Scenario:
    own = make(NAME, ca=None)
    return replace(good(), cause="self-signed", sent=(own,), add=(own,), wrong=(root("Another Root"),), codes=(18,))


def anchor_without_issuer() -> Scenario:
    sent = (leaf(), intermediate())
    return replace(
        good(),
        cause="anchor-without-issuer",
        sent=sent,
        trusted=(intermediate(),),
        add=(root(),),
        wrong=(root("Another Root"),),
        codes=(2,),
    )


def pinned_leaf() -> Scenario:
    sent = (leaf(), intermediate())
    return replace(
        good(),
        cause="pinned-leaf",
        sent=sent,
        trusted=(sent[0],),
        add=(root(),),
        wrong=(intermediate(),),
        codes=(2, 20),
    )


def expired_root() -> Scenario:
    """What broke old stores in 2021: the new root, sent as a cross-sign by the one that expired."""
    key, old = new_key(), root("Old Root", days=-3, begun=900)
    new = make("New Root", ca=True, key=key)
    cross = make("New Root", old, ca=True, key=key, days=300)
    middle = make("Newer Intermediate", new, ca=True)
    sent = (leaf(middle), middle, cross)
    return replace(
        good(),
        cause="expired-root",
        sent=sent,
        trusted=(old,),
        add=(new,),
        wrong=(root("Another Root"),),
        codes=(10,),
    )


def extended_key_usage() -> Scenario:
    sent = (leaf(usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)), intermediate())
    return replace(good(), cause="extended-key-usage", sent=sent, reissued=good().sent, codes=(26,))


def name_constraint() -> Scenario:
    narrow = make("Narrow CA", root(), ca=True, permitted="other.test")
    wide = make("Narrow CA", root(), ca=True, permitted="site.test", key=narrow.key)
    sent = (leaf(narrow), narrow)
    return replace(good(), cause="name-constraint", sent=sent, reissued=(sent[0], wide), codes=(47,))


def path_length() -> Scenario:
    below = make("Second Intermediate", intermediate(), ca=True)
    sent = (leaf(below), below, intermediate())
    return replace(good(), cause="path-length", sent=sent, reissued=good().sent, codes=(25,))


def issuer_is_no_ca() -> Scenario:
    server = make("Not A CA", root(), ca=False)
    authority = make("Not A CA", root(), ca=True, key=server.key)
    sent = (leaf(server), server)
    return replace(good(), cause="issuer-is-no-ca", sent=sent, reissued=(sent[0], authority), codes=(79,))


def weak_key() -> Scenario:
    sent = (leaf(key=new_key(1024)), intermediate())
    return replace(good(), cause="weak-key", sent=sent, reissued=good().sent, codes=(66,))


def weak_signature() -> Scenario:
    new = make("SHA-1 Intermediate", rsa_root(), ca=True)
    sent = (leaf(new), with_sha1(new, rsa_root()))
    trusted, reissued = (rsa_root(),), (sent[0], new)
    return replace(good(), cause="weak-signature", sent=sent, trusted=trusted, reissued=reissued, codes=(68,))


def strict() -> Scenario:
    """A root as companies make it, and no key identifiers below it."""
    plain = make("Corporate Root", ca=True, critical=False, ski=False, key_usage=False)
    sound = make("Corporate Root", ca=True, key=plain.key)
    return replace(
        good(),
        cause="strict",
        sent=(leaf(plain, aki=False),),
        trusted=(plain,),
        reissued=(leaf(sound), sound),
        codes=(85, 89, 86, 92),
    )


def thousand_names() -> Scenario:
    names = (*(f"host{n}.site.test" for n in range(1000)), NAME)
    return replace(good(), sent=(leaf(sans=names), intermediate()))


def no_common_name() -> Scenario:
    return replace(good(), sent=(make(None, intermediate(), sans=(NAME,)), intermediate()))


def wildcard() -> Scenario:
    return replace(good(), sent=(leaf(sans=("*.site.test",)), intermediate()))


def in_any_order() -> Scenario:
    other = root("Unrelated")
    return replace(good(), sent=(leaf(), other, root(), intermediate()))


def cross_signed_and_good() -> Scenario:
    """The same chain as in `expired_root`, and the store is of today."""
    one = expired_root()
    return replace(one, cause=None, trusted=(*one.trusted, *one.add), codes=())


FAILING: Final[tuple[Callable[..., Scenario], ...]] = (
    expired_leaf,
    expired_intermediate,
    not_yet_valid,
    clock_behind,
    clock_ahead,
    host_mismatch,
    ip_mismatch,
    no_san,
    missing_intermediate,
    unknown_root,
    bad_signature,
    another_key,
    root_sent_along,
    self_signed,
    anchor_without_issuer,
    pinned_leaf,
    expired_root,
    extended_key_usage,
    name_constraint,
    path_length,
    issuer_is_no_ca,
    weak_key,
    weak_signature,
    strict,
)
GOOD: Final[tuple[Callable[[], Scenario], ...]] = (
    good,
    thousand_names,
    no_common_name,
    wildcard,
    in_any_order,
    cross_signed_and_good,
)
