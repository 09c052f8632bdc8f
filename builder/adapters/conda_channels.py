"""Conda's channels on several mirrors: the newest repodata decides, and what the others say must agree with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from builder.adapters.conda_repodata import Copy, Gathered, Gatherer, Roots
from builder.conda.solve import hashes, solve
from builder.errors import Fault, IntegrityError, NetworkError
from builder.models.lock import CondaPackage
from builder.models.resolved import CondaAsked, CondaSolved

_DAY: Final = 86_400
_HOUR: Final = 3600


class MirroredChannels:
    """The channels of a recipe, on all of its mirrors that answer."""

    def __init__(self, mirrors: Roots, *, folder: Path) -> None:
        """folder: where repodata is kept from one lock to the next."""
        self._mirrors, self._folder = mirrors, folder

    def solve(
        self,
        asked: CondaAsked,
        *,
        keep: tuple[CondaPackage, ...],
        mirrors: tuple[str, ...],
        where: str,
        tell: Callable[[str], None],
    ) -> CondaSolved:
        """See `builder.stages.lock_ports.Channels`."""
        sources = [f"{channel}/{subdir}" for channel in asked.channels for subdir in (asked.subdir, "noarch")]
        gathered = self._gathered(sources, mirrors, tell)
        chosen = [max(of.copies, key=lambda copy: copy.newest) for of in gathered]  # the first of equally new ones
        tell("solving conda packages")
        solution = solve([copy.part for copy in chosen], asked, keep=keep, where=where)
        tell("comparing mirrors")
        for of, copy in zip(gathered, chosen, strict=True):
            _agree(of, copy, solution.packages)
        notes = (note for of, copy in zip(gathered, chosen, strict=True) for note in _notes(of, copy))
        return CondaSolved(packages=solution.packages, uploaded=solution.newest, notes=tuple(notes))

    def _gathered(
        self, sources: Sequence[str], mirrors: tuple[str, ...], tell: Callable[[str], None]
    ) -> list[Gathered]:
        """Each subdir from the mirrors that carry it. Raises NetworkError for those that nobody gives."""
        self._folder.mkdir(parents=True, exist_ok=True)
        gatherer = Gatherer(mirrors=self._mirrors, folder=self._folder, advance=_counter(tell))
        names = {s: [n for n in dict.fromkeys(mirrors) if self._mirrors.carries(n, s)] for s in sources}
        with ThreadPoolExecutor(len(sources)) as pool:
            gathered = list(pool.map(lambda source: gatherer.gather(source, names[source]), sources))
        if silent := [of for of in gathered if not of.copies]:
            raise _nobody_gives(silent, mirrors)
        return gathered


def _counter(tell: Callable[[str], None]) -> Callable[[int], None]:
    """Tells how much repodata has come, each time when it is a megabyte more."""
    got = told = 0

    def advance(amount: int) -> None:
        nonlocal got, told
        got += amount
        if got - told >= 1_000_000:
            told = got
            tell(f"repodata: {got // 1_000_000} MB")

    return advance


def _agree(of: Gathered, chosen: Copy, packages: Sequence[CondaPackage]) -> None:
    """Raises IntegrityError for a file to which two mirrors give two hashes."""
    seen = {chosen.sha256}
    for copy in of.copies:
        if copy.sha256 in seen:
            continue
        seen.add(copy.sha256)
        theirs = hashes(copy.part, packages)
        for package in packages:
            artifact = package.artifact
            other = theirs.get(artifact.path) if artifact.source == of.source else None
            if other not in (None, artifact.sha256):
                raise IntegrityError(
                    f"two mirrors give two hashes for {artifact.path}",
                    where=of.source,
                    seen=f"{chosen.mirror}: sha256 {artifact.sha256}\n{copy.mirror}: sha256 {other}",
                    remedy="one of them serves another file under that name: trust neither until the channel says "
                    "which is its own, and take the other mirror out of `conda.mirrors`",
                )


def _notes(of: Gathered, chosen: Copy) -> Iterator[str]:
    for copy in of.copies:
        if chosen.newest - copy.newest >= _HOUR:
            yield f"{copy.mirror} is {_span(chosen.newest - copy.newest)} behind {chosen.mirror} with {of.source}"
    for name, said in of.failed.items():
        yield f"{name} was left out for {of.source}: {said.cause}"
    for name in of.slow:
        yield f"{name} was left out for {of.source}: it was slow, and others had answered"


def _span(seconds: int) -> str:
    count, unit = (seconds // _DAY, "day") if seconds >= _DAY else (seconds // _HOUR, "hour")
    return f"{count} {unit}" + ("s" if count > 1 else "")


def _nobody_gives(silent: Sequence[Gathered], mirrors: tuple[str, ...]) -> NetworkError:
    faults = tuple(
        Fault(what=f"{of.source}: {name}: {said.cause}", where=said.host, remedy=_remedy(of, said.cause))
        for of in silent
        for name, said in of.failed.items()
    )
    return NetworkError(
        f"no mirror gives the repodata of {', '.join(of.source for of in silent)}",
        seen=f"mirrors: {', '.join(mirrors)}",
        faults=faults,
        remedy="see `builder mirrors probe`; `builder doctor` tells why TLS fails here",
    )


def _remedy(of: Gathered, cause: str) -> str | None:
    if cause in ("HTTP 403", "HTTP 404"):
        return f"conda would take {of.source} for empty there, and install something else: name a mirror that has it"
    return None
