"""What the trust steps do with a bundle: one file a certificate, and Java's store of them, by a shell alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from builder.trust.bundle import Bundle, PemSource, make_bundle

EPOCH = 1_754_730_990
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]
PARTS = (files("builder.templates") / "steps" / "trust").read_text()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    names = ("Erste", "Zweite", "Ünd % \\n $(dritte)")
    pems = [trustme.CA(organization_name=name).cert_pem.bytes().decode() for name in names]
    return make_bundle(tuple(PemSource(where="a test", text=pem) for pem in pems), at=EPOCH)


def ran(folder: Path, bundle: str, script: str, shell: str = SHELLS[0]) -> subprocess.CompletedProcess[bytes]:
    """A script with the steps' parts, in a folder that stands for the build's."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "ca-bundle.pem").write_text(bundle)
    (folder / "trust").write_text(PARTS.replace("/tmp/", f"{folder}/").replace("/.builder/in", f"{folder}/in"))
    argv = [shell, "-euc", f'cd "{folder}"; . ./trust; {script}']
    env = {"PATH": os.environ["PATH"], "EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"}
    return subprocess.run(argv, env=env, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_certificate_is_a_file_named_by_its_fingerprint_and_end_to_end_they_are_the_bundle(
    bundle: Bundle, shell: str, tmp_path: Path
) -> None:
    done = ran(tmp_path, bundle.pem, "split certs .crt", shell)
    assert done.returncode == 0, done.stderr
    made = sorted((tmp_path / "certs").iterdir())
    assert [file.stem for file in made] == [certificate.sha256 for certificate in bundle.certificates]
    assert "".join(file.read_text() for file in made) == bundle.pem
    for file in made:
        (one,) = x509.load_pem_x509_certificates(file.read_bytes())
        assert hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() == file.stem


def test_a_bundle_that_names_no_fingerprint_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    done = ran(tmp_path, bundle.pem.replace("# SHA-256 ", "# "), "split certs .crt")
    assert (done.returncode, done.stdout) == (1, b"a certificate without its fingerprint\n")


def test_a_fingerprint_that_is_a_path_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    done = ran(tmp_path, bundle.pem.replace("# SHA-256 ", "# SHA-256 ../"), "split certs .crt")
    assert done.returncode == 1


def java_store(folder: Path, bundle: Bundle, shell: str) -> bytes:
    done = ran(folder, bundle.pem, "split certs .crt; java_store certs .crt", shell)
    assert done.returncode == 0, done.stderr
    return done.stdout


def entries(store: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Alias, date and DER bytes of each."""
    magic, version, count = struct.unpack_from(">III", store)
    assert (magic, version) == (0xFEEDFEED, 2)
    at = 12
    for _ in range(count):
        tag, size = struct.unpack_from(">IH", store, at)
        alias = store[at + 6 : at + 6 + size].decode()
        at += 6 + size
        date, size = struct.unpack_from(">QH", store, at)
        assert (tag, store[at + 10 : at + 10 + size]) == (2, b"X.509")
        at += 10 + size
        (size,) = struct.unpack_from(">I", store, at)
        yield alias, date, store[at + 4 : at + 4 + size]
        at += 4 + size
    assert at + 20 == len(store)


@pytest.mark.parametrize("shell", SHELLS)
def test_javas_store_holds_the_bundles_certificates_and_the_epoch(bundle: Bundle, shell: str, tmp_path: Path) -> None:
    store = java_store(tmp_path, bundle, shell)
    salt = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"
    assert hashlib.sha1(salt + store[:-20]).digest() == store[-20:]
    found = list(entries(store))
    assert [alias for alias, _, _ in found] == [f"debian:{c.sha256}.pem" for c in bundle.certificates]
    assert {date for _, date, _ in found} == {EPOCH * 1000}
    assert [hashlib.sha256(der).hexdigest() for _, _, der in found] == [c.sha256 for c in bundle.certificates]


def test_every_shell_makes_the_same_store(bundle: Bundle, tmp_path: Path) -> None:
    made = set()
    for shell in SHELLS:
        folder = tmp_path / shell
        folder.mkdir()
        made.add(java_store(folder, bundle, shell))
    assert len(made) == 1


@pytest.mark.skipif(not shutil.which("keytool"), reason="no keytool here to read it")
def test_javas_own_tool_reads_the_store_and_finds_it_whole(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "cacerts"
    path.write_bytes(java_store(tmp_path, bundle, SHELLS[0]))
    argv = ["keytool", "-list", "-keystore", str(path), "-storepass", "changeit"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    assert f"{len(bundle.certificates)} entries" in done.stdout
    wrong = subprocess.run([*argv[:-1], "another"], capture_output=True, text=True, check=False, timeout=60)
    assert wrong.returncode != 0


def test_what_is_gone_is_masked_and_what_is_there_is_not(tmp_path: Path) -> None:
    names = ("gone", "gone too Ő", "kept", "laid")
    (tmp_path / "before").write_text("".join(f"{tmp_path}/{name}\n" for name in names))
    (tmp_path / "kept").touch()
    out = tmp_path / "out"
    (out / str(tmp_path)[1:]).mkdir(parents=True)
    (out / str(tmp_path)[1:] / "laid").touch()
    script = PARTS.replace("/tmp/before", f"{tmp_path}/before").replace("/out", str(out))
    subprocess.run([SHELLS[0], "-euc", f"{script}\nmask"], check=True, capture_output=True, timeout=60)
    masked = {path.name: path.readlink() for path in out.rglob("*") if path.is_symlink()}
    assert masked == {"gone": Path("/dev/null"), "gone too Ő": Path("/dev/null")}
