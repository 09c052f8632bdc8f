"""The running host's files, as the audit asks for them, and where a conda is installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from builder.audit.examine import LARGEST

_ROOTS: Final = (
    "/opt/conda",
    "/opt/miniconda3",
    "/opt/miniforge3",
    "/opt/mambaforge",
    "/opt/anaconda3",
    "/usr/local/miniconda3",
    "~/miniconda3",
    "~/miniforge3",
    "~/mambaforge",
    "~/anaconda3",
    "~/.conda",
)


class HostFiles:
    """This machine's files."""

    def read(self, path: str) -> bytes | None:
        """The content; None when it is no regular file, may not be read, or is larger than any configuration."""
        file = Path(path)
        try:
            return file.read_bytes() if file.is_file() and file.stat().st_size <= LARGEST else None
        except (OSError, ValueError):
            return None

    def exists(self, path: str) -> bool:
        """True for a file or a folder."""
        try:
            return Path(path).exists()
        except (OSError, ValueError):
            return False

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted."""
        try:
            return tuple(sorted(entry.name for entry in Path(folder).iterdir()))
        except (OSError, ValueError):
            return ()


def conda_roots(environment: dict[str, str]) -> tuple[str, ...]:
    """Where a conda is: what CONDA_EXE says, and the usual places."""
    places = [os.path.expanduser(place) for place in _ROOTS]  # noqa: PTH111
    if named := environment.get("CONDA_EXE"):
        places.insert(0, str(Path(named).parent.parent))
    return tuple(dict.fromkeys(p for p in places if Path(p, "conda-meta").is_dir()))
