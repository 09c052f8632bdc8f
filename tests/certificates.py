"""Certificates that tests make."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from builder.trust.certs import Cert, read

BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def certificate(days: int, *, ca: bool, issuer: str = "x", name: str = "x") -> Cert:
    """One that begins at BEGIN, signed by its own key whatever its issuer is called."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + days * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = read(made.public_bytes(Encoding.DER))
    assert found
    return found


LEAF, ROOT = certificate(64, ca=False, issuer="ca"), certificate(7300, ca=True)
MIDDLE = certificate(1000, ca=True, issuer="root", name="ca")
