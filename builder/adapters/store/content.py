"""The content-addressed store: one folder a hash, holding exactly that file under its own name.

The folder itself can be a BuildKit context and the file's path is its path on the server that feeds a build.
Nothing is renamed into place before its hash is right, so whatever is there may be used.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import platformdirs

from builder.adapters.store.partial import Partial, disk_errors, hash_file, no_room, open_locked, seal_file
from builder.errors import HostError, LockError
from builder.models.base import Sha256
from builder.models.lock import Artifact

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_DAY: Final = 86_400
_NO_NAMES: Final = ("", ".", "..")


def default_root() -> Path:
    """`BUILDER_STORE` when it is set, else `store` in the user's cache folder of builder."""
    named = os.environ.get("BUILDER_STORE")
    return Path(named).expanduser().absolute() if named else Path(platformdirs.user_cache_dir("builder")) / "store"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of the store."""

    sha256: Sha256
    path: Path
    size: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What `verify` found: each file that is not what its folder says."""

    files: int
    bytes: int
    damaged: tuple[tuple[Entry, Sha256], ...]
    """The file and the hash that its bytes have now."""


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What `gc` removed, or would remove."""

    files: int
    bytes: int
    kept: int
    partial: int
    """Unfinished downloads among the files."""


class Store:
    """The files that were fetched or made, shared by all recipes and by several processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def path(self, artifact: Artifact) -> Path:
        """Where the artifact is, or will be. Raises LockError for a name that is no file name."""
        if artifact.filename in _NO_NAMES or "\0" in artifact.filename:
            raise LockError("an artifact's path ends in no file name", where=artifact.source, seen=artifact.path)
        return self.root / artifact.store_path

    def has(self, artifact: Artifact) -> bool:
        """Whether it is there, at its right size: one stat. `verify` reads the bytes."""
        try:
            return self.path(artifact).stat().st_size == artifact.size
        except (FileNotFoundError, NotADirectoryError):
            return False

    def missing(self, artifacts: Iterable[Artifact]) -> tuple[Artifact, ...]:
        """Those that are not there, in order; one that is there under another name gets this name too."""
        return tuple(a for a in artifacts if not self.has(a) and not self._adopt(a))

    def _adopt(self, artifact: Artifact) -> bool:
        """The same bytes under another name serve as well."""
        target = self.path(artifact)
        for other in _files(target.parent):
            if other.stat().st_size == artifact.size:
                target.unlink(missing_ok=True)
                os.link(other, target)
                return True
        return False

    def add(self, source: str, path: str, file: Path) -> Artifact:
        """Moves a local file in and gives the artifact that it now is. Raises DiskError when there is no room."""
        with disk_errors(file):
            digest, size = hash_file(file)
            artifact = Artifact(source=source, path=path, sha256=digest, size=size)
            if self.has(artifact):
                file.unlink()
                return artifact
            target = self.path(artifact)
            self._folder(target.parent)
            staged = self._folder(self.root / "partial") / f"{digest}.{os.getpid()}"
            shutil.move(file, staged)
            seal_file(staged)
            staged.replace(target)
        return artifact

    def partial(self, artifact: Artifact) -> Partial | None:
        """The artifact's unfinished download, for this process alone; None while another one has it.

        What an earlier run left, even one that was killed, is there to go on with. Raises DiskError.
        """
        target = self.path(artifact)
        with disk_errors(self.root):
            place = self._folder(self.root / "partial") / artifact.sha256
            self._folder(target.parent)
            file = open_locked(place)
        return Partial(file, place=place, target=target, expected=artifact) if file else None

    def partial_size(self, artifact: Artifact) -> int:
        """Bytes that an unfinished download has already."""
        place = self.root / "partial" / artifact.sha256
        return place.stat().st_size if place.is_file() else 0

    def require_room(self, needed: int) -> None:
        """Raises DiskError unless so many bytes may still be written."""
        if shutil.disk_usage(self._folder(self.root)).free < needed:
            raise no_room(self.root, needed=needed)

    def entries(self) -> Iterator[Entry]:
        """Every file, sorted by hash."""
        for folder in sorted((self.root / "sha256").glob("??/*")):
            if _HASH.fullmatch(folder.name):
                for file in _files(folder):
                    yield Entry(sha256=cast(Sha256, folder.name), path=file, size=file.stat().st_size)

    def verify(self, *, read: Callable[[int], None] = lambda _: None) -> Verdict:
        """Reads every byte; `read` hears of each file's size when it is done."""

        def look(entry: Entry) -> Sha256:
            digest, size = hash_file(entry.path)
            read(size)
            return digest

        entries = tuple(self.entries())
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = tuple(zip(entries, pool.map(look, entries), strict=True))
        return Verdict(
            files=len(entries),
            bytes=sum(e.size for e in entries),
            damaged=tuple((entry, digest) for entry, digest in found if digest != entry.sha256),
        )

    def gc(self, keep: Collection[Sha256], *, dry_run: bool = False) -> Removed:
        """Removes what is not in `keep`, finished or not; a download that is under way stays."""
        entries = tuple(self.entries())
        idle = tuple(e for e in self._unfinished() if e.sha256 not in keep)
        gone = tuple(e for e in entries if e.sha256 not in keep)
        if not dry_run:
            for entry in gone:
                self.remove(entry)
            self._remove_workbenches()
            idle = tuple(e for e in idle if _remove_idle(e.path))
        return Removed(
            files=len(gone) + len(idle),
            bytes=sum(e.size for e in (*gone, *idle)),
            kept=len(entries) - len(gone),
            partial=len(idle),
        )

    def remove(self, entry: Entry) -> None:
        """Takes one file out of the store."""
        entry.path.unlink(missing_ok=True)
        for folder in (entry.path.parent, entry.path.parent.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _remove_workbenches(self) -> None:
        """What a derivation that was killed left behind; one of the last day may still be at work."""
        for folder in self.root.glob(".making-*"):
            if time.time() - folder.stat().st_mtime > _DAY:
                shutil.rmtree(folder, ignore_errors=True)

    def _unfinished(self) -> Iterator[Entry]:
        for file in _files(self.root / "partial"):
            digest = file.name[:64]
            if _HASH.fullmatch(digest):
                yield Entry(sha256=cast(Sha256, digest), path=file, size=file.stat().st_size)

    def _folder(self, folder: Path) -> Path:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            raise HostError(
                "the store's folder cannot be made",
                where=str(folder),
                seen=error.strerror,
                remedy="set BUILDER_STORE to a folder that you may write to",
            ) from None
        return folder


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(f for f in folder.iterdir() if f.is_file() and not f.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_idle(file: Path) -> bool:
    """Removes an unfinished download unless some process holds it."""
    held = open_locked(file)
    if not held:
        return False
    with held:
        file.unlink(missing_ok=True)
    return True
