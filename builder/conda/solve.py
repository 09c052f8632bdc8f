"""Solves an environment from repodata files with rattler, and reads single records of them. No network, no host."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from builder.errors import LockError
from builder.models.lock import CondaPackage

if TYPE_CHECKING:
    from pathlib import Path

    from rattler import Channel, GenericVirtualPackage, RepoDataRecord, SparseRepoData

    from builder.models.resolved import CondaAsked


_FIELDS = {"name", "version", "build", "build_number", "noarch", "depends", "constrains", "md5", "sha256", "size"}


@dataclass(frozen=True, kw_only=True)
class Part:
    """The repodata of one subdir of one channel, as a file."""

    source: str
    """As in `conda-forge/linux-64`."""
    path: Path

    @property
    def channel(self) -> str:
        """Its channel's name."""
        return self.source.rpartition("/")[0]

    @property
    def subdir(self) -> str:
        """`linux-64`, `noarch`, ..."""
        return self.source.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The environment, sorted by name."""

    packages: tuple[CondaPackage, ...]
    newest: int | None
    """When the newest package was made, seconds since 1970; None when no record tells."""


def solve(parts: Sequence[Part], asked: CondaAsked, *, keep: Sequence[CondaPackage], where: str) -> Solution:
    """The environment, channels by strict priority; what is in `keep` stays unless a spec speaks against it.

    Raises LockError: it cannot be solved, or a record tells no hash or size.
    """
    from rattler import MatchSpec  # noqa: PLC0415 - 80 ms
    from rattler.exceptions import SolverError  # noqa: PLC0415
    from rattler.solver import solve_with_sparse_repodata  # noqa: PLC0415

    with ExitStack() as stack:
        opened = {part.source: stack.enter_context(_opened(part)) for part in parts}
        solving = solve_with_sparse_repodata(
            [MatchSpec(spec, strict=False) for spec in asked.specs],
            list(opened.values()),
            locked_packages=[record for package in keep for record in _same(opened, package)],
            virtual_packages=[_virtual(text) for text in asked.virtual],
        )
        try:
            records = asyncio.run(solving)
        except SolverError as error:
            raise _unsolvable(str(error), asked, where, hint=_misspelt(asked, opened.values())) from None
        except (OSError, ValueError) as error:  # a record of which only the text around it was read before
            what = "a record of the repodata cannot be read"
            raise LockError(what, where=", ".join(opened), seen=str(error), remedy="try other mirrors") from None
        channels = {_channel(part.channel).base_url: part.channel for part in parts}
        found = [_package(record, channels[record.channel or ""], where) for record in records]
        for record, package in zip(records, found, strict=True):
            _refuse_stray(record, package, _same(opened, package))
    stamps = (int(record.timestamp.timestamp()) for record in records if record.timestamp)
    return Solution(packages=tuple(sorted(found, key=lambda p: p.name)), newest=max(stamps, default=None))


def listed(part: Part, packages: Sequence[CondaPackage]) -> dict[str, tuple[str, int | None]]:
    """By file name: SHA-256 and size that this repodata has of those packages that it lists and are of its subdir."""
    own = [p for p in packages if p.artifact.source == part.source]
    with _opened(part) as data:
        records = (record for package in own for record in _same({part.source: data}, package))
        return {record.file_name: (record.sha256.hex(), record.size) for record in records if record.sha256}


def fault(part: Part) -> str | None:
    """Why a file cannot be the repodata of its subdir; None when it is."""
    try:
        with _opened(part):
            return None
    except (OSError, ValueError) as error:
        return f"its repodata is garbled: {str(error).splitlines()[0]}"


@contextmanager
def _opened(part: Part) -> Iterator[SparseRepoData]:
    from rattler import SparseRepoData  # noqa: PLC0415 - 80 ms

    data = SparseRepoData(_channel(part.channel), part.subdir, part.path)
    try:
        yield data
    finally:
        data.close()


def _channel(name: str) -> Channel:
    from rattler import Channel  # noqa: PLC0415 - 80 ms

    return Channel(name)


def _same(opened: Mapping[str, SparseRepoData], package: CondaPackage) -> list[RepoDataRecord]:
    """The record of that very file, if it is still there."""
    from rattler.repo_data import PackageFormatSelection  # noqa: PLC0415 - 80 ms

    data = opened.get(package.artifact.source)
    records = data.load_records(package.name, PackageFormatSelection.BOTH) if data else []
    return [record for record in records if record.file_name == package.artifact.path]


def _virtual(text: str) -> GenericVirtualPackage:
    from rattler import GenericVirtualPackage, PackageName, Version  # noqa: PLC0415 - 80 ms
    from rattler.package import BuildString  # noqa: PLC0415

    name, version, *build = text.split("=")
    return GenericVirtualPackage(PackageName(name), Version(version), BuildString(build[0] if build else "0"))


def _package(record: RepoDataRecord, channel: str, where: str) -> CondaPackage:
    """The record without its host. Raises LockError for one that cannot be held to anything."""
    lacks = [what for what, has in (("SHA-256", record.sha256), ("size", record.size)) if not has]
    if lacks:
        raise LockError(
            f"the channel {channel} does not tell the {' and '.join(lacks)} of {record.file_name}",
            where=where,
            remedy="ask for another build of it: a package without a hash cannot be locked",
        )
    text = record.to_json()
    data = {k: v for k, v in json.loads(text).items() if k in _FIELDS}
    artifact = {"source": f"{channel}/{record.subdir}", "path": record.file_name}
    artifact |= {"sha256": data.pop("sha256"), "size": data.pop("size")}
    if data.get("noarch") is True:  # what very old records say for `generic`
        data["noarch"] = "generic"
    try:
        return CondaPackage.model_validate_json(json.dumps({**data, "artifact": artifact}))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        seen = f"{'.'.join(map(str, detail['loc']))}: {detail['input']!r}"[:200]
        raise LockError(f"the record of {record.file_name} cannot be locked", where=where, seen=seen) from None


def _refuse_stray(record: RepoDataRecord, package: CondaPackage, listed: Sequence[RepoDataRecord]) -> None:
    """Raises LockError for a record that is not of the repodata that lists it.

    listed: what the repodata of the subdir that it names has under its file name. Where mirrors are compared, they
    are asked about a file of that subdir: a record that names another one would be compared with nothing.
    """
    read, own = record.url.rpartition("/")[0], f"{record.channel}{record.subdir}"
    if record.sha256 not in [other.sha256 for other in listed]:
        raise LockError(
            f"the record of {record.file_name} says that it is of {package.artifact.source}, which has no such file",
            where=f"{package.artifact.source.rpartition('/')[0]}/{read.removeprefix(record.channel or '')}",
            remedy="a mirror serves the repodata of another platform, or a forged one: lock with each of the recipe's "
            "mirrors alone, and leave that one out",
        )
    if read != own:
        raise LockError(
            f"the repodata that lists {record.file_name} keeps its packages elsewhere, which is not followed",
            where=package.artifact.source,
            seen=f"base_url: {read}",
            remedy="name a mirror that has repodata and packages in one folder",
        )


def _misspelt(asked: CondaAsked, opened: Iterable[SparseRepoData]) -> str:
    """What a name that no channel has may have meant."""
    from rattler import MatchSpec  # noqa: PLC0415 - 80 ms

    known = {name for data in opened for name in data.package_names()}
    wanted = (str(MatchSpec(spec, strict=False).name.normalized) for spec in asked.specs)
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.75) for name in wanted if name not in known}
    return "".join(f"{name}: did you mean {found[0]}? " for name, found in near.items() if found)


def _unsolvable(explanation: str, asked: CondaAsked, where: str, *, hint: str) -> LockError:
    said = explanation.removeprefix("Cannot solve the request because of: ").strip()
    return LockError(
        "no set of conda packages meets the recipe",
        where=where,
        seen=f"{said}\nchannels: {', '.join(asked.channels)}; the image: {', '.join(asked.virtual)}",
        remedy=f"{hint}change the packages so that they agree, or name a channel that has them; each `__...` is what "
        "the base and `cuda` of the recipe give",
    )
