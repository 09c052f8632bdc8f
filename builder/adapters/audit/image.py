"""An image's files as the audit asks for them: the places that are configuration, whole; anything else when asked."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

from builder.audit.examine import LARGEST, may_matter
from builder.audit.image_places import FOLDERS, PREFIX_FILES, PREFIX_FOLDERS, PROJECT_FILES, prefixes
from builder.audit.kinds import CONFIGURATION, Kind, kind_of
from builder.errors import EngineError

if TYPE_CHECKING:
    from builder.adapters.engine.at_rest import AtRest, Member
    from builder.adapters.engine.client import Engine
    from builder.models.engine import ImageFacts
    from builder.progress import Task

_HOMES: Final = ("/root", "/home")
_PEM: Final = (".pem", ".crt", ".cer")
_LINKS: Final = 20


class ImageFiles:
    """The files of an image: what was brought is known by name; what was not is asked for, one by one."""

    def __init__(self, rest: AtRest, *, whole: bool = False) -> None:
        self._rest, self._whole = rest, whole
        self._contents: dict[str, bytes | None] = {}
        self._links: dict[str, str] = {}
        self._folders: dict[str, set[str]] = {}
        self._brought: list[str] = []
        self._absent: list[str] = []
        self.environment: dict[str, str] = {}
        self.roots: list[str] = []
        """Where a conda is installed."""

    def read(self, path: str) -> bytes | None:
        """The content of a regular file that is not larger than any configuration."""
        real = self._found(path)
        if real is None or real in self._folders:
            return None
        if real not in self._contents:
            self._contents[real] = self._asked(real)
        return self._contents[real]

    def exists(self, path: str) -> bool:
        """True for any file or folder of the image."""
        return self._found(path) is not None

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted."""
        self.bring(folder)
        return tuple(sorted(self._folders.get(self._found(folder) or "", ())))

    def configuration(self) -> tuple[str, ...]:
        """The files whose name and place make them configuration."""
        return tuple(sorted(path for path in self._contents if self._whole or kind_of(path) in CONFIGURATION))

    def first(self, candidates: Iterable[tuple[str, ...]]) -> Iterator[str]:
        """Of each candidate's paths the first one that is there."""
        for paths in candidates:
            yield from islice((path for path in paths if self.exists(path)), 1)

    def conda_roots(self) -> tuple[str, ...]:
        """Where a conda or an environment of one is."""
        return tuple(sorted({*self.roots, *(posixpath.dirname(p) for p in self._folders if p.endswith("/conda-meta"))}))

    def bring(self, folder: str, task: Task | None = None) -> None:
        """All below a folder; nothing where there is none."""
        real = self._found(folder)
        if real in self._folders and not self._is_known(real):
            self._take(self._rest.members(real, LARGEST), task)
            self._brought.append(real)

    def bring_all(self, task: Task) -> None:
        """The whole image."""
        self._take(self._rest.all_members(LARGEST), task)
        self._brought.append("/")

    def _found(self, path: str) -> str | None:
        """The path without links, each part of it may be one; None when there is nothing."""
        for _ in range(_LINKS):
            path = "/" + posixpath.normpath(path).lstrip("/")
            folder, name = posixpath.split(path)
            if link := self._link_in(path):
                path = posixpath.join(posixpath.dirname(link), self._links[link]) + path[len(link) :]
            elif path in self._folders or name in self._folders.get(folder, ()):
                return path
            elif self._is_known(path) or self._is_absent(path) or not self._ask(path):
                return None
        return None

    def _link_in(self, path: str) -> str | None:
        parts = path.split("/")
        heads = ("/".join(parts[:n]) for n in range(2, len(parts) + 1))
        return next((head for head in heads if head in self._links), None)

    def _is_known(self, path: str) -> bool:
        """True where all names are known."""
        return any(_is_below(path, top) for top in self._brought)

    def _is_absent(self, path: str) -> bool:
        return any(_is_below(path, top) for top in self._absent)

    def _ask(self, path: str) -> bool:
        """Whether the engine has something at a path that nobody asked for yet."""
        entry = self._rest.entry(path)
        if entry is None:
            self._absent.append(path)
            return False
        if entry.link and entry.link != path:
            self._links[path] = entry.link
            return True
        self._name(path)
        if entry.folder:
            self._folders.setdefault(path, set())
        else:
            self._contents[path] = self._content(path) if entry.regular and entry.size <= LARGEST else None
        return True

    def _asked(self, path: str) -> bytes | None:
        """Of a file that was brought by its name alone."""
        entry = self._rest.entry(path)
        return self._content(path) if entry and entry.regular and entry.size <= LARGEST else None

    def _content(self, path: str) -> bytes | None:
        return next((member.content for member in self._rest.members(path, LARGEST)), None)

    def _take(self, members: Iterator[Member], task: Task | None) -> None:
        for member in members:
            self._name(member.path)
            if member.folder:
                self._folders.setdefault(member.path, set())
            elif member.link:
                self._links[member.path] = member.link
            elif member.content is not None and self._is_kept(member.path, member.content):
                self._contents[member.path] = member.content
            if task:
                task.advance(member.size)

    def _is_kept(self, path: str, content: bytes) -> bool:
        return _is_configuration(path) or (self._whole and may_matter(path, content))

    def _name(self, path: str) -> None:
        """The folders above are known with it, though not what else is in them."""
        folder, name = posixpath.split(path)
        while name and name not in self._folders.setdefault(folder, set()):
            self._folders[folder].add(name)
            folder, name = posixpath.split(folder)


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _is_configuration(path: str) -> bool:
    if path.endswith(_PEM) or path == "/etc/passwd":
        return True
    kind = kind_of(path)
    scripts = path.startswith(("/etc/", *_HOMES)) or path.count("/") == 1 or "/etc/conda/" in path
    return kind in CONFIGURATION and (kind is not Kind.SHELL or scripts)


@contextmanager
def image_files(
    engine: Engine, facts: ImageFacts, task: Task, *, more: tuple[str, ...] = (), whole: bool = False
) -> Iterator[ImageFiles]:
    """The files of an image, for as long as the `with` block lasts; nothing of it is run. Raises EngineError.

    `more` are environments of the image besides those that its variables name; `whole` reads every file of it.
    """
    try:
        with engine.at_rest(facts.id) as rest:
            files = ImageFiles(rest, whole=whole)
            files.environment = dict(facts.env)
            if whole:
                files.bring_all(task)
            _bring_places(files, facts, task, more)
            yield files
    except tarfile.TarError as error:
        raise EngineError("the image cannot be read", where=facts.id, seen=str(error)) from error


def _bring_places(files: ImageFiles, facts: ImageFacts, task: Task, more: tuple[str, ...]) -> None:
    for folder in FOLDERS:
        files.bring(folder, task)
    home = files.environment.setdefault("HOME", _home(files, facts.user or "root"))
    if home != "/":
        files.bring(home, task)
    for prefix in (*prefixes(files.environment), *more):
        if files.exists(prefix):
            _bring_prefix(files, prefix, task)
    if facts.workdir not in ("", "/"):
        for name in PROJECT_FILES:
            files.exists(f"{facts.workdir}/{name}")


def _bring_prefix(files: ImageFiles, prefix: str, task: Task) -> None:
    for folder in PREFIX_FOLDERS:
        files.bring(f"{prefix}/{folder}", task)
    for name in PREFIX_FILES:
        files.exists(f"{prefix}/{name}")
    if files.exists(f"{prefix}/conda-meta") and prefix not in files.roots:
        files.roots.append(prefix)


def _home(files: ImageFiles, user: str) -> str:
    """The home of the image's user, by name or number: where the clients that it starts look first."""
    wanted = user.partition(":")[0]
    for line in (files.read("/etc/passwd") or b"").decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 5 and wanted in (fields[0], fields[2]):
            return fields[5]
    return "/root"
