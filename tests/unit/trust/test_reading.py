"""Certificates in the forms in which sites keep them."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from hypothesis import given
from hypothesis import strategies as st
from test_bundle import certificate

from builder.errors import RecipeError
from builder.trust.bundle import PemSource, make_bundle
from builder.trust.reading import as_pem, certificates_in

ROOTS = tuple(certificate(f"root {n}") for n in range(3))
LOADED = [x509.load_pem_x509_certificate(root.encode()) for root in ROOTS]


def bundled(data: bytes) -> str:
    return make_bundle((PemSource(where="corp", text=as_pem(data, "corp")),), at=1_800_000_000).pem


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_pkcs7_is_read_like_the_pem_of_what_it_holds(encoding: Encoding) -> None:
    assert bundled(pkcs7.serialize_certificates(LOADED, encoding)) == bundled("".join(ROOTS).encode())


def test_a_der_certificate_is_read_like_its_pem() -> None:
    assert bundled(LOADED[0].public_bytes(Encoding.DER)) == bundled(ROOTS[0].encode())


def test_der_certificates_one_behind_the_other_and_a_line_s_end_are_read() -> None:
    ders = [certificate.public_bytes(Encoding.DER) for certificate in LOADED]
    assert bundled(b"".join(ders) + b"\n") == bundled("".join(ROOTS).encode())


@pytest.mark.parametrize("encryption", [NoEncryption(), BestAvailableEncryption(b"secret")])
def test_a_private_key_in_der_is_called_one(encryption: KeySerializationEncryption) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, encryption)
    with pytest.raises(RecipeError, match="a private key in place of a certificate"):
        as_pem(key, "corp.der")


def test_pem_with_comments_is_left_as_it_is() -> None:
    text = f"# the site's root, für alle\n{ROOTS[0]}"
    assert as_pem(text.encode(), "corp.pem") == text


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "an empty file"),
        (b"\n \n", "an empty file"),
        (b"\xfe\xed\xfe\xed a keystore", r"15 bytes that begin with b'\xfe\xed\xfe\xed a keyst'"),
    ],
)
def test_anything_else_is_refused_with_what_was_seen(data: bytes, seen: str) -> None:
    with pytest.raises(RecipeError, match="no certificate can be read") as caught:
        as_pem(data, "corp.pem")
    assert caught.value.seen == seen
    assert "keytool -exportcert" in (caught.value.remedy or "")


def test_a_file_with_a_broken_certificate_is_refused_whole() -> None:
    broken = ROOTS[0].replace("\n", "\nAAAA", 2)
    with pytest.raises(RecipeError, match="a certificate cannot be read") as caught:
        certificates_in((ROOTS[1] + broken).encode(), "corp.pem")
    assert caught.value.seen == "1 of 2 certificates can be read"


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: b"\x30" + tail))
def test_no_bytes_crash_it(data: bytes) -> None:
    try:
        certificates_in(data, "any")
    except RecipeError:
        return


@given(st.binary(max_size=300), st.sampled_from(["CERTIFICATE", "PKCS7", "CMS", "PRIVATE KEY"]))
def test_no_pem_block_crashes_it(body: bytes, label: str) -> None:
    import base64

    block = f"-----BEGIN {label}-----\n{base64.encodebytes(body).decode()}-----END {label}-----\n"
    try:
        make_bundle((PemSource(where="any", text=as_pem(block.encode() + body, "any")),), at=0)
    except RecipeError:
        return
