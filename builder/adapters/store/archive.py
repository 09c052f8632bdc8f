"""The store as one file: for a machine without internet, and for a build without builder.

A tar archive, uncompressed (its wheels and packages are compressed already), whose members are the store's own paths,
`sha256/AA/HASH/NAME`: unpacked, it is a store. The same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from builder.adapters.store.content import Store
from builder.adapters.store.partial import CHUNK, MTIME, disk_errors
from builder.errors import BuilderError, Fault, IntegrityError
from builder.models.base import Sha256
from builder.models.lock import Artifact

_MEMBER: Final = re.compile(r"(?:\./)?sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})/([A-Za-z0-9][A-Za-z0-9._+~:!%-]*)")
Heard = Callable[[str, int], None]
"""Hears of each file when it is done: its name and its bytes."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What went into an archive or came out of one."""

    files: int
    bytes: int
    present: int = 0
    """Files among them that were in the store before."""


def export_store(store: Store, artifacts: Sequence[Artifact], target: Path, *, heard: Heard = lambda *_: None) -> Moved:
    """Writes the artifacts to one archive, which appears only when it is whole.

    Raises BuilderError when the store lacks one, IntegrityError when a file is not what it was, DiskError.
    """
    chosen = sorted({a.store_path: a for a in artifacts}.items())
    _require_all(store, [artifact for _, artifact in chosen])
    with _replacing(target) as file, tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, artifact in chosen:
            _pack(archive, name, artifact, store.path(artifact))
            heard(artifact.filename, artifact.size)
    return Moved(files=len(chosen), bytes=sum(a.size for _, a in chosen))


def import_archive(store: Store, archive: Path, *, heard: Heard = lambda *_: None) -> Moved:
    """Brings what an archive holds into the store, file by file, each accepted by the hash in its path.

    Raises IntegrityError for a file that is not what its path says, and for anything that is no such archive; what was
    right before it is in the store by then. DiskError.
    """
    moved, present = list[Artifact](), 0
    try:
        with tarfile.open(archive, "r|*") as members:
            for member in members:
                artifact = None if member.isdir() else _artifact(member, archive)
                if artifact is None:
                    continue
                if store.missing((artifact,)):
                    _unpack(store, artifact, cast(IO[bytes], members.extractfile(member)))
                else:
                    present += 1
                moved.append(artifact)
                heard(artifact.filename, artifact.size)
    except tarfile.TarError as error:
        raise IntegrityError("this is no whole archive", where=str(archive), seen=str(error)) from None
    if not moved:
        raise _no_store_archive(archive, "no file of a store in it")
    return Moved(files=len(moved), bytes=sum(a.size for a in moved), present=present)


def _require_all(store: Store, artifacts: Sequence[Artifact]) -> None:
    lacking = store.missing(artifacts)
    if lacking:
        raise BuilderError(
            f"{len(lacking)} of {len(artifacts)} files are not in the store",
            where=str(store.root),
            faults=tuple(Fault(what=a.path, where=a.source) for a in lacking),
            remedy="bring them first: `builder fetch`",
        )


def _pack(archive: tarfile.TarFile, name: str, artifact: Artifact, path: Path) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = artifact.size, 0o444, MTIME
    with path.open("rb") as file:
        reader = _Hashing(file)
        archive.addfile(info, cast(IO[bytes], reader))
    if reader.digest() != artifact.sha256:
        raise IntegrityError(
            f"{artifact.filename} is not what it was when it was fetched",
            where=str(path),
            seen=f"sha256 {reader.digest()}",
            remedy="run `builder store verify --remove`, then `builder fetch`",
        )


def _artifact(member: tarfile.TarInfo, archive: Path) -> Artifact:
    found = _MEMBER.fullmatch(member.name)
    if not found or not member.isreg():
        raise _no_store_archive(archive, f"{member.name} in it")
    return Artifact(source="import", path=found[3], sha256=cast(Sha256, found[2]), size=member.size)


def _no_store_archive(archive: Path, seen: str) -> IntegrityError:
    return IntegrityError(
        "this is no archive of a store", where=str(archive), seen=seen, remedy="make one with `builder store export`"
    )


def _unpack(store: Store, artifact: Artifact, content: IO[bytes]) -> None:
    store.require_room(artifact.size)
    unfinished = store.partial(artifact)
    if unfinished is None:
        raise BuilderError(
            f"another process is fetching {artifact.filename}", remedy="import again when it is done; nothing is lost"
        )
    with unfinished as file:
        file.restart()
        while chunk := content.read(CHUNK):
            file.write(chunk)
        if file.digest() != artifact.sha256:
            file.discard()
        file.commit()


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes the target's place when all was written, and is gone when not."""
    staged = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with disk_errors(target), staged.open("wb") as file:
            yield file
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)


class _Hashing:
    """Reads a file and knows the hash of what it gave."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next bytes."""
        chunk = self._file.read(size)
        self._digest.update(chunk)
        return chunk

    def digest(self) -> str:
        """The SHA-256 of what was read."""
        return self._digest.hexdigest()
