"""An image's files, read out of a container that is made and never started; and the variables of its config."""

from __future__ import annotations

import posixpath
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from builder.adapters.sandbox import owner
from builder.audit.examine import LARGEST
from builder.audit.kinds import CONFIGURATION, Kind, kind_of
from builder.errors import EngineError

if TYPE_CHECKING:
    from builder.progress import Progress

_PEM: Final = (".pem", ".crt", ".cer")
_HOMES: Final = ("/root", "/home")
_LINKS: Final = 20


@dataclass
class ImageFiles:
    """The files of an image: all names, and the content of configuration and certificates."""

    environment: dict[str, str] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: dict[str, set[str]] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        """The content of a file that was kept."""
        return self.contents.get(self._real(path))

    def exists(self, path: str) -> bool:
        """True for any file or folder of the image."""
        real = self._real(path)
        return real in self.folders or posixpath.basename(real) in self.folders.get(posixpath.dirname(real), ())

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted."""
        return tuple(sorted(self.folders.get(self._real(folder), ())))

    def conda_roots(self) -> tuple[str, ...]:
        """Where a conda is installed."""
        return tuple(sorted(posixpath.dirname(p) for p in self.folders if p.endswith("/conda-meta")))

    def configuration(self) -> tuple[str, ...]:
        """The files whose name makes them configuration, in whatever folder."""
        return tuple(sorted(p for p in self.contents if kind_of(p) in CONFIGURATION))

    def add(self, path: str) -> None:
        """A name; its folders are known with it."""
        folder, name = posixpath.split(path)
        while name:
            names = self.folders.setdefault(folder, set())
            if name in names:
                return
            names.add(name)
            folder, name = posixpath.split(folder)

    def _real(self, path: str) -> str:
        """Without links: each part of the path may be one."""
        for _ in range(_LINKS):
            path = posixpath.normpath(path)
            parts = path.split("/")
            heads = ["/".join(parts[:n]) for n in range(2, len(parts) + 1)]
            link = next((h for h in heads if h in self.links), None)
            if link is None:
                return path
            path = posixpath.join(posixpath.dirname(link), self.links[link]) + path[len(link) :]
        return path


def image_files(image: str, progress: Progress) -> ImageFiles:
    """All that the audit needs of an image; nothing of it is run. Raises EngineError."""
    import docker.errors  # noqa: PLC0415 - not on the path of `builder --help`
    import requests.exceptions  # noqa: PLC0415

    try:
        with _client() as api:
            found = api.inspect_image(image)
            files = ImageFiles(environment=_variables(found))
            with _container(api, image) as container, progress.task(f"read {image}", unit="bytes") as task:
                for member, content in _members(api, container):
                    _take(files, member, content)
                    task.advance(member.size)
            files.environment.setdefault("HOME", _home(files, (found.get("Config") or {}).get("User") or "root"))
            return files
    except docker.errors.ImageNotFound as error:
        raise EngineError("there is no such image", where=image, remedy="`docker pull` it, or name another") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, tarfile.TarError, OSError) as error:
        seen = str(getattr(error, "explanation", None) or error)
        remedy = "run `builder doctor engine`"
        raise EngineError("the image cannot be read", where=image, seen=seen, remedy=remedy) from error


@contextmanager
def _client() -> Iterator[Any]:
    from builder.adapters.engine import _connected, endpoint  # noqa: PLC0415 - trusts what the engine's adapter trusts

    with closing(_connected(endpoint(), "auto")) as client:
        yield client.api


@contextmanager
def _container(api: Any, image: str) -> Iterator[str]:
    """A container of the image, not started; labelled as a check's, so that it is swept if we are killed."""
    labels = {"builder.check": owner(), "builder.check.deadline": str(int(time.time()) + 7200)}
    container = api.create_container(image, command=["/nothing"], labels=labels)["Id"]
    try:
        yield container
    finally:
        api.remove_container(container, force=True, v=True)


def _variables(found: dict[str, Any]) -> dict[str, str]:
    entries = (found.get("Config") or {}).get("Env") or ()
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _home(files: ImageFiles, user: str) -> str:
    """The home of the image's user, by name or number: where the clients that it starts look first."""
    wanted = user.partition(":")[0]
    for line in (files.contents.get("/etc/passwd") or b"").decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 5 and wanted in (fields[0], fields[2]):
            return fields[5]
    return "/root"


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


def _members(api: Any, container: str) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    stream = cast("Any", _Stream(iter(api.export(container, chunk_size=2 << 20))))
    with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as tar:
        for member in tar:
            content = None
            if member.isreg() and member.size <= LARGEST and _is_kept("/" + member.name.lstrip("./")):
                file = tar.extractfile(member)
                content = file.read() if file else None
            yield member, content
            tar.members.clear()  # type: ignore[attr-defined]  # a big image has half a million of them


def _is_kept(path: str) -> bool:
    if path.endswith(_PEM) or path == "/etc/passwd":
        return True
    kind = kind_of(path)
    scripts = path.startswith(("/etc/", *_HOMES)) or path.count("/") == 1
    return kind in CONFIGURATION and (kind is not Kind.SHELL or scripts)


def _take(files: ImageFiles, member: tarfile.TarInfo, content: bytes | None) -> None:
    path = "/" + member.name.removeprefix("./").strip("/")
    files.add(path)
    if member.isdir():
        files.folders.setdefault(path, set())
    elif member.issym():
        files.links[path] = member.linkname
    elif member.islnk():
        files.links[path] = "/" + member.linkname.removeprefix("./").lstrip("/")
    elif content is not None:
        files.contents[path] = content
