"""Makes conda packages and a channel's folder: the real formats, small contents, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import zstandard
from conda_package_streaming.create import conda_builder
from conda_package_streaming.package_streaming import stream_conda_info

PLACEHOLDER: Final = ("/opt/farm-placeholder" + "_placehold" * 30)[:255]
"""What stands for the prefix in a package's files, as long as conda-build makes it; found in the bytes by itself."""

EPOCH: Final = 1_700_000_000
"""Seconds since 1970: the time of a package that names none, and of every file in one."""


@dataclass(frozen=True)
class Link:
    """A symbolic link in a package."""

    target: str


Content = bytes | str | Link | Path
"""A file's bytes, its text, a link, or the place of its bytes."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A conda package that `make_channel` can write."""

    name: str
    version: str
    build: str = "0"
    build_number: int = 0
    depends: Sequence[str] = ()
    constrains: Sequence[str] = ()
    noarch: Literal["python", "generic"] | None = None
    license: str = "BSD-3-Clause"
    files: Mapping[str, Content] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    """By path, where not 0644, or 0755 below bin/."""
    entry_points: Sequence[str] = ()
    """Of a noarch: python package, as `hello = hello.main:main`."""
    timestamp: int = EPOCH
    """Seconds since 1970."""
    archive: Literal[".conda", ".tar.bz2"] = ".conda"

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def filename(self) -> str:
        return self.stem + self.archive

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else "linux-64"

    def index(self) -> dict[str, Any]:
        """Its info/index.json, and its record but for the archive's own size and hashes."""
        noarch = {"noarch": self.noarch} if self.noarch else {}
        system = {"arch": None, "platform": None} if self.noarch else {"arch": "x86_64", "platform": "linux"}
        return {
            **noarch,
            **system,
            "build": self.build,
            "build_number": self.build_number,
            "constrains": list(self.constrains),
            "depends": list(self.depends),
            "license": self.license,
            "name": self.name,
            "subdir": self.subdir,
            "timestamp": self.timestamp * 1000,
            "version": self.version,
        }

    def write(self, folder: Path) -> Path:
        """Writes the archive into a folder and gives its place."""
        target = folder / self.filename
        target.unlink(missing_ok=True)
        if self.archive == ".conda":
            with tempfile.TemporaryDirectory(prefix="farm-") as bench:
                with conda_builder(self.stem, bench, compression_level=1) as tar:
                    self._fill(tar)
                _settle(Path(bench, self.filename), target)
        else:
            with tarfile.open(target, "w:bz2", compresslevel=1, format=tarfile.GNU_FORMAT) as tar:
                self._fill(tar)
        return target

    def _fill(self, tar: tarfile.TarFile) -> None:
        paths = [_described(path, self.files[path]) for path in sorted(self.files)]
        info: dict[str, Any] = {
            "info/about.json": {"license": self.license, "summary": f"{self.name}, made for builder's tests"},
            "info/index.json": self.index(),
            "info/paths.json": {"paths": paths, "paths_version": 1},
        }
        if self.noarch == "python":
            noarch = {"entry_points": list(self.entry_points), "type": "python"}
            info["info/link.json"] = {"noarch": noarch, "package_metadata_version": 1}
        texts = {path: json.dumps(data, indent=2, sort_keys=True) + "\n" for path, data in info.items()}
        texts["info/files"] = "".join(f"{p['_path']}\n" for p in paths)
        prefixed = [p for p in paths if "file_mode" in p]
        texts["info/has_prefix"] = "".join(f"{PLACEHOLDER} {p['file_mode']} {p['_path']}\n" for p in prefixed)
        for path, text in sorted(texts.items()):
            _add(tar, path, text, 0o644)
        for path in sorted(self.files):
            mode = 0o755 if path.startswith(("bin/", "condabin/")) else 0o644
            _add(tar, path, self.files[path], self.modes.get(path, mode))


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel's folder: what any mirror of it serves."""

    folder: Path
    records: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """By subdir and file name."""

    @property
    def filenames(self) -> tuple[str, ...]:
        """Each package as `subdir/file`."""
        return tuple(f"{subdir}/{name}" for subdir, found in self.records.items() for name in found)

    def find(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The newest package of a name, as `subdir/file`, and its record."""
        found = ((f"{s}/{f}", r) for s, rs in self.records.items() for f, r in rs.items() if r["name"] == name)
        return max(found, key=lambda item: item[1]["timestamp"])

    def repodata(self, subdir: str, *, stale: bool = False) -> bytes:
        """The subdir's repodata.json; stale: as it was when each name had its oldest package alone."""
        records = self.records[subdir]
        if stale:
            first: dict[str, str] = {}
            for file, record in sorted(records.items(), key=lambda item: item[1]["timestamp"]):
                first.setdefault(record["name"], file)
            records = {file: records[file] for file in sorted(first.values())}
        return repodata_json(subdir, records)


def make_channel(folder: Path, packages: Iterable[Package | Path]) -> Channel:
    """Writes the packages (or takes ready archives) and both subdirs' repodata; what is there is written anew."""
    records: dict[str, dict[str, dict[str, Any]]] = {"linux-64": {}, "noarch": {}}
    for package in packages:
        index = package.index() if isinstance(package, Package) else index_of(package)
        place = folder / index["subdir"]
        place.mkdir(parents=True, exist_ok=True)
        archive = package.write(place) if isinstance(package, Package) else Path(shutil.copy(package, place))
        records[index["subdir"]][archive.name] = record_of(index, archive)
    for subdir, found in records.items():
        records[subdir] = dict(sorted(found.items()))
        write_repodata(folder / subdir, repodata_json(subdir, records[subdir]))
    return Channel(folder=folder, records=records)


def index_of(archive: Path) -> dict[str, Any]:
    """info/index.json of a package's archive."""
    for tar, member in stream_conda_info(str(archive)):
        if member.name == "info/index.json":
            index: dict[str, Any] = json.load(tar.extractfile(member))
            return index
    raise ValueError(f"{archive} is no conda package: it has no info/index.json")


def record_of(index: Mapping[str, Any], archive: Path) -> dict[str, Any]:
    """A package's repodata record."""
    content = archive.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    facts = {"md5": md5, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return dict(sorted({**index, **facts}.items()))


def repodata_json(subdir: str, records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """repodata.json of one subdir, `.conda` and `.tar.bz2` in the tables where conda looks for them."""
    data = {
        "info": {"subdir": subdir},
        "packages": {f: r for f, r in records.items() if f.endswith(".tar.bz2")},
        "packages.conda": {f: r for f, r in records.items() if f.endswith(".conda")},
        "removed": [],
        "repodata_version": 1,
    }
    return json.dumps(data, indent=1, sort_keys=True).encode() + b"\n"


def write_repodata(folder: Path, content: bytes) -> None:
    """repodata.json and repodata.json.zst."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "repodata.json").write_bytes(content)
    (folder / "repodata.json.zst").write_bytes(zstandard.compress(content, 3))


def later(package: Package, version: str, **changes: Any) -> Package:
    """The package's next release, a day younger."""
    return replace(package, version=version, timestamp=package.timestamp + 86_400, **changes)


def _described(path: str, content: Content) -> dict[str, Any]:
    """A file's entry in info/paths.json."""
    data = _bytes(content)
    entry: dict[str, Any] = {"_path": path, "path_type": "softlink" if isinstance(content, Link) else "hardlink"}
    if not isinstance(content, Link):
        entry |= {"sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
        if PLACEHOLDER.encode() in data:
            entry |= {"file_mode": "binary" if b"\0" in data else "text", "prefix_placeholder": PLACEHOLDER}
    return entry


def _bytes(content: Content) -> bytes:
    match content:
        case Link():
            return b""
        case Path():
            return content.read_bytes()
        case str():
            return content.encode()
    return content


def _add(tar: tarfile.TarFile, path: str, content: Content, mode: int) -> None:
    member, data = tarfile.TarInfo(path), _bytes(content)
    member.mtime, member.mode, member.size = EPOCH, mode, len(data)
    if isinstance(content, Link):
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, content.target, 0o777
    tar.addfile(member, io.BytesIO(data))


def _settle(made: Path, target: Path) -> None:
    """The same zip with no time of its making in it: conda-package-streaming writes the clock."""
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for member in old.infolist():
            new.writestr(zipfile.ZipInfo(member.filename), old.read(member))
