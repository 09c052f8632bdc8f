"""Certificates for one trial of an image's clients: a root, a good server's, and one that nobody vouches for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_HOST = "localhost"


def trial() -> dict[str, str]:
    """PEM texts: `root`; `good` and `bad`, each a server's key and chain for localhost and 127.0.0.1, valid for a day.

    The good one is issued by the root, the bad one by another root of the same name, which is handed to nobody. The
    keys are made for this call and live no longer than the container that they are sent to.
    """
    (root_key, root), (other_key, other) = _root(), _root()
    return {"root": _pem(root), "good": _server(root_key, root), "bad": _server(other_key, other)}


def _root() -> tuple[EllipticCurvePrivateKey, Any]:
    from cryptography import x509  # noqa: PLC0415 - not on the path of `builder --help`
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("builder's trial of this image's clients")
    usage = x509.KeyUsage(**dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True})
    made = _begun(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return key, _signed(made.add_extension(usage, critical=True), key, key)


def _server(root_key: EllipticCurvePrivateKey, root: Any) -> str:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(_HOST), x509.IPAddress(ip_address("127.0.0.1"))])
    made = _begun(_name(_HOST), root.subject, key).add_extension(names, critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return secret + _pem(_signed(made, key, root_key)) + _pem(root)


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _name(text: str) -> Any:
    from cryptography import x509  # noqa: PLC0415

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _begun(subject: Any, issuer: Any, key: EllipticCurvePrivateKey) -> Any:
    from cryptography import x509  # noqa: PLC0415

    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    return made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))


def _signed(made: Any, key: EllipticCurvePrivateKey, by: EllipticCurvePrivateKey) -> Any:
    """With the key identifiers that Python 3.13 demands (VERIFY_X509_STRICT)."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
    return made.add_extension(issuer, critical=False).sign(by, SHA256())


def _pem(certificate: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    text: str = certificate.public_bytes(Encoding.PEM).decode()
    return text
