"""A file on its way into the store: locked, resumable, and moved into place only when its hash is right."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final, cast

from builder.errors import DiskError, IntegrityError
from builder.models.base import Sha256
from builder.models.lock import Artifact

CHUNK: Final = 1 << 20
MTIME: Final = 315532800
"""1980-01-01: what every file of the store says, so that a local build context never looks changed."""
_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


@contextmanager
def disk_errors(where: Path, *, needed: int = 0) -> Iterator[None]:
    """Turns what a disk refuses into DiskError; `needed`: bytes that were still to be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise no_room(where, needed=needed, seen=error.strerror) from None


def no_room(where: Path, *, needed: int, seen: str | None = None) -> DiskError:
    """The DiskError with what is needed and what is free, in decimal megabytes."""
    free = shutil.disk_usage(next(p for p in (where, *where.parents) if p.exists())).free
    figures = f"{needed / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free"
    return DiskError(
        "the store cannot be written to" if seen else "there is too little room for what is to be fetched",
        where=str(where),
        seen=f"{seen}; {figures}" if seen else figures,
        remedy="make room (`builder store gc` removes what no lock needs) or set BUILDER_STORE to a folder on a larger "
        "disk, then run it again: what was fetched stays and is gone on with",
    )


def hash_file(path: Path) -> tuple[Sha256, int]:
    """A file's SHA-256 and its bytes."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        size = _feed(file, digest)
    return cast(Sha256, digest.hexdigest()), size


def seal_file(path: Path) -> None:
    """Read-only, and of the one time that every file of the store has."""
    path.chmod(0o444)
    os.utime(path, (MTIME, MTIME))


def open_locked(place: Path) -> FileIO | None:
    """The file, made if need be, locked for this process until it is closed; None while another one holds it."""
    while True:
        file = _opened(place)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if _is_at(file, place):
            return file
        file.close()  # moved into the store, or removed, between opening and locking


def _opened(place: Path) -> FileIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return FileIO(os.open(place, flags, 0o644), "r+")
    except PermissionError:
        place.chmod(0o644)  # killed after it was sealed and before it was moved
        return FileIO(os.open(place, flags, 0o644), "r+")


def _is_at(file: FileIO, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    except FileNotFoundError:
        return False


def _feed(file: FileIO, digest: hashlib._Hash) -> int:
    buffer = memoryview(bytearray(CHUNK))
    size = 0
    while count := file.readinto(buffer):
        digest.update(buffer[:count])
        size += count
    return size


class Partial:
    """An unfinished download that this process alone may write to; the lock goes with `close`, or with the process.

    Not synced to the disk: the kernel keeps what a killed process wrote, and after a power cut a file is
    found by its size or by the hash that every build asks for.
    """

    def __init__(self, file: FileIO, *, place: Path, target: Path, expected: Artifact) -> None:
        self._file, self._place, self._target, self._expected = file, place, target, expected
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes there, those of earlier runs included."""
        with disk_errors(place):
            self.size = _feed(file, self._digest)
        if self.size > expected.size:
            self.restart()

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def write(self, chunk: bytes) -> None:
        """Appends; raises DiskError, with what was written before still good."""
        rest = memoryview(chunk)
        while rest:
            with disk_errors(self._place, needed=self._expected.size - self.size):
                count = self._file.write(rest)
            self._digest.update(rest[:count])
            self.size += count
            rest = rest[count:]

    def restart(self) -> None:
        """Forgets every byte."""
        self._file.seek(0)
        self._file.truncate()
        self._digest, self.size = hashlib.sha256(), 0

    def digest(self) -> Sha256:
        """The hash of the bytes so far."""
        return cast(Sha256, self._digest.hexdigest())

    def commit(self) -> Path:
        """Moves the file to its place in the store. Raises IntegrityError when it is not the file expected."""
        if self.digest() != self._expected.sha256:
            raise IntegrityError(
                f"{self._expected.filename} is not what its hash says",
                seen=f"sha256 {self.digest()}, expected {self._expected.sha256}",
            )
        with disk_errors(self._target):
            seal_file(self._place)
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._place.replace(self._target)
        return self._target

    def discard(self) -> None:
        """Removes it: the store has the file already."""
        self._place.unlink(missing_ok=True)

    def close(self) -> None:
        """Lets another process have it."""
        self._file.close()
