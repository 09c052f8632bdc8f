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
    if parts := _sequences(data):
        certificates = [_certificate(part) for part in parts]
        _refuse_key(parts[0], where)
        pem = b"".join(filter(None, certificates)) if all(certificates) else _pkcs7(data, where, pem=False)
        return pem.decode("ascii")
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


def _sequences(data: bytes) -> list[bytes]:
    """The DER SEQUENCEs that the bytes are, one behind the other; none when they are something else.

    A length is one byte below 0x80, else 0x80 and the number of its bytes (X.690, 8.1.3); 0x80 alone is BER's "until
    the end", which Windows writes around PKCS#7.
    """
    found, at = [], 0
    while data[at : at + 1] == b"\x30":
        first = data[at + 1] if len(data) > at + 1 else 0
        more = first - 0x80 if first > 0x80 else 0
        length = int.from_bytes(data[at + 2 : at + 2 + more], "big") if more else first
        end = len(data) if first == 0x80 else at + 2 + more + length
        found.append(data[at:end])
        at = end
    return found if not data[at:].strip() else found[:1] and [data]


def _certificate(der: bytes) -> bytes | None:
    from cryptography import x509  # noqa: PLC0415 - not on the path of `builder --help`
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    except ValueError:
        return None


def _refuse_key(der: bytes, where: str) -> None:
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

    try:
        load_der_private_key(der, password=None)
    except TypeError:
        pass  # one that is encrypted
    except Exception:  # whatever the library says of what is no key
        return
    raise RecipeError(
        "a private key in place of a certificate: it would end in the image for everyone to read",
        where=where,
        seen=f"a private key in DER, {len(der)} bytes",
        remedy="name the certificate's file, and replace the key if this one was shared",
    )


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
