"""An image's files, read out of a container that is made and never started: nothing of the image is run."""

from __future__ import annotations

import posixpath
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from builder.adapters.engine.sandbox import owner

_LIFE = 7200  # seconds after which another builder may sweep the container: nobody reads an image for so long
_TYPE, _LINK, _FOLDER = 0x8F280000, 1 << 27, 1 << 31  # of Go's os.FileMode: anything but a file, a link, a folder


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What lies at a path."""

    folder: bool
    regular: bool
    size: int
    """Bytes."""
    link: str
    """Where a link leads to in the end, as an absolute path; empty for what is none."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file, folder or link of many."""

    path: str
    folder: bool
    link: str
    """What a link says, symbolic or hard; relative to its own folder unless it begins with `/`."""
    size: int
    content: bytes | None
    """None for what is no regular file or is too large."""


class AtRest:
    """The files of a container that never runs."""

    def __init__(self, api: Any, container: str) -> None:
        self._api, self._container = api, container

    def entry(self, path: str) -> Entry | None:
        """What lies at an absolute path; None when there is nothing."""
        from docker.utils import decode_json_header  # noqa: PLC0415 - not on the path of `builder --help`

        url = f"{self._api.base_url}/v{self._api.api_version}/containers/{self._container}/archive"
        answer = self._api.head(url, params={"path": path}, timeout=self._api.timeout)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        stat = decode_json_header(answer.headers["x-docker-container-path-stat"])
        mode = int(stat["mode"])
        link = stat.get("linkTarget") or "" if mode & _LINK else ""
        return Entry(folder=bool(mode & _FOLDER), regular=not mode & _TYPE, size=int(stat["size"]), link=link)

    def members(self, path: str, largest: int) -> Iterator[Member]:
        """Everything at and below a path, with the content of files of up to `largest` bytes."""
        chunks, _ = self._api.get_archive(self._container, path)
        return _members(chunks, posixpath.dirname(path.rstrip("/")), largest)

    def all_members(self, largest: int) -> Iterator[Member]:
        """As `members`, of the whole image: gigabytes."""
        return _members(self._api.export(self._container, chunk_size=2 << 20), "/", largest)


@contextmanager
def at_rest(api: Any, image: str) -> Iterator[AtRest]:
    """A container of the image, not started; labelled as a check's, so that it is swept if we are killed."""
    labels = {"builder.check": owner(), "builder.check.deadline": str(int(time.time()) + _LIFE)}
    container = api.create_container(image, command=["/nothing"], labels=labels)["Id"]
    try:
        yield AtRest(api, container)
    finally:
        api.remove_container(container, force=True, v=True)


def _members(chunks: Iterator[bytes], above: str, largest: int) -> Iterator[Member]:
    """The members of an archive whose names are relative to the folder `above`."""
    with tarfile.open(fileobj=cast("Any", _Stream(iter(chunks))), mode="r|", bufsize=1 << 20) as tar:
        for info in tar:
            file = tar.extractfile(info) if info.isreg() and info.size <= largest else None
            content = file.read() if file else None
            link = _absolute(above, info.linkname) if info.islnk() else info.linkname if info.issym() else ""
            path = _absolute(above, info.name)
            yield Member(path=path, folder=info.isdir(), link=link, size=info.size, content=content)
            tar.members.clear()  # type: ignore[attr-defined]  # a big image has half a million of them


def _absolute(above: str, name: str) -> str:
    return posixpath.join(above, name.removeprefix("./").strip("/"))


class _Stream:
    """The engine's chunks as a file that `tarfile` reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int = -1) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while size < 0 or have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._rest = data[size:] if size >= 0 else b""
        return data[:size] if size >= 0 else data
