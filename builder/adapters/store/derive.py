"""Makes derived files in the store from locked ones: the root file system, busybox, the CA bundle.

The same code makes them for `lock`, which writes down their hashes, and again for `fetch` on another machine.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from builder.adapters.store.rootfs import installed_status, make_rootfs, unpacked_deb
from builder.errors import IntegrityError, LockError
from builder.models.lock import Artifact, Lock, Package, RootfsBase
from builder.trust.bundle import Bundle, PemSource, make_bundle

Fetch = Callable[[tuple[Artifact, ...]], object]
"""Brings artifacts into the store, or raises NetworkError."""
_MOZILLA = "./usr/share/ca-certificates/mozilla/"


class StoreLike(Protocol):
    """The part of the store that is needed here."""

    root: Path

    def path(self, artifact: Artifact) -> Path:
        """Where the artifact is, or will be."""

    def has(self, artifact: Artifact) -> bool:
        """Whether it is there."""

    def add(self, source: str, path: str, file: Path) -> Artifact:
        """Moves a file in."""


class Workshop:
    """Derived files, each made in a temporary folder and moved into the store when it is whole."""

    def __init__(self, store: StoreLike, fetch: Fetch) -> None:
        self._store, self._fetch = store, fetch

    def rootfs(self, base: RootfsBase) -> Artifact:
        """The root file system made of the base's packages; `base.rootfs` is not looked at."""
        packages = {path: package for package, path in zip(base.packages, self._files(*base.packages), strict=True)}
        with self._bench() as folder:
            out = folder / "rootfs.tar"
            make_rootfs(packages, suite=base.suite, arch=base.arch, epoch=base.epoch, out=out)
            return self._store.add("derived", f"rootfs-{base.suite}-{base.arch}.tar", out)

    def status(self, base: RootfsBase) -> str:
        """The dpkg status inside a root file system, which is made if it is not there."""
        if not self._store.has(base.rootfs):
            _same(base.rootfs, self.rootfs(base), self._store)
        return installed_status(self._store.path(base.rootfs))

    def busybox(self, package: Package) -> Artifact:
        """The static busybox of its .deb."""
        (deb,) = self._files(package)
        with self._bench() as folder, unpacked_deb(deb) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name.endswith("/bin/busybox") else None
                if file:
                    out = folder / "busybox"
                    with out.open("wb") as target:
                        shutil.copyfileobj(file, target)
                    return self._store.add("derived", "busybox", out)
        raise LockError(f"there is no busybox in {package.artifact.filename}")

    def bundle(self, roots: Package, extra: tuple[PemSource, ...], *, at: int) -> tuple[Artifact, Bundle]:
        """The CA bundle of a certifi wheel or a ca-certificates .deb and more certificates."""
        (file,) = self._files(roots)
        text = _wheel_roots(file) if roots.artifact.source == "pypi" else _deb_roots(file)
        made = make_bundle((PemSource(where=f"{roots.name} {roots.version}", text=text), *extra), at=at)
        with self._bench() as folder:
            out = folder / "ca-bundle.pem"
            out.write_text(made.pem, encoding="ascii")
            return self._store.add("derived", "ca-bundle.pem", out), made

    def _files(self, *packages: Package) -> tuple[Path, ...]:
        self._fetch(tuple(package.artifact for package in packages))
        return tuple(self._store.path(package.artifact) for package in packages)

    @contextmanager
    def _bench(self) -> Iterator[Path]:
        """A folder beside the store, so that what is made there is moved in and not copied."""
        self._store.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=self._store.root) as name:
            Path(name).chmod(0o755)
            yield Path(name)


def derive(lock: Lock, artifact: Artifact, *, store: StoreLike, fetch: Fetch, extra: tuple[str, ...] = ()) -> None:
    """Makes a derived artifact of a lock again, in the store, from the files that it is made from.

    extra: the contents of the recipe's `trust.extra` files. Does nothing when the artifact is there.
    Raises IntegrityError when what comes out is not what the lock names.
    """
    if store.has(artifact):
        return
    workshop = Workshop(store, fetch)
    if isinstance(lock.base, RootfsBase) and artifact == lock.base.rootfs:
        made = workshop.rootfs(lock.base)
    elif lock.busybox and artifact == lock.busybox_binary:
        made = workshop.busybox(lock.busybox)
    elif artifact == lock.trust.bundle:
        sources = tuple(PemSource(where=f"trust.extra[{n}]", text=text) for n, text in enumerate(extra))
        made, _ = workshop.bundle(lock.trust.roots, sources, at=lock.created)
    else:
        raise LockError(f"the lock does not say what {artifact.path} is made from", seen=artifact.source)
    _same(artifact, made, store)


def _same(expected: Artifact, made: Artifact, store: StoreLike) -> None:
    if made.sha256 == expected.sha256:
        return
    store.path(made).unlink(missing_ok=True)
    raise IntegrityError(
        f"{expected.path} came out differently here",
        where="made from the locked packages",
        seen=f"sha256 {made.sha256}, locked {expected.sha256}",
        remedy="this host's mmdebstrap, dpkg or builder is probably of another version than the one that locked: "
        "import the store that was exported there (`builder store import`), or lock again",
    )


def _wheel_roots(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("certifi/cacert.pem").decode()


def _deb_roots(deb: Path) -> str:
    found: dict[str, str] = {}
    with unpacked_deb(deb) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.startswith(_MOZILLA) else None
            if file:
                found[member.name] = file.read().decode()
    return "\n".join(found[name] for name in sorted(found))
