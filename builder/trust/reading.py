"""Certificates in whatever form a site keeps them, as PEM text. Pure."""

from __future__ import annotations

import re
from typing import Final

from builder.errors import RecipeError
from builder.trust.certs import Cert, read, split_pem

_PKCS7: Final = re.compile(rb"-----BEGIN (PKCS7|CMS)-----\s.*?-----END \1-----", re.DOTALL)
_REMEDY: Final = (
    "give PEM, DER or PKCS#7 (.p7b); a .pfx or .jks is opened by `openssl pkcs12 -nokeys` or `keytool -exportcert`"
)


def as_pem(data: bytes, where: str) -> str:
    """PEM as it is, with PKCS#7 blocks opened; DER and binary PKCS#7 turned into PEM.

    Nothing is judged here: `builder.trust.bundle` refuses what may not be an anchor. Raises RecipeError for anything
    else.
    """
    if b"-----BEGIN " in data:
        opened = _PKCS7.sub(lambda block: _pkcs7(block[0], where, pem=True), data)
        return opened.decode("utf-8", errors="replace")
    if data[:1] == b"\x30":  # DER: a SEQUENCE
        return (_certificate(data) or _pkcs7(data, where, pem=False)).decode("ascii")
    seen = "an empty file" if not data.strip() else f"{len(data)} bytes that begin with {data[:12]!r}"
    raise RecipeError("no certificate can be read", where=where, seen=seen, remedy=_REMEDY)


def certificates_in(data: bytes, where: str) -> tuple[Cert, ...]:
    """Every certificate of a file, in its order. Raises RecipeError when there is none or one cannot be read."""
    blocks = split_pem(as_pem(data, where).encode())
    found = tuple(filter(None, map(read, blocks)))
    if not found or len(found) != len(blocks):
        seen = f"{len(found)} of {len(blocks)} certificates can be read"
        raise RecipeError(
            "no certificate can be read" if not found else "a certificate cannot be read", where=where, seen=seen
        )
    return found


def _certificate(der: bytes) -> bytes | None:
    from cryptography import x509  # noqa: PLC0415 - not on the path of `builder --help`
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    except ValueError:
        return None


def _pkcs7(data: bytes, where: str, *, pem: bool) -> bytes:
    """The certificates of a PKCS#7 bundle, in its order, as PEM blocks."""
    import warnings  # noqa: PLC0415

    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7  # noqa: PLC0415

    load = pkcs7.load_pem_pkcs7_certificates if pem else pkcs7.load_der_pkcs7_certificates
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BER instead of DER, as Windows writes it
            return b"".join(c.public_bytes(Encoding.PEM) for c in load(data))
    except (ValueError, UnsupportedAlgorithm) as error:
        seen = str(error).splitlines()[0]
        raise RecipeError("no certificate can be read", where=where, seen=seen, remedy=_REMEDY) from None
