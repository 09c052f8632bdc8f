"""The same lock gives the same image everywhere, and nothing of the host that made it is in there."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_project import Place, Ran, identity, measured
from conftest import First
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from builder.models.lockfile import parse_lock

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

LOCAL_ROOTS = Path("/usr/local/share/ca-certificates")
"""Where Debian keeps the roots that only this host trusts."""


@pytest.fixture(scope="module")
def elsewhere(first: First, scratch: Path) -> Iterator[Place]:
    """Another user on another machine: an empty store, other folders, no proxy, a strict umask, another time zone."""
    folder = scratch / "some other place"
    env = {"TZ": "Asia/Shanghai", "LC_ALL": "C.UTF-8"}
    place = Place(folder / "a project", folder / "the store", folder / "the state", env=env, umask=0o077)
    place.write(first.name)
    shutil.copyfile(first.place.lock(first.name), place.lock(first.name))
    yield place  # its image is the first build's, and goes with it
    shutil.rmtree(folder, ignore_errors=True)


def test_two_builds_without_a_cache_give_one_image_on_two_machines(first: First, elsewhere: Place) -> None:
    once = identity(first.tag)
    here = first.place.builder("build", first.name, "--json", "--no-cache")
    assert here.image["image"] == once
    assert_all_ran(here, first.place, first.name)
    assert here.steps["check"]["detail"].endswith("carried over")  # the same image was asked before
    there = elsewhere.builder("build", first.name, "--json", "--no-cache")
    assert there.image["image"] == once
    assert_all_ran(there, elsewhere, first.name)
    assert not there.steps["fetch"]["reused"]
    assert "carried over" not in there.steps["check"]["detail"]
    assert there.steps["lock"]["reused"]
    measured("build step without a cache", here.steps["build"]["seconds"], 15)
    measured("fetch into an empty store, base made", there.steps["fetch"]["seconds"], 40)


def assert_all_ran(ran: Ran, place: Place, name: str) -> None:
    """Every RUN and COPY; an ADD alone, whose result is its own checksum, may come from the cache."""
    dockerfile = (place.rendering(name) / "Dockerfile").read_text()
    adds = len(re.findall("^ADD --checksum", dockerfile, re.MULTILINE))
    others = len(re.findall("^(RUN|COPY) ", dockerfile, re.MULTILINE))
    run, cached = map(int, re.findall(r"\d+(?= steps run| cached)", ran.steps["build"]["detail"]))
    assert run + cached == adds + others
    assert cached <= adds


def test_the_rendering_is_the_same_bytes_on_two_machines(first: First, elsewhere: Place) -> None:
    elsewhere.builder("render", first.name)
    assert elsewhere.files("images") == first.place.files("images")


def marks(certificate: x509.Certificate) -> dict[str, bytes]:
    """What would give a certificate away, however it is written: its bytes, its text, its name, its fingerprint."""
    digest = certificate.fingerprint(SHA256()).hex()
    pem = certificate.public_bytes(Encoding.PEM).split(b"\n")
    return {
        "DER": certificate.public_bytes(Encoding.DER),
        "PEM": pem[len(pem) // 2],
        "fingerprint": digest.encode(),
        "FINGERPRINT": digest.upper().encode(),
        "FINGER:PRINT": ":".join(digest[n : n + 2] for n in range(0, 64, 2)).upper().encode(),
        "name": certificate.subject.public_bytes(),
    }


def found_in(image: str, needles: dict[str, bytes], folder: Path) -> set[str]:
    """Which of these byte strings are in any layer, any path or the configuration of an image."""
    archive, found = folder / "image.tar", set[str]()
    subprocess.run(["docker", "save", "--output", str(archive), image], check=True)
    with tarfile.open(archive) as saved:
        for member in saved:
            file = saved.extractfile(member)
            data = file.read() if file else b""
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            found |= {name for name, needle in needles.items() if needle in data}
    archive.unlink()
    return found


def _in_the_bundle(first: First) -> x509.Certificate:
    """One of those that belong into the image: the search has to find it, or it would find nothing at all."""
    lock = parse_lock(first.place.lock(first.name).read_text(), "the lock")
    blocks = (first.place.store / lock.trust.bundle.store_path).read_bytes().partition(b"-----END CERTIFICATE-----")
    return x509.load_pem_x509_certificate(blocks[0] + blocks[1])


def test_no_layer_holds_a_root_that_only_the_host_trusts(first: First, tmp_path: Path) -> None:
    made_up = x509.load_pem_x509_certificate(first.host.root.cert_pem.bytes())
    own = [x509.load_pem_x509_certificate(p.read_bytes()) for p in sorted(LOCAL_ROOTS.glob("*.crt"))]
    assert first.host.interceptor is None or first.host.interceptor.tls > 0, "nothing went through the proxy"
    needles = {f"{n} {key}": value for n, root in enumerate((made_up, *own)) for key, value in marks(root).items()}
    address = first.host.proxy.rpartition("@")[2].removeprefix("http://").encode()
    needles["the proxy"] = address
    sure = {"a root that belongs there": marks(_in_the_bundle(first))["PEM"]}
    assert found_in(first.tag, needles | sure, tmp_path) == set(sure)


def test_no_registry_and_no_proxy_is_named_in_lock_rendering_or_log(first: First) -> None:
    place, name = first.place, first.name
    hosts = first.host.hosts()
    assert len(hosts) >= 2
    texts = {"terminal": first.ran.out + first.ran.err, "log": place.log(name).read_text()}
    texts |= {path: data.decode() for path, data in place.files().items()}
    assert {f"recipes/{name}.lock", f"images/{name}/Dockerfile"} <= texts.keys()
    words = {*hosts, first.host.proxy.rpartition("@")[2].removeprefix("http://")}
    assert {(path, word) for path, text in texts.items() for word in words if word in text} == set()


def test_no_path_of_this_machine_is_in_lock_or_rendering(first: First) -> None:
    texts = {path: data.decode() for path, data in first.place.files().items()}
    words = (str(first.place.root), str(first.place.store), str(Path.home()) + "/")
    assert {(path, word) for path, text in texts.items() for word in words if word in text} == set()
