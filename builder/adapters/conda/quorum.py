"""What several mirrors say of one subdir, held against each other: the newest decides, and nobody may contradict it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from builder.adapters.conda.download import Copy
from builder.adapters.conda.repodata import Gathered
from builder.conda.solve import listed
from builder.errors import IntegrityError
from builder.models.lock import CondaPackage

_DAY: Final = 86_400
_HOUR: Final = 3600
_NAMED: Final = 3


def newest(copies: Sequence[Copy]) -> Copy:
    """The newest one, unless several mirrors agree on one that is less than a day older.

    One record with a date of today makes any repodata new. Of equally new ones that which most mirrors have is taken,
    then the first in the recipe's order.
    """
    votes = Counter(copy.sha256 for copy in copies)
    latest = max(copy.newest for copy in copies)
    agreed = [copy for copy in copies if votes[copy.sha256] > 1 and latest - copy.newest < _DAY]
    return max(agreed or copies, key=lambda copy: (copy.newest, votes[copy.sha256]))


def compared(of: Gathered, chosen: Copy, packages: Sequence[CondaPackage]) -> tuple[str, ...]:
    """What there is to say of how the mirrors differ.

    Raises IntegrityError for a file of which two mirrors give two hashes or sizes.
    """
    own = [package for package in packages if package.artifact.source == of.source]
    others = {copy.sha256: copy for copy in reversed(of.copies) if copy.sha256 != chosen.sha256}
    seconded = {copy.mirror for copy in of.copies if copy.sha256 == chosen.sha256} != {chosen.mirror}
    alone = {package.artifact.path: package.name for package in own if not seconded}
    for copy in others.values():
        theirs = listed(copy.part, own)
        for package in own:
            if package.artifact.path in theirs:
                _refuse_two(package, theirs[package.artifact.path], chosen=chosen, other=copy)
                alone.pop(package.artifact.path, None)
    return (*_differences(of, chosen), *_alone(alone, chosen.mirror, among=len(of.copies)))


def as_before(before: Sequence[CondaPackage], now: Sequence[CondaPackage], where: str) -> None:
    """Raises IntegrityError for a file that was locked with another hash: the lock is one more witness."""
    locked = {(p.artifact.source, p.artifact.path): p.artifact.sha256 for p in before}
    for package in now:
        artifact = package.artifact
        old = locked.get((artifact.source, artifact.path), artifact.sha256)
        if old != artifact.sha256:
            raise IntegrityError(
                f"the mirrors give another hash for {artifact.path} than the lock has",
                where=where,
                seen=f"locked: sha256 {old}\nnow: sha256 {artifact.sha256}",
                remedy="a package of a channel is never replaced under its name: do not trust it. If its channel did "
                f"replace it, and says so, `builder lock --upgrade {package.name}` takes it",
            )


def _refuse_two(package: CondaPackage, theirs: tuple[str, int | None], *, chosen: Copy, other: Copy) -> None:
    artifact, (sha256, size) = package.artifact, theirs
    for what, plural, mine, his in (
        ("sha256", "hashes", artifact.sha256, sha256),
        ("size", "sizes", artifact.size, size if size is not None else artifact.size),
    ):
        if mine != his:
            raise IntegrityError(
                f"two mirrors give two {plural} for {artifact.path}",
                where=artifact.source,
                seen=f"{chosen.mirror}: {what} {mine}\n{other.mirror}: {what} {his}",
                remedy="one of them serves another file under that name: trust neither until the channel says which is "
                "its own, and take the other mirror out of `conda.mirrors`",
            )


def _differences(of: Gathered, best: Copy) -> Iterator[str]:
    for copy in of.copies:
        if best.newest - copy.newest >= _HOUR:
            yield f"{copy.mirror}: its repodata is {_span(best.newest - copy.newest)} behind {best.mirror}'s, not used"
        elif copy.newest > best.newest:
            yield f"{copy.mirror}: its repodata is newer than what others agree on, not used"
        elif copy.newest == best.newest and copy.sha256 != best.sha256:
            yield f"{copy.mirror}: its repodata differs from {best.mirror}'s, though as new, not used"
    for name, said in of.failed.items():
        yield f"{name}: left out, {said.cause}"
    for name in of.slow:
        yield f"{name}: left out, slow when others had answered"


def _alone(names: dict[str, str], mirror: str, *, among: int) -> Iterator[str]:
    """What nobody else vouches for: others are asked, and do not know the file."""
    if names and among > 1:
        some = ", ".join(sorted(names.values())[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{mirror}: it alone lists the locked {some}{more}"


def _span(seconds: int) -> str:
    count, unit = (seconds // _DAY, "day") if seconds >= _DAY else (seconds // _HOUR, "hour")
    return f"{count} {unit}" + ("s" if count > 1 else "")
