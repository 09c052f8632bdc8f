"""Derived files: made from locked ones, refused when they come out differently."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import trustme

from builder.adapters.store import rootfs
from builder.adapters.store.content import Store
from builder.adapters.store.derive import Workshop, derive
from builder.errors import HostError, IntegrityError, LockError
from builder.models.lock import Artifact, Lock, Package
from builder.models.lockfile import parse_lock
from builder.trust.bundle import Bundle, PemSource

QUICKSTART = Path(__file__).parents[4] / "recipes" / "quickstart.lock"
AT = 1_800_000_000
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb on this host")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def certificate(name: str) -> str:
    return trustme.CA(organization_name=name).cert_pem.bytes().decode()


def organizations(bundle: Bundle) -> set[str]:
    return {part for c in bundle.certificates for part in c.subject.split(",") if part.startswith("O=")}


def nothing_to_fetch(artifacts: tuple[Artifact, ...]) -> None:
    """Everything is there already."""


def wheel(store: Store, tmp_path: Path, pem: str) -> Package:
    path = tmp_path / "certifi-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("certifi/cacert.pem", pem)
    return Package(name="certifi", version="1", artifact=store.add("pypi", path.name, path))


def deb(store: Store, tmp_path: Path, files: dict[str, str], name: str = "busybox-static") -> Package:
    root = tmp_path / name
    for path, content in {**files, "DEBIAN/control": _control(name)}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    out = tmp_path / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, out], check=True, capture_output=True)
    return Package(name=name, version="1", artifact=store.add("debian", f"pool/{out.name}", out))


def _control(name: str) -> str:
    return f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n"


def with_bundle(roots: Package, bundle: Artifact) -> Lock:
    lock = parse_lock(QUICKSTART.read_text(encoding="utf-8"), "quickstart.lock")
    trust = lock.trust.model_copy(update={"roots": roots, "bundle": bundle})
    return lock.model_copy(update={"trust": trust, "created": AT})


def test_the_bundle_of_a_wheel_and_extra_certificates_is_made_again_from_the_lock(store: Store, tmp_path: Path) -> None:
    corp = certificate("corp")
    roots = wheel(store, tmp_path, certificate("mozilla"))
    made, bundle = Workshop(store, nothing_to_fetch).bundle(roots, (PemSource(where="corp.pem", text=corp),), at=AT)
    assert organizations(bundle) == {"O=corp", "O=mozilla"}
    store.path(made).unlink()
    derive(with_bundle(roots, made), made, store=store, fetch=nothing_to_fetch, extra=(corp,))
    assert store.path(made).read_text() == bundle.pem


def test_a_bundle_that_comes_out_differently_is_refused_and_not_kept(store: Store, tmp_path: Path) -> None:
    roots = wheel(store, tmp_path, certificate("mozilla"))
    made, _ = Workshop(store, nothing_to_fetch).bundle(roots, (), at=AT)
    store.path(made).unlink()
    with pytest.raises(IntegrityError) as caught:
        derive(with_bundle(roots, made), made, store=store, fetch=nothing_to_fetch, extra=(certificate("corp"),))
    assert caught.value.what == "ca-bundle.pem came out differently here"
    assert caught.value.remedy is not None
    assert "builder store import" in caught.value.remedy
    assert [entry.path.name for entry in store.entries()] == ["certifi-1-py3-none-any.whl"]


def test_what_is_there_is_not_made_again(store: Store, tmp_path: Path) -> None:
    roots = wheel(store, tmp_path, certificate("mozilla"))
    made, _ = Workshop(store, nothing_to_fetch).bundle(roots, (), at=AT)
    store.path(roots.artifact).unlink()
    derive(with_bundle(roots, made), made, store=store, fetch=nothing_to_fetch)


def test_what_the_lock_does_not_derive_is_refused(store: Store) -> None:
    lock = parse_lock(QUICKSTART.read_text(encoding="utf-8"), "quickstart.lock")
    with pytest.raises(LockError, match="the lock does not say what torch"):
        derive(lock, next(p for p in lock.pip if p.name == "torch").artifact, store=store, fetch=nothing_to_fetch)


@needs_dpkg
@pytest.mark.parametrize("place", ["bin/busybox", "usr/bin/busybox"])
def test_busybox_is_taken_out_of_its_package(store: Store, tmp_path: Path, place: str) -> None:
    package = deb(store, tmp_path, {place: "the binary", "usr/share/doc/busybox/README": "not this"})
    made = Workshop(store, nothing_to_fetch).busybox(package)
    assert (made.source, made.path) == ("derived", "busybox")
    assert store.path(made).read_text() == "the binary"


@needs_dpkg
def test_a_package_without_busybox_is_named(store: Store, tmp_path: Path) -> None:
    package = deb(store, tmp_path, {"usr/share/doc/busybox": "no binary"})
    with pytest.raises(LockError, match=r"there is no busybox in busybox-static_1_all\.deb"):
        Workshop(store, nothing_to_fetch).busybox(package)


@needs_dpkg
def test_the_distributions_roots_are_read_from_its_package(store: Store, tmp_path: Path) -> None:
    folder = "usr/share/ca-certificates/mozilla"
    files = {f"{folder}/a.crt": certificate("a"), f"{folder}/b.crt": certificate("b"), "usr/share/doc/x": "x"}
    roots = deb(store, tmp_path, files, "ca-certificates")
    _, bundle = Workshop(store, nothing_to_fetch).bundle(roots, (), at=AT)
    assert organizations(bundle) == {"O=a", "O=b"}


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostError) as caught:
        rootfs.require("mmdebstrap", "dpkg-deb")
    assert caught.value.what == "mmdebstrap and dpkg-deb missing: a Debian base is made with it"
    assert caught.value.remedy == "run `apt-get install mmdebstrap dpkg`"


def test_an_old_mmdebstrap_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho mmdebstrap 0.8.4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(HostError) as caught:
        rootfs._require_version()
    assert (caught.value.what, caught.value.seen) == ("mmdebstrap 1.3 or newer is needed", "mmdebstrap 0.8.4")
