"""The CA bundle: strict about what is let in, the same bytes for the same inputs. Pure.

Only certificates that may issue others are anchors. Expiry is judged at the lock's own time and not by the clock, so
that the bundle can be made again, byte for byte, on another machine and on another day.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from builder.errors import Fault, RecipeError
from builder.models.lock import Certificate

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as Anchor
    from cryptography.x509 import Name

_BLOCK = re.compile(r"-----BEGIN ([^-\n]+)-----\s.*?-----END \1-----", re.DOTALL)
_BEGIN = re.compile(r"-----BEGIN ")
_LEAST_RSA = 2048
"""Bits; OpenSSL's security level 2, which Debian and Python set."""


_ISSUED = (
    "take the root that issued it: a leaf as an anchor fails at once in Python up to 3.12, requests, pip, git, Node, "
    "uv and apt; `builder certs pin HOST` pins the root, and the leaf's key as an alarm"
)
_OWN_ISSUER = (
    "it issued itself: a root has to say of itself that it is one (basicConstraints CA:TRUE, keyUsage keyCertSign), or "
    "Python 3.13 and later refuse it; have it made again with these, or let a CA of the site issue for the server"
)


@dataclass(frozen=True, kw_only=True)
class PemSource:
    """A text with certificates, and where it is from."""

    where: str
    """For messages: `recipes/site/corp.pem`, `certifi 2026.10.18`."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A finished CA bundle."""

    pem: str
    certificates: tuple[Certificate, ...]
    """What is in it, sorted by fingerprint, as the text is."""
    notes: tuple[str, ...]
    """What was left out, and why."""


def make_bundle(sources: tuple[PemSource, ...], *, at: int) -> Bundle:
    """One bundle of all sources, without what has expired at `at` (seconds since 1970) and without repetition.

    Raises RecipeError, with every fault at once, for a private key, what is no CA or cannot be read.
    """
    found: dict[str, Anchor] = {}
    places: dict[str, str] = {}
    notes: list[str] = []
    faults: list[Fault] = []
    moment = datetime.fromtimestamp(at, timezone.utc)
    for source in sources:
        for place, item in _certificates(source):
            if isinstance(item, Fault):
                faults.append(item)
            elif item.not_valid_after_utc <= moment:
                notes.append(f"{place}: {_subject(item)} left out: it expired on {item.not_valid_after_utc:%Y-%m-%d}")
            elif found.setdefault(digest := _fingerprint(item), item) is not item:
                notes.append(f"{place}: {_subject(item)} is there already")
            else:
                places[digest] = place
                notes += (f"{place}: {_subject(item)} {doubt}" for doubt in _doubts(item, moment))
    faults += _without_issuer(found, places)
    if faults:
        raise RecipeError("the CA bundle cannot be made", faults=tuple(faults))
    if not found:
        raise RecipeError("the CA bundle would be empty", where=", ".join(s.where for s in sources))
    anchors = sorted(found.items())
    certificates = tuple(_model(digest, anchor) for digest, anchor in anchors)
    return Bundle(pem="\n".join(_text(a) for _, a in anchors), certificates=certificates, notes=tuple(notes))


def _without_issuer(found: dict[str, Anchor], places: dict[str, str]) -> Iterator[Fault]:
    """Anchors that somebody else issued who is not there: OpenSSL and Python end no chain in them (FACTS 2, code 2)."""
    subjects = {anchor.subject for anchor in found.values()}
    for digest, anchor in found.items():
        if anchor.issuer not in subjects:
            yield Fault(
                what="an intermediate without the root that issued it: curl ends a chain there, and Python does not",
                where=places[digest],
                seen=f"{_subject(anchor)}, issued by {_name(anchor.issuer)}",
                remedy="add that root, or take it instead",
            )


def _doubts(anchor: Anchor, moment: datetime) -> Iterator[str]:
    """Why clients may not end a chain here all the same."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415

    if anchor.not_valid_before_utc > moment:
        yield f"is not valid before {anchor.not_valid_before_utc:%Y-%m-%d}: until then nothing that it issued verifies"
    try:
        key = anchor.public_key()
    except ValueError:
        return
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA:
        yield f"has an RSA key of {key.key_size} bits: OpenSSL 3 takes none below {_LEAST_RSA}"


def _certificates(source: PemSource) -> Iterator[tuple[str, Anchor | Fault]]:
    """Each PEM block with its place; a Fault for one that may not be in a bundle."""
    blocks = list(_BLOCK.finditer(source.text))
    if not blocks or len(blocks) != len(_BEGIN.findall(source.text)):
        seen = f"{len(blocks)} whole PEM blocks of {len(_BEGIN.findall(source.text))}"
        remedy = "a DER file becomes PEM by `openssl x509 -inform der -in FILE`"
        yield source.where, Fault(what="no readable PEM text", where=source.where, seen=seen, remedy=remedy)
    for number, block in enumerate(blocks, start=1):
        place = f"{source.where}: certificate {number}" if len(blocks) > 1 else source.where
        yield place, _read(block, place)


def _read(block: re.Match[str], place: str) -> Anchor | Fault:
    from cryptography import x509  # noqa: PLC0415 - not on the path of `builder --help`
    from cryptography.utils import CryptographyDeprecationWarning  # noqa: PLC0415

    label = block[1]
    if "PRIVATE KEY" in label:
        return Fault(
            what="a private key among the certificates: it would end in the image for everyone to read",
            where=place,
            seen=label,
            remedy="remove it from the file, and replace the key if the file was shared",
        )
    if label not in ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
        return Fault(what="not a certificate", where=place, seen=label)
    if label == "TRUSTED CERTIFICATE":
        remedy = "`openssl x509 -in FILE` writes the certificate without OpenSSL's own trust settings"
        return Fault(what="OpenSSL's own format, which only OpenSSL reads", where=place, seen=label, remedy=remedy)
    try:
        with warnings.catch_warnings():
            # Six of Mozilla's roots (Go Daddy G2 is one) have the serial number 0, which RFC 5280 forbids.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return _authority(x509.load_pem_x509_certificate(block[0].encode()), place)
    except ValueError as error:
        return Fault(what="the certificate cannot be read", where=place, seen=str(error).splitlines()[0])


def _authority(certificate: Anchor, place: str) -> Anchor | Fault:
    """The certificate when it may issue others (RFC 5280, 4.2.1.9 and 4.2.1.3), else what is wrong with it."""
    from cryptography import x509  # noqa: PLC0415

    def lacking(what: str) -> Fault:
        remedy = _OWN_ISSUER if certificate.issuer == certificate.subject else _ISSUED
        return Fault(what=what, where=place, seen=_subject(certificate), remedy=remedy)

    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return lacking("not a CA certificate (basicConstraints CA:FALSE)")
    except x509.ExtensionNotFound:
        return lacking("not a CA certificate (no basicConstraints)")
    try:
        if not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            return lacking("a CA that may not sign certificates (keyUsage without keyCertSign)")
    except x509.ExtensionNotFound:
        pass  # any use is allowed
    return certificate


def _subject(certificate: Anchor) -> str:
    return _name(certificate.subject)


def _name(whole: Name) -> str:
    """A name on one line; whatever is not printable ends as an escape, so that it cannot leave its comment."""
    name = whole.rfc4514_string() or "(no subject)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _fingerprint(certificate: Anchor) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    return certificate.fingerprint(SHA256()).hex()


def _model(digest: str, anchor: Anchor) -> Certificate:
    not_after = f"{anchor.not_valid_after_utc:%Y-%m-%d}"
    return Certificate.model_validate({"subject": _subject(anchor), "sha256": digest, "not_after": not_after})


def _text(anchor: Anchor) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    pem = anchor.public_bytes(Encoding.PEM).decode()
    # ASCII alone: Python refuses a bundle given as text with anything else in it.
    subject = _subject(anchor).encode("ascii", "backslashreplace").decode()
    return f"# {subject}\n# SHA-256 {_fingerprint(anchor)}\n{pem}"
