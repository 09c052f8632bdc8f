"""The files of an audit: found below folders, read within bounds, written back whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.audit.examine import LARGEST
from builder.audit.kinds import kind_of
from builder.errors import BuilderError, DiskError

_SKIPPED: Final = frozenset(
    (".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache")
)
_MOST: Final = 200_000  # files below the folders named: past it, somebody gave the wrong folder


@dataclass(frozen=True, kw_only=True)
class Text:
    """A file to audit."""

    path: str
    """As the user wrote it, with `/`."""
    text: str
    """Bytes that are not UTF-8 as surrogates, so that it can be written back as it was."""


def texts(paths: Iterable[Path]) -> Iterator[Text]:
    """The files below the paths that the audit reads. Raises BuilderError for a path that is not there."""
    for path in paths:
        if path.is_dir():
            yield from (found for file in _below(path) if (found := _text(file)) is not None)
        elif path.is_file():
            if (named := _text(path)) is not None:
                yield named
        else:
            raise BuilderError("there is nothing to audit", where=str(path), remedy="name a file or a folder")


def _below(folder: Path) -> Iterator[str]:
    count = 0
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not os.path.exists(f"{at}/{f}/pyvenv.cfg"))  # noqa: PTH110 - a Path for each costs
        if os.path.isfile(f"{at}/.git/config"):  # noqa: PTH113
            yield f"{at}/.git/config"
        for name in sorted(names):
            yield f"{at}/{name}"
            count += 1
        if count > _MOST:
            raise BuilderError(
                f"more than {_MOST} files", where=str(folder), remedy="name the folders that matter, or use --host"
            )


def _text(path: str | Path) -> Text | None:
    """The file's text when its kind is one that is read."""
    name = str(path)
    shown = name.removeprefix("./")
    suffix = os.path.splitext(name)[1]  # noqa: PTH122
    if suffix and kind_of(shown) is None:
        return None
    data = _bytes(name)
    if data is None or b"\0" in data[:4096] or kind_of(shown, data[:80]) is None:
        return None
    return Text(path=shown, text=data.decode("utf-8", "surrogateescape"))


def _bytes(name: str) -> bytes | None:
    """Up to `LARGEST` bytes; None for what is larger, is no regular file, or may not be read."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe must not hold us
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(state.st_mode) and state.st_size <= LARGEST else None


def write_back(path: str, before: str, after: str) -> None:
    """Replaces the file in one step, with its mode; refuses where it changed meanwhile. Raises DiskError."""
    target = Path(path).resolve()
    handle = None
    try:
        if target.read_bytes() != before.encode("utf-8", "surrogateescape"):
            raise DiskError("the file changed while it was audited", where=path, remedy="run it again")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(after.encode("utf-8", "surrogateescape"))
        state = target.stat()
        Path(name).chmod(stat.S_IMODE(state.st_mode))
        with contextlib.suppress(OSError):
            os.chown(name, state.st_uid, state.st_gid)
        Path(name).replace(target)
    except OSError as error:
        if handle is not None:
            Path(name).unlink(missing_ok=True)
        raise DiskError("cannot write the fix", where=path, seen=str(error)) from error
