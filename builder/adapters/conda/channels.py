"""Conda's channels on several mirrors: the newest repodata decides, and what the others say must agree with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from builder.adapters.conda.cache import RepodataCache
from builder.adapters.conda.download import Copy
from builder.adapters.conda.repodata import Gathered, Gatherer, Roots
from builder.conda.solve import hashes, solve
from builder.errors import Fault, IntegrityError, NetworkError, RecipeError
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
        gathered = self._gathered(sources, mirrors, f"{where}.mirrors", tell)
        chosen = [newest(of.copies) for of in gathered]
        tell("solving conda packages")
        solution = solve([copy.part for copy in chosen], asked, keep=keep, where=f"{where}.packages")
        tell("comparing mirrors")
        _as_before(keep, solution.packages, f"{where}.packages")
        for of, copy in zip(gathered, chosen, strict=True):
            _agree(of, copy, solution.packages)
        notes = _notes(gathered, chosen)
        return CondaSolved(packages=solution.packages, uploaded=solution.newest, notes=notes)

    def _gathered(
        self, sources: Sequence[str], mirrors: tuple[str, ...], where: str, tell: Callable[[str], None]
    ) -> list[Gathered]:
        """Each subdir from the mirrors that carry it. Raises NetworkError for those that nobody gives."""
        cache = RepodataCache(self._folder)
        cache.prune()
        gatherer = Gatherer(mirrors=self._mirrors, cache=cache, advance=_counter(tell))
        names = {source: self._carrying(source, mirrors, where) for source in sources}
        with ThreadPoolExecutor(len(sources)) as pool:
            try:
                gathered = list(pool.map(lambda source: gatherer.gather(source, names[source]), sources))
            except BaseException:  # Ctrl-C too: the pool waits for its threads, and they for the mirrors
                gatherer.stop.set()
                raise
        if silent := [of for of in gathered if not of.copies]:
            raise _nobody_gives(silent, mirrors, where)
        return gathered

    def _carrying(self, source: str, mirrors: tuple[str, ...], where: str) -> list[str]:
        """Those of the recipe's mirrors that have a channel. Raises RecipeError when there is none, HostError."""
        names = [name for name in dict.fromkeys(mirrors) if self._mirrors.carries(name, source)]
        if not names:
            channel = source.rpartition("/")[0]
            raise RecipeError(
                f"no mirror of the recipe carries the channel {channel}",
                where=where,
                seen=f"mirrors: {', '.join(mirrors)}",
                remedy=f"add one that does: {', '.join(self._mirrors.carrying(source))}",
            )
        if len(names) == 1:
            self._mirrors.roots(names[0], source)  # what is wrong with it says more than that no mirror is left
        return names


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


def _as_before(before: Sequence[CondaPackage], now: Sequence[CondaPackage], where: str) -> None:
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


def newest(copies: Sequence[Copy]) -> Copy:
    """The newest one; of equally new ones that which most mirrors have, then the first in the recipe's order."""
    votes = Counter(copy.sha256 for copy in copies)
    return max(copies, key=lambda copy: (copy.newest, votes[copy.sha256]))


def _notes(gathered: Sequence[Gathered], chosen: Sequence[Copy]) -> tuple[str, ...]:
    """What was wrong with which mirror, once for all subdirs of which it is true."""
    found: dict[str, list[str]] = {}
    for of, best in zip(gathered, chosen, strict=True):
        for note in _notes_of(of, best):
            found.setdefault(note, []).append(of.source)
    return tuple(f"{note} ({', '.join(sources)})" for note, sources in found.items())


def _notes_of(of: Gathered, best: Copy) -> Iterator[str]:
    for copy in of.copies:
        if best.newest - copy.newest >= _HOUR:
            yield f"{copy.mirror}: its repodata is {_span(best.newest - copy.newest)} behind {best.mirror}'s, not used"
        elif copy.newest == best.newest and copy.sha256 != best.sha256:
            yield f"{copy.mirror}: its repodata differs from {best.mirror}'s, though as new, not used"
    for name, said in of.failed.items():
        yield f"{name}: left out, {said.cause}"
    for name in of.slow:
        yield f"{name}: left out, slow when others had answered"


def _span(seconds: int) -> str:
    count, unit = (seconds // _DAY, "day") if seconds >= _DAY else (seconds // _HOUR, "hour")
    return f"{count} {unit}" + ("s" if count > 1 else "")


def _nobody_gives(silent: Sequence[Gathered], mirrors: tuple[str, ...], where: str) -> NetworkError:
    """Each mirror with its cause, once for all subdirs that it has it for."""
    causes: dict[tuple[str, str, str], list[str]] = {}
    for of in silent:
        for name, said in of.failed.items():
            causes.setdefault((name, said.cause, said.host or ""), []).append(of.source)
    order = sorted(causes, key=lambda key: mirrors.index(key[0]))
    return NetworkError(
        f"no mirror gives the repodata of {', '.join(of.source for of in silent)}",
        where=where,
        faults=tuple(_fault(*key, sources=causes[key]) for key in order),
        remedy="see `builder mirrors probe`; `builder doctor` tells why TLS fails here",
    )


def _fault(name: str, cause: str, host: str, *, sources: list[str]) -> Fault:
    native = [source for source in sources if not source.endswith("/noarch")]
    missing = native and cause.startswith(("HTTP 403", "HTTP 404"))
    return Fault(
        what=f"{name}: {cause}",
        where=f"{', '.join(sources)}{f' on {host}' if host else ''}",
        remedy=f"name a mirror that has {native[0]}: conda itself would take it for empty here, and install something "
        "older"
        if missing
        else None,
    )
