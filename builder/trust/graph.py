"""The graph of certificates: who may have issued whom, by name, key identifier and the signature itself. Pure.

The search is bounded, because the certificates are a stranger's: a chain of same names and same keys has as many
paths as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from builder.trust.certs import Cert, Name, parsed, read, subject_of

MOST_SENT: Final = 40
_MOST_SIGNATURES: Final = 300
_MOST_PATHS: Final = 60
_LONGEST: Final = 12


class Signature(Enum):
    """What checking an edge's signature gave."""

    GOOD = "verified"
    BAD = "does not match"
    UNCHECKED = "not checked"
    """An algorithm that is unknown here, or beyond the number of checks that one diagnosis makes."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """`child` names `issuer` as its issuer."""

    child: Cert
    issuer: Cert
    signature: Signature
    same_key_id: bool | None
    """AKI against SKI; None where one is missing."""


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """A store's trust anchors, found by subject; each is read whole only when a chain asks for it."""

    by_subject: dict[Name, tuple[bytes, ...]]
    ders: tuple[bytes, ...]

    @classmethod
    def of(cls, ders: Iterable[bytes]) -> Anchors:
        """Of DER; what cannot be read is left out."""
        found: dict[Name, tuple[bytes, ...]] = {}
        subjects = {der: subject for der in ders if (subject := subject_of(der)) is not None}
        for der in sorted(subjects):
            found[subjects[der]] = (*found.get(subjects[der], ()), der)
        return cls(by_subject=found, ders=tuple(subjects))

    def named(self, subject: Name) -> tuple[Cert, ...]:
        """Those of that name."""
        return tuple(c for der in self.by_subject.get(subject, ()) if (c := read(der)))

    def __contains__(self, certificate: Cert) -> bool:
        return certificate.der in self.by_subject.get(certificate.subject_key, ())

    def plus(self, more: Iterable[Cert]) -> Anchors:
        """With further ones."""
        return Anchors.of([*self.ders, *(c.der for c in more)])


@dataclass(frozen=True, kw_only=True)
class Path:
    """From the leaf upwards, as far as signatures lead."""

    edges: tuple[Edge, ...]
    certs: tuple[Cert, ...]
    loose: tuple[Edge, ...]
    """Where it ends: certificates of the issuer's name that did not sign it."""

    @property
    def top(self) -> Cert:
        """The last certificate."""
        return self.certs[-1]


@dataclass
class Graph:
    """What the server sent, what is trusted, and what else is known; remembers each signature that it checked."""

    sent: tuple[Cert, ...]
    anchors: Anchors
    known: tuple[Cert, ...] = ()
    """Neither sent nor trusted: found elsewhere, as by an issuer's URL."""
    _checked: dict[tuple[Cert, Cert], Signature] = field(default_factory=dict)

    def paths(self, leaf: Cert) -> list[Path]:
        """Paths from the leaf, bounded in number and length; those by way of the store come first."""
        return list(self._walk((leaf,), (), [_MOST_PATHS]))

    def issuers(self, child: Cert) -> list[Edge]:
        """Every certificate that has the name of the child's issuer, trusted ones first."""
        pool = (*self.anchors.named(child.issuer_key), *self.sent[:MOST_SENT], *self.known)
        named = dict.fromkeys(c for c in pool if c.subject_key == child.issuer_key and c != child)
        return [self._edge(child, issuer) for issuer in named]

    def _walk(self, certs: tuple[Cert, ...], edges: tuple[Edge, ...], left: list[int]) -> Iterator[Path]:
        last = certs[-1]
        end = last.self_issued and (last in self.anchors or len(certs) > 1)
        found = [] if end or len(certs) >= _LONGEST else [e for e in self.issuers(last) if e.issuer not in certs]
        good = [e for e in found if e.signature is not Signature.BAD]
        if not good:
            left[0] -= 1
            yield Path(edges=edges, certs=certs, loose=tuple(found))
        for edge in good:
            if left[0] > 0:
                yield from self._walk((*certs, edge.issuer), (*edges, edge), left)

    def _edge(self, child: Cert, issuer: Cert) -> Edge:
        pair = (child, issuer)
        if pair not in self._checked:
            full = len(self._checked) >= _MOST_SIGNATURES
            self._checked[pair] = Signature.UNCHECKED if full else check(child, issuer)
        same = None if child.aki is None or issuer.ski is None else child.aki == issuer.ski
        return Edge(child=child, issuer=issuer, signature=self._checked[pair], same_key_id=same)


def check(child: Cert, issuer: Cert) -> Signature:
    """Whether the issuer's key signed the child."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa  # noqa: PLC0415

    try:
        one, key = parsed(child.der), parsed(issuer.der).public_key()
        signature, text, digest = one.signature, one.tbs_certificate_bytes, one.signature_hash_algorithm
        if isinstance(key, rsa.RSAPublicKey):
            scheme = one.signature_algorithm_parameters
            if not isinstance(scheme, padding.PKCS1v15 | padding.PSS) or digest is None:
                return Signature.BAD
            key.verify(signature, text, scheme, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if digest is None:
                return Signature.BAD
            key.verify(signature, text, ec.ECDSA(digest))
        else:
            one.verify_directly_issued_by(parsed(issuer.der))
    except InvalidSignature:
        return Signature.BAD
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return Signature.UNCHECKED
    return Signature.GOOD
