"""What is wrong on a path of certificates: each rule gives the causes that it finds. Pure.

In the order in which a person has to deal with them: no use in renewing a certificate that nobody trusts anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from builder.trust.certs import Cert
from builder.trust.graph import Anchors, Graph, Path, Signature
from builder.trust.names import address, forbidden, is_for

_SERVER: Final = ("1.3.6.1.5.5.7.3.1", "2.5.29.37.0")
_WEAK_DIGESTS: Final = ("md5", "sha1")
_RSA_FLOOR, _EC_FLOOR = 2048, 224
_NO_ANCHOR: Final = {"signature-unchecked", "unknown-root", "root-sent-along", "self-signed", "bad-signature"}
_HALF_ANCHORED: Final = {"anchor-without-issuer", "pinned-leaf"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One cause on one certificate."""

    cause: str
    """An id of `causes.CAUSES`."""
    cert: Cert
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The best path that there is, and what is wrong with it."""

    path: Path
    problems: tuple[Problem, ...]
    """Hardest first; empty: it verifies."""
    strict: tuple[Problem, ...]
    """What clients that read RFC 5280 strictly (Python 3.13) refuse beyond that."""

    @property
    def verifies(self) -> bool:
        """For clients that are not strict."""
        return not self.problems


def judge(graph: Graph, leaf: Cert, *, name: str, at: datetime) -> Judgement:
    """The best of the paths from the leaf: the one whose hardest problem is the least hard."""
    found = [_judged(graph, path, name=name, at=at) for path in graph.paths(leaf)]
    return min(found, key=lambda j: (_rank(j), len(j.problems), len(j.strict), len(j.path.certs)))


def _judged(graph: Graph, path: Path, *, name: str, at: datetime) -> Judgement:
    problems = [*_end(graph.anchors, path), *_use(path), *_names(path, name), *_strength(path), *_dates(path, at)]
    return Judgement(path=path, problems=tuple(problems), strict=tuple(_strict(path)))


def _rank(judgement: Judgement) -> int:
    """How far the path is from verifying: no anchor is worse than a wrong date."""
    causes = {p.cause for p in judgement.problems}
    return 3 if causes & _NO_ANCHOR else 2 if causes & _HALF_ANCHORED else 1 if causes else 0


def _end(anchors: Anchors, path: Path) -> Iterator[Problem]:
    """How the path ends: in a trust anchor, or why not."""
    top, leaf = path.top, path.certs[0]
    trusted = [c for c in path.certs if c in anchors]
    if unchecked := next((e for e in path.edges if e.signature is Signature.UNCHECKED), None):
        yield Problem(cause="signature-unchecked", cert=unchecked.child)
    if top.self_issued and top in anchors:
        return
    if trusted:
        yield Problem(cause="pinned-leaf" if trusted == [leaf] else "anchor-without-issuer", cert=trusted[-1])
    elif path.loose and any(e.signature is Signature.BAD for e in path.loose):
        yield Problem(cause="bad-signature", cert=top, detail=_whose(path))
    elif top.self_issued:
        yield Problem(cause="root-sent-along" if len(path.certs) > 1 else "self-signed", cert=top)
    else:
        yield Problem(cause="unknown-root", cert=top)


def _whose(path: Path) -> str:
    other = any(e.same_key_id is False for e in path.loose)
    return "another key of that name made it" if other else "it was altered, or made by another key of that name"


def _use(path: Path) -> Iterator[Problem]:
    """What each certificate may be used for."""
    for depth, cert in enumerate(path.certs[1:]):
        if not _may_issue(cert):
            yield Problem(cause="issuer-is-no-ca", cert=cert)
        below = sum(not c.self_issued for c in path.certs[1 : depth + 1])
        if cert.path_length is not None and below > cert.path_length:
            yield Problem(cause="path-length", cert=cert, detail=f"allows {cert.path_length} below it, has {below}")
    # A root's own extended key usage is OpenSSL's business too, an anchor or not.
    for cert in path.certs:
        if cert.usages and not set(cert.usages) & set(_SERVER):
            yield Problem(cause="extended-key-usage", cert=cert, detail=", ".join(cert.usages))


def _may_issue(cert: Cert) -> bool:
    """As OpenSSL's check_ca: without basicConstraints, a root of version 1 or an explicit keyCertSign."""
    if cert.signs is False:
        return False
    if cert.ca is None:
        return cert.signs is True or (not cert.version_3 and cert.self_issued)
    return cert.ca


def _names(path: Path, name: str) -> Iterator[Problem]:
    leaf = path.certs[0]
    for cert in path.certs[1:]:
        if cert.constraints and (bad := forbidden(cert.constraints, leaf)):
            yield Problem(cause="name-constraint", cert=cert, detail=bad)
    if not leaf.san:
        yield Problem(cause="no-san", cert=leaf, detail=leaf.common_name or "")
    elif not is_for(leaf, name):
        yield Problem(cause="ip-mismatch" if address(name) else "host-mismatch", cert=leaf, detail=name)


def _strength(path: Path) -> Iterator[Problem]:
    """OpenSSL's security level 2, the default of Debian, Ubuntu and Python: 112 bits."""
    for cert in path.certs:
        if 0 < cert.key_bits < (_RSA_FLOOR if cert.rsa else _EC_FLOOR):
            yield Problem(cause="weak-key", cert=cert, detail=cert.key)
    for cert in path.certs[:-1] if path.top.self_issued else path.certs:
        if cert.digest in _WEAK_DIGESTS:
            yield Problem(cause="weak-signature", cert=cert, detail=cert.digest.upper().replace("SHA", "SHA-"))


def _dates(path: Path, at: datetime) -> Iterator[Problem]:
    last = len(path.certs) - 1
    for depth, cert in enumerate(path.certs):
        kind = "leaf" if depth == 0 else "root" if depth == last and cert.self_issued else "intermediate"
        if at > cert.not_after:
            yield Problem(cause=f"expired-{kind}", cert=cert, detail=f"{cert.not_after:%Y-%m-%d %H:%M} UTC")
        elif at < cert.not_before:
            yield Problem(cause="not-yet-valid", cert=cert, detail=f"{cert.not_before:%Y-%m-%d %H:%M} UTC")


def _strict(path: Path) -> Iterator[Problem]:
    """What X509_V_FLAG_X509_STRICT asks beyond the rest (OpenSSL 3, check_extensions in x509_vfy.c)."""
    for depth, cert in reversed(list(enumerate(path.certs))):  # the root first: what it lacks, those below inherit
        lacks = [*_lacks(cert), *(["authority key identifier"] if cert.aki is None and not _last(path, depth) else [])]
        if lacks:
            yield Problem(cause="strict", cert=cert, detail=", ".join(lacks))


def _last(path: Path, depth: int) -> bool:
    return depth == len(path.certs) - 1 and path.top.self_issued


def _lacks(cert: Cert) -> Iterator[str]:
    if not cert.ca:
        return
    if not cert.ca_critical:
        yield "critical basicConstraints"
    if cert.ski is None:
        yield "subject key identifier"
    if cert.signs is None:
        yield "keyUsage"
