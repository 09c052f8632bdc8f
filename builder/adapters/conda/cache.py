"""Keeps repodata from one lock to the next, and asks mirrors only for what has changed since."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from pydantic import ValidationError

from builder.adapters.store.partial import disk_errors
from builder.models.base import Model, Sha256, sha256_of

_UNUSED: Final = 14 * 86_400
"""Seconds after which what no lock asked for is removed."""
_LEFT: Final = 3600
"""Seconds after which repodata that no mirror has any more is removed: another lock may be reading it."""


class Kept(Model):
    """What one address gave when it was last asked."""

    sha256: Sha256
    """Of repodata.json, whichever way it was packed."""
    newest: int
    etag: str | None = None
    modified: str | None = None
    """Last-Modified, as the server wrote it."""

    def conditions(self) -> dict[str, str]:
        """Headers that make a server say `HTTP 304` of what is kept."""
        known = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """Repodata that is being written."""

    file: IO[bytes]
    folder: Path

    @property
    def path(self) -> Path:
        """Where it is until it is kept. What was written is there."""
        self.file.flush()
        return Path(self.file.name)

    def reopened(self) -> IO[bytes]:
        """What was written, to be read from its beginning."""
        return self.path.open("rb")

    def write(self, piece: bytes) -> None:
        """Appends. Raises DiskError."""
        with disk_errors(self.folder):
            self.file.write(piece)

    def keep_as(self, digest: Sha256) -> None:
        """Under its hash. Raises DiskError."""
        with disk_errors(self.folder):
            os.link(self.path, temporary := f"{self.file.name}.whole")
            Path(temporary).replace(self.folder / f"{digest}.json")


class RepodataCache:
    """A folder of repodata by hash, and of what each address gave last. Safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: Sha256) -> Path:
        """Where repodata of that hash is."""
        return self.folder / f"{digest}.json"

    @contextmanager
    def new(self) -> Iterator[NewFile]:
        """A file that is gone after the `with` block unless it was kept."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".partial-") as file:
            yield NewFile(file=file, folder=self.folder)

    def kept(self, url: str) -> Kept | None:
        """What an address gave, as long as the file is there."""
        try:
            kept = Kept.model_validate_json(self._note(url).read_bytes())
        except (OSError, ValidationError):
            return None
        return kept if self.path(kept.sha256).is_file() else None

    def keep(self, url: str, kept: Kept) -> None:
        """Remembers what an address gave, now."""
        note = self._note(url)
        with disk_errors(self.folder), tempfile.NamedTemporaryFile(dir=self.folder, prefix=".partial-") as file:
            file.write(kept.model_dump_json().encode())
            file.flush()
            os.link(file.name, temporary := f"{file.name}.whole")
            Path(temporary).replace(note)

    def prune(self) -> None:
        """Removes what no lock has used for two weeks, and repodata that no address gives any more."""
        now, used = time.time(), set[str]()
        for note in self.folder.glob("*.kept"):
            with suppress(OSError, ValidationError):
                if now - note.stat().st_mtime > _UNUSED:
                    note.unlink()
                else:
                    used.add(Kept.model_validate_json(note.read_bytes()).sha256)
        for file in (*self.folder.glob("*.json"), *self.folder.glob(".partial-*")):
            with suppress(OSError):
                if file.stem not in used and now - file.stat().st_mtime > _LEFT:
                    file.unlink()

    def _note(self, url: str) -> Path:
        return self.folder / f"{sha256_of(url)}.kept"
