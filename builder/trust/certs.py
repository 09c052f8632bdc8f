"""A certificate as the diagnosis reads it: every field that can make a chain fail. Pure.

Whatever a server sends has to be readable, so nothing here raises for bytes: what cannot be read is a fault in words.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from cryptography import x509

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PEM: Final = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----\s.*?-----END [^-]*-----", re.DOTALL)
_T = TypeVar("_T")


Name = tuple[tuple[str, str], ...]
"""A subject or issuer as OpenSSL compares it: by OID and value, without case and repeated spaces."""


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """The name constraints of a CA."""

    permitted_dns: tuple[str, ...] = ()
    permitted_ip: tuple[Network, ...] = ()
    excluded_dns: tuple[str, ...] = ()
    excluded_ip: tuple[Network, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cert:
    """One certificate. Two are equal when their bytes are."""

    der: bytes
    subject: str
    issuer: str
    subject_key: Name
    issuer_key: Name
    not_before: datetime
    not_after: datetime
    version_3: bool
    ski: bytes | None = None
    aki: bytes | None = None
    ca: bool | None = None
    """basicConstraints; None where there is none."""
    ca_critical: bool = False
    path_length: int | None = None
    signs: bool | None = None
    """keyCertSign; None where there is no keyUsage."""
    usages: tuple[str, ...] = ()
    """Extended key usages, by OID; empty: any use."""
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    san: bool = False
    common_name: str | None = None
    key: str = "unknown"
    """`RSA 2048`, `EC 256`."""
    key_bits: int = 0
    rsa: bool = False
    digest: str = ""
    """Of its signature: `sha256`; empty for Ed25519 and what is unknown."""
    constraints: Constraints | None = None
    issuer_urls: tuple[str, ...] = ()
    """Where its issuer can be had (authorityInfoAccess, caIssuers)."""
    faults: tuple[str, ...] = ()
    """What of it could not be read."""

    def __hash__(self) -> int:
        return hash(self.der)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cert) and other.der == self.der

    @property
    def self_issued(self) -> bool:
        """Its own name as its issuer's, and no other key named as the issuer's: a root, or a self-signed leaf."""
        return self.subject_key == self.issuer_key and (self.aki is None or self.ski is None or self.aki == self.ski)

    @property
    def sha256(self) -> str:
        """The fingerprint, in hexadecimal."""
        return sha256(self.der).hexdigest()

    @property
    def pem(self) -> str:
        """As text, for a file."""
        import ssl  # noqa: PLC0415 - not on the path of `builder --help`

        return ssl.DER_cert_to_PEM_cert(self.der)


@lru_cache(maxsize=4096)
def read(der: bytes) -> Cert | None:
    """A certificate of DER; None for what is none."""
    import cryptography.x509  # noqa: F401, PLC0415 - a library that is broken is no fault of the certificate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # serial number 0, negative ones, and more that RFC 5280 forbids
        try:
            return _read(parsed(der))
        except Exception:
            return None


@lru_cache(maxsize=4096)
def parsed(der: bytes) -> x509.Certificate:
    """As `cryptography` has it. Raises ValueError."""
    from cryptography import x509  # noqa: PLC0415 - not on the path of `builder --help`

    return x509.load_der_x509_certificate(der)


@lru_cache(maxsize=4096)
def subject_of(der: bytes) -> Name | None:
    """The subject alone, which is a tenth of the work; None for what is no certificate."""
    import cryptography.x509  # noqa: F401, PLC0415 - as in `read`

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _canonical(parsed(der).subject)
        except Exception:
            return None


def split_pem(text: bytes) -> tuple[bytes, ...]:
    """The DER of every PEM block, of a lone DER certificate, or of PKCS#7; empty for anything else."""
    import ssl  # noqa: PLC0415

    found = []
    for block in _PEM.findall(text):
        body = re.sub(rb"(BEGIN|END) \w+ CERTIFICATE", rb"\1 CERTIFICATE", block)
        try:
            found.append(ssl.PEM_cert_to_DER_cert(body.decode("ascii")))
        except ValueError:
            continue
    if found or not text.startswith(b"\x30"):
        return tuple(found)
    return (text,) if read(text) else _pkcs7(text)


def _pkcs7(text: bytes) -> tuple[bytes, ...]:
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7  # noqa: PLC0415

    try:
        return tuple(c.public_bytes(Encoding.DER) for c in pkcs7.load_der_pkcs7_certificates(text))
    except Exception:
        return ()


def _read(certificate: x509.Certificate) -> Cert:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    faults: list[str] = []
    fields: dict[str, Any] = {}
    extensions: list[x509.Extension[Any]] = _or(lambda: list(certificate.extensions), [], faults)
    for extension in extensions:
        try:
            fields |= _field(extension)
        except Exception as error:
            faults.append(f"{extension.oid.dotted_string}: {error}")
    key, bits, rsa = _or(lambda: _key(certificate.public_key()), ("unknown", 0, False), faults)
    algorithm = _or(lambda: certificate.signature_hash_algorithm, None, faults)
    return Cert(
        der=certificate.public_bytes(Encoding.DER),
        subject=_text(certificate.subject),
        issuer=_text(certificate.issuer),
        subject_key=_canonical(certificate.subject),
        issuer_key=_canonical(certificate.issuer),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        version_3=certificate.version is x509.Version.v3,
        common_name=next((str(a.value) for a in certificate.subject if a.oid.dotted_string == "2.5.4.3"), None),
        key=key,
        key_bits=bits,
        rsa=rsa,
        digest=algorithm.name if algorithm else "",
        faults=tuple(faults),
        **fields,
    )


def _or(get: Callable[[], _T], otherwise: _T, faults: list[str]) -> _T:
    try:
        return get()
    except Exception as error:
        faults.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
        return otherwise


def _field(extension: x509.Extension[Any]) -> dict[str, Any]:  # noqa: PLR0911 - one for each
    """The fields of `Cert` that an extension fills."""
    from cryptography import x509  # noqa: PLC0415

    match extension.value:
        case x509.SubjectKeyIdentifier() as value:
            return {"ski": value.digest}
        case x509.AuthorityKeyIdentifier() as value:
            return {"aki": value.key_identifier}
        case x509.BasicConstraints() as value:
            return {"ca": value.ca, "path_length": value.path_length, "ca_critical": extension.critical}
        case x509.KeyUsage() as value:
            return {"signs": value.key_cert_sign}
        case x509.ExtendedKeyUsage() as value:
            return {"usages": tuple(oid.dotted_string for oid in value)}
        case x509.SubjectAlternativeName() as value:
            ips = tuple(str(ip) for ip in value.get_values_for_type(x509.IPAddress))
            dns = tuple(_clean(name) for name in value.get_values_for_type(x509.DNSName))
            return {"san": bool(dns or ips), "dns": dns, "ips": ips}
        case x509.NameConstraints() as value:
            return {"constraints": _constraints(value)}
        case x509.AuthorityInformationAccess() as value:
            urls = (d.access_location.value for d in value if d.access_method.dotted_string == "1.3.6.1.5.5.7.48.2")
            return {"issuer_urls": tuple(_clean(str(url)) for url in urls)}
    return {}


def _constraints(value: x509.NameConstraints) -> Constraints:
    from cryptography import x509  # noqa: PLC0415

    permitted, excluded = value.permitted_subtrees or (), value.excluded_subtrees or ()
    return Constraints(
        permitted_dns=tuple(n.value for n in permitted if isinstance(n, x509.DNSName)),
        permitted_ip=_networks(permitted),
        excluded_dns=tuple(n.value for n in excluded if isinstance(n, x509.DNSName)),
        excluded_ip=_networks(excluded),
    )


def _networks(names: Iterable[x509.GeneralName]) -> tuple[Network, ...]:
    values = (n.value for n in names)
    return tuple(v for v in values if isinstance(v, ipaddress.IPv4Network | ipaddress.IPv6Network))


def _key(public: Any) -> tuple[str, int, bool]:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa  # noqa: PLC0415

    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA {public.key_size}", public.key_size, True
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"EC {public.key_size}", public.key_size, False
    if isinstance(public, dsa.DSAPublicKey):
        return f"DSA {public.key_size}", public.key_size, True
    return type(public).__name__.removesuffix("PublicKey"), 256, False


def _canonical(name: x509.Name) -> Name:
    return tuple((a.oid.dotted_string, " ".join(str(a.value).split()).casefold()) for a in name)


def _text(name: x509.Name) -> str:
    return _clean(name.rfc4514_string()) or "(no subject)"


def _clean(text: str) -> str:
    """On one line; what is not printable as an escape, so that no certificate writes on the user's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
