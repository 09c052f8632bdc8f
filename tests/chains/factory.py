"""Makes certificates with exactly the fields that a test wants, right or wrong."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

Key = Any
NOW = datetime.now(timezone.utc).replace(microsecond=0)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A certificate with its key."""

    cert: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.cert.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> str:
        private, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, private, plain).decode()


def new_key(bits: int = 0) -> Key:
    return rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())


def make(
    name: str | None,
    by: Made | None = None,
    *,
    ca: bool | None = False,
    critical: bool = True,
    path_length: int | None = None,
    sans: tuple[str, ...] | None = None,
    days: float = 90,
    begun: float | None = None,
    key: Key = None,
    ski: bool = True,
    aki: bool = True,
    key_usage: bool = True,
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    permitted: str | None = None,
    aia: str | None = None,
    organisation: str | None = None,
) -> Made:
    """days: until it expires, from now; begun: days since it became valid; `by` None: self-signed."""
    key = key or new_key()
    names = ((NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name))
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in names if text is not None])
    issuer, signer = (by.cert.subject, by.key) if by else (subject, key)
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(120) + 1)
        .not_valid_before(NOW - timedelta(days=(900 if ca else 1) if begun is None else begun))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical)
    if ski:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    if aki and by:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    if ca and key_usage:
        builder = builder.add_extension(_signing(), True)
    if not ca and usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    if sans is None and not ca and name:
        sans = (name,)
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(s) for s in sans]), name is None)
    if permitted:
        constraints = x509.NameConstraints([x509.DNSName(permitted)], None)
        builder = builder.add_extension(constraints, True)
    if aia:
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(aia))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), False)
    return Made(cert=builder.sign(signer, hashes.SHA256()), key=key)


def altered(made: Made) -> Made:
    """The same with one bit of its signature turned."""
    der = bytearray(made.der)
    der[-3] ^= 1
    return Made(cert=x509.load_der_x509_certificate(bytes(der)), key=made.key)


def with_sha1(made: Made, by: Made) -> Made:
    """The same, signed as in 2010 by an RSA key: `cryptography` refuses to, so the OID is exchanged and signed anew."""
    new, old = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    size = by.key.key_size // 8
    body = made.cert.tbs_certificate_bytes.replace(new, old, 1)
    signature = by.key.sign(body, padding.PKCS1v15(), hashes.SHA1())
    der = made.der.replace(made.cert.tbs_certificate_bytes, body).replace(new, old)[:-size] + signature
    return Made(cert=x509.load_der_x509_certificate(der), key=made.key)


@cache
def rsa_root() -> Made:
    return make("RSA Root", ca=True, key=new_key(2048))


@cache
def root(name: str = "Test Root", days: float = 900, begun: float = 900) -> Made:
    return make(name, ca=True, days=days, begun=begun)


@cache
def intermediate(name: str = "Test Intermediate") -> Made:
    return make(name, root(), ca=True, path_length=0, days=400)


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _signing() -> x509.KeyUsage:
    off = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **off)
