"""The doctor for one host: asks, judges, compares, tries remedies, and gives one diagnosis."""

from __future__ import annotations

import dataclasses
import functools
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builder.adapters.tls.case import DATES, WRONG_CLOCK, Case, Options
from builder.adapters.tls.dial import Dial
from builder.adapters.tls.probe import attempt, plain_answer, portal_of, reach
from builder.adapters.tls.remedies import Trial
from builder.adapters.tls.stores import Store, bundle_store, find_stores, override
from builder.adapters.tls.together import Asked, together
from builder.adapters.tls.verifiers import library_verdict
from builder.trust.causes import CAUSES
from builder.trust.certs import read
from builder.trust.clients import Affected, affected
from builder.trust.diagnosis import (
    VERIFIES,
    CrossCheck,
    Diagnosis,
    at_text,
    cross_check,
    named_clock,
    of_trouble,
    rows_of,
    sentence_of,
)
from builder.trust.pins import held_against, pin_for
from builder.trust.reached import Reached, Target, Trouble, Verdict

__all__ = ["Options", "examine"]
_OLD = {"SSLv3": "SSL 3", "TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1"}


def examine(target: Target, options: Options) -> Diagnosis:
    """The diagnosis of one host. Raises RecipeError for an unreadable bundle, HostError for an unknown proxy."""
    dial = Dial(target, address=options.address, proxy=options.proxies.get(target))
    given = _given(options)
    for path in options.try_files:
        bundle_store(path)  # a file that cannot be read is told before anything is asked
    finding = None if given else Asked([find_stores])
    reached = reach(dial)
    if trouble := _trouble(dial, reached, options):
        return of_trouble(dataclasses.replace(reached, trouble=trouble))
    stores: Any = given or (finding.answers(5)[0] if finding else None) or find_stores()
    sent = tuple(dict.fromkeys(c for der in reached.chain if (c := read(der))))
    condas = tuple(_conda_store(path) for path in options.also)
    about = tuple(store for store in condas if store.decisive)
    return _diagnosis(
        Case(dial=dial, reached=reached, sent=sent, stores=(*stores, *condas), about=about, options=options)
    )


def _given(options: Options) -> tuple[Store, ...]:
    return (bundle_store(options.bundle),) if options.bundle else options.stores or ()


def _conda_store(path: Path) -> Store:
    store = bundle_store(path)
    name = f"the ssl_verify of conda, {path.name}"
    return Store(name, store.where, "conda, by its .condarc", store.ders, decisive=override() is None)


def _trouble(dial: Dial, reached: Reached, options: Options) -> Trouble | None:
    """Why there is no chain to judge."""
    if reached.trouble:
        return _portal(dial, reached.trouble, options) or reached.trouble
    if not reached.chain or read(reached.chain[0]) is None:
        detail = f"{len(reached.chain[0])} bytes that are no X.509 certificate" if reached.chain else "there is none"
        return Trouble(cause="unreadable-certificate", detail=detail)
    if reached.version in _OLD:
        return Trouble(cause="protocol-too-old", detail=_OLD[reached.version])
    return None


def _portal(dial: Dial, trouble: Trouble, options: Options) -> Trouble | None:
    """A connection that breaks may be a login page's doing: port 80 tells."""
    if trouble.cause not in ("reset-in-handshake", "handshake-refused", "connection-refused"):
        return None
    (answer,) = together([functools.partial(plain_answer, dial, options.http_port)], 2.0)
    portal = portal_of(dial.target.host, answer)
    return Trouble(cause="captive-portal", detail=portal) if portal else None


def _diagnosis(case: Case) -> Diagnosis:
    """Everything, with the one cause."""
    case.more  # noqa: B018 - others are asked while we judge
    verdicts = _asked(case)
    cause, fields = case.named()
    checks = tuple(_cross_checks(case, cause, verdicts))
    if cause == VERIFIES and (trouble := _trouble_all_the_same(case, checks)):
        return of_trouble(dataclasses.replace(case.reached, trouble=trouble))
    path = case.judgement.path
    pin = pin_for(case.options.pins, case.dial.target)
    return Diagnosis(
        target=case.dial.target,
        cause=cause,
        sentence=sentence_of(cause, case.dial.target, **fields),
        reached=case.reached,
        evidence=tuple(_evidence(case)),
        chain=rows_of(case.graph, case.judgement),
        stores=tuple(case.store_verdicts(cause)),
        cross_checks=checks,
        also=tuple(case.also(cause)),
        remedies=tuple(Trial(case).all(cause, fields)),
        clients=_clients(case, cause),
        issuer=path.top if case.unanchored else None,
        path=path.certs,
        pin=held_against(pin, path.certs) if pin else None,
    )


def _trouble_all_the_same(case: Case, checks: tuple[CrossCheck, ...]) -> Trouble | None:
    """Why nobody gets through, though the chain verifies."""
    odd = [c.verdict.text for c in checks if not (c.library or c.verdict.ok or c.verdict.code)]
    if odd:
        detail = f"a cipher or key exchange that is no longer taken ({odd[0]})"
        return Trouble(cause="protocol-too-old", detail=detail)
    return Trouble(cause="handshake-refused", detail=case.reached.alert) if case.reached.alert else None


def _clients(case: Case, cause: str) -> Affected | None:
    """By the table; where stores differ, the clients of those that refuse."""
    found, stores = affected(cause), [s for s in case.store_verdicts(cause) if s.decisive]
    accept = tuple(s.users for s in stores if s.verifies)
    if found is None or not accept or not any(not s.verifies for s in stores):
        return found
    return Affected(refuse=tuple(s.users for s in stores if not s.verifies), accept=accept, why="their stores differ")


def _asked(case: Case) -> Asked:
    """OpenSSL, OpenSSL as strict as Python 3.13 has it, and the library: each asked about the same chain."""
    anchors, host = case.store.anchors.ders, case.dial.target.host
    return Asked(
        [
            lambda: attempt(case.dial, anchors),
            lambda: attempt(case.dial, anchors, strict=True),
            lambda: library_verdict(case.sent, anchors, name=host, at=case.now),
        ]
    )


def _cross_checks(case: Case, cause: str, asked: Asked) -> Iterator[CrossCheck]:
    late = Verdict(ok=False, text="no answer in time")
    found: list[Any] = [verdict or late for verdict in asked.answers(5.0)]
    plain, strict, library = found
    entry, version = CAUSES[cause], " ".join(ssl.OPENSSL_VERSION.split()[:2])
    yield cross_check(f"{version}, as Python up to 3.12 asks", plain, entry)
    yield CrossCheck(
        who=f"{version}, strict, as Python 3.13 asks", verdict=strict, agrees=_strict_agrees(case, cause, strict)
    )
    yield cross_check("cryptography's x509.verification", library, entry, library=True)


def _strict_agrees(case: Case, cause: str, verdict: Verdict) -> bool:
    """Strictly, a chain fails for its cause or for what only strict clients ask."""
    lacking = bool(case.judgement.strict)
    if cause in (VERIFIES, "strict"):
        return verdict.ok is not lacking
    return cross_check("", verdict, CAUSES[cause]).agrees or (lacking and not verdict.ok)


def _evidence(case: Case) -> Iterator[str]:
    reached = case.reached
    own = " that proxy_servers names" if case.dial.target in case.options.proxies else ""
    way = f" by the proxy {reached.proxy}{own}" if reached.proxy else ""
    yield f"connected to {reached.address}{way}, {reached.version}, {len(case.sent)} certificates sent"
    dates = [r for r in (reached, *case.neighbours_there) if r.drift is not None]
    if dates and (abs(case.drift or 0) > WRONG_CLOCK or case.causes & DATES):
        told = (
            f"{r.target.host} {named_clock(r.drift or 0)} {'behind' if (r.drift or 0) < 0 else 'ahead'}" for r in dates
        )
        yield f"this machine's clock, {at_text(case.now)}, by the dates of others: {', '.join(told)}"
    elif reached.drift is not None:
        yield f"this machine's clock differs from the server's by {abs(reached.drift):.0f} s"
    for cert in case.sent:
        for fault in cert.faults[:3]:
            yield f"{cert.subject}: {fault}"
