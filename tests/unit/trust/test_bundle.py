"""What is let into the CA bundle, and that it is the same bytes each time."""

from __future__ import annotations

import datetime
import ssl

import pytest
from chains.factory import NOW, make, new_key, root
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builder.errors import RecipeError
from builder.trust.bundle import PemSource, make_bundle

AT = 1_800_000_000  # 2027-01-15
UTC = datetime.timezone.utc


def certificate(
    name: str, *, ca: bool | None = True, until: int = 2040, key_usage: bool | None = True, serial: int = 7
) -> str:
    """A self-signed certificate in PEM; `ca` None: without basicConstraints; `key_usage` None: without keyUsage."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(datetime.datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime.datetime(until, 1, 1, tzinfo=UTC))
    )
    if ca is not None:
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if key_usage is not None:
        flags = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        )
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=key_usage, encipher_only=False, decipher_only=False, **flags
        )
        made = made.add_extension(usage, critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def source(*texts: str, where: str = "corp.pem") -> PemSource:
    return PemSource(where=where, text="\n".join(texts))


def faults_of(*texts: str) -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(RecipeError) as caught:
        make_bundle((source(*texts),), at=AT)
    return [(fault.what, fault.where, fault.seen) for fault in caught.value.faults]


def test_the_same_certificates_in_any_order_give_the_same_bytes() -> None:
    texts = [certificate(f"root {n}") for n in range(5)]
    bundles = {
        make_bundle((source(*texts),), at=AT).pem,
        make_bundle((source(*reversed(texts)),), at=AT).pem,
        make_bundle(tuple(source(t) for t in texts), at=AT).pem,
    }
    assert len(bundles) == 1


def test_the_bundle_is_sorted_by_fingerprint_and_each_certificate_says_whose_it_is() -> None:
    bundle = make_bundle((source(certificate("one"), certificate("two")),), at=AT)
    prints = [c.sha256 for c in bundle.certificates]
    assert prints == sorted(prints)
    assert [line for line in bundle.pem.splitlines() if line.startswith("# ")] == [
        text for c in bundle.certificates for text in (f"# {c.subject}", f"# SHA-256 {c.sha256}")
    ]
    assert bundle.certificates[0].not_after == "2040-01-01"


def test_openssl_loads_every_certificate_of_the_bundle() -> None:
    bundle = make_bundle((source(certificate("one"), certificate("Főtanúsítvány")),), at=AT)
    context = ssl.create_default_context(cadata=bundle.pem)
    assert len(context.get_ca_certs()) >= 2


def test_a_certificate_that_is_there_twice_is_taken_once_and_noted() -> None:
    one = certificate("one")
    bundle = make_bundle((source(one), source(one, where="again.pem")), at=AT)
    assert len(bundle.certificates) == 1
    assert bundle.notes == ("again.pem: CN=one is there already",)


def test_an_expired_root_is_left_out_and_noted_by_the_locks_time_and_not_the_clock() -> None:
    old, new = certificate("old", until=2020), certificate("new")
    bundle = make_bundle((source(old, new),), at=AT)
    assert [c.subject for c in bundle.certificates] == ["CN=new"]
    assert bundle.notes == ("corp.pem: certificate 1: CN=old left out: it expired on 2020-01-01",)
    before = make_bundle((source(old, new),), at=AT - 20 * 365 * 86400)
    assert len(before.certificates) == 2


def test_a_private_key_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    what = "a private key among the certificates: it would end in the image for everyone to read"
    assert faults_of(certificate("one"), key.decode()) == [(what, "corp.pem: certificate 2", "PRIVATE KEY")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (certificate("leaf", ca=False), "not a CA certificate (basicConstraints CA:FALSE)"),
        (certificate("leaf", ca=None), "not a CA certificate (no basicConstraints)"),
        (certificate("leaf", key_usage=False), "a CA that may not sign certificates (keyUsage without keyCertSign)"),
    ],
)
def test_what_may_not_issue_certificates_is_refused(text: str, what: str) -> None:
    assert faults_of(text) == [(what, "corp.pem", "CN=leaf")]


def test_a_ca_without_key_usage_may_issue() -> None:
    assert len(make_bundle((source(certificate("old style", key_usage=None)),), at=AT).certificates) == 1


def test_serial_number_zero_as_in_some_of_mozillas_roots_is_taken_without_a_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate("one", serial=1))
    version_and_serial = bytes.fromhex("a003020102020101")  # X.509 v3, INTEGER 1: the library makes no 0
    assert version_and_serial in der
    zero = der.replace(version_and_serial, version_and_serial[:-1] + b"\0", 1)
    assert len(make_bundle((source(ssl.DER_cert_to_PEM_cert(zero)),), at=AT).certificates) == 1
    assert not recwarn.list


def test_a_damaged_certificate_is_refused() -> None:
    lines = certificate("one").splitlines()
    del lines[2]
    ((what, where, _),) = faults_of("\n".join(lines))
    assert (what, where) == ("the certificate cannot be read", "corp.pem")


@pytest.mark.parametrize(
    ("text", "seen"),
    [("", "0 whole PEM blocks of 0"), ("0\x82\x03garbage", "0 whole PEM blocks of 0")],
)
def test_a_file_without_pem_is_refused(text: str, seen: str) -> None:
    assert faults_of(text) == [("no readable PEM text", "corp.pem", seen)]


def test_a_block_that_is_cut_off_is_refused() -> None:
    cut = certificate("two").split("-----END")[0]
    assert faults_of(certificate("one"), cut) == [("no readable PEM text", "corp.pem", "1 whole PEM blocks of 2")]


@pytest.mark.parametrize("label", ["CERTIFICATE REQUEST", "PKCS7", "X509 CRL"])
def test_what_is_no_certificate_is_refused(label: str) -> None:
    text = f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----"
    assert faults_of(text) == [("not a certificate", "corp.pem", label)]


def test_all_faults_come_at_once() -> None:
    assert len(faults_of(certificate("a", ca=False), certificate("b", ca=False), certificate("good"))) == 2


def test_a_bundle_of_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="the CA bundle would be empty"):
        make_bundle((source(certificate("old", until=2020)),), at=AT)


def test_a_subject_cannot_leave_its_comment() -> None:
    bundle = make_bundle((source(certificate("evil\n-----BEGIN CERTIFICATE-----\nAAAA")),), at=AT)
    assert sum(line == "-----BEGIN CERTIFICATE-----" for line in bundle.pem.splitlines()) == 1
    assert len(bundle.certificates) == 1


def test_an_intermediate_without_its_root_is_refused_and_with_it_taken() -> None:
    """Python and OpenSSL end no chain in it; curl and Go do."""
    by = root("Site Root")
    below = make("Site CA 1", by, ca=True)
    (fault,) = faults_of(below.pem)
    assert fault == (
        "an intermediate without the root that issued it: curl ends a chain there, and Python does not",
        "corp.pem",
        "CN=Site CA 1, issued by CN=Site Root",
    )
    assert len(make_bundle((source(below.pem, by.pem),), at=AT).certificates) == 2


def test_a_root_that_does_not_say_that_it_is_one_is_told_what_it_lacks() -> None:
    with pytest.raises(RecipeError) as caught:
        make_bundle((source(certificate("old", ca=None)),), at=AT)
    (fault,) = caught.value.faults
    assert fault.what == "not a CA certificate (no basicConstraints)"
    assert "it issued itself" in str(fault.remedy)


def test_a_root_that_clients_may_not_take_is_noted() -> None:
    weak = make("Weak Root", ca=True, key=new_key(1024))
    early = make("Early Root", ca=True, begun=-3650, days=7300)
    notes = make_bundle((source(weak.pem, early.pem),), at=int(NOW.timestamp())).notes
    begins = f"{early.cert.not_valid_before_utc:%Y-%m-%d}"
    weakness = "has an RSA key of 1024 bits: OpenSSL 3 takes none below 2048"
    youth = f"is not valid before {begins}: until then nothing that it issued verifies"
    assert notes == (
        f"corp.pem: certificate 1: CN=Weak Root {weakness}",
        f"corp.pem: certificate 2: CN=Early Root {youth}",
    )
