"""Which parts of an image are configuration that takes effect: what the audit of an image reads. Pure.

An image has some gigabytes and half a million files; what tells its clients whom to trust lies in these places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

FOLDERS: Final = ("/etc", "/root", "/home", "/usr/etc", "/usr/local/etc", "/var/lib/conda")
"""Read whole: the system's configuration, and everybody's own."""

PREFIX_FOLDERS: Final = ("etc", "condarc.d")
PREFIX_FILES: Final = ("pip.conf", ".condarc", "condarc", ".mambarc", "mambarc", "conda-meta/state")
"""Of each Python environment and each conda installation: pip's `site` configuration, conda's, git's, npm's."""

PROJECT_FILES: Final = (".npmrc", ".yarnrc", ".yarnrc.yml", "uv.toml", ".env")
"""Of the folder that the image's programs start in."""

CONDA_ROOTS: Final = (
    "/opt/conda",
    "/opt/miniconda3",
    "/opt/miniforge3",
    "/opt/mambaforge",
    "/opt/anaconda3",
    "/usr/local/miniconda3",
)
"""Where a conda usually is, beside what the variables say."""

_SYSTEM = ("/", "/usr", "/usr/local", "/usr/local/games", "/usr/games", ".")


def prefixes(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where an environment or a conda may be: what the variables name, what is on PATH, the usual places."""
    return tuple(dict.fromkeys(p for p in (*_named(environment), *CONDA_ROOTS) if p not in _SYSTEM))


def _named(environment: Mapping[str, str]) -> Iterator[str]:
    for name in ("CONDA_PREFIX", "VIRTUAL_ENV"):
        if environment.get(name, "").startswith("/"):
            yield environment[name].rstrip("/")
    if environment.get("CONDA_EXE", "").startswith("/"):
        yield str(PurePosixPath(environment["CONDA_EXE"]).parent.parent)
    for entry in environment.get("PATH", "").split(":"):
        folder = PurePosixPath(entry)
        if entry.startswith("/") and folder.name in ("bin", "sbin", "condabin"):
            yield str(folder.parent)
