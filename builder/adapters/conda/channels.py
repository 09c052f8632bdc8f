"""Conda's channels on several mirrors: the newest repodata decides, and what the others say must agree with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builder.adapters.conda.cache import RepodataCache
from builder.adapters.conda.quorum import as_before, compared, newest
from builder.adapters.conda.repodata import Gathered, Gatherer, Roots
from builder.conda.solve import solve
from builder.errors import Fault, NetworkError, RecipeError
from builder.models.lock import CondaPackage
from builder.models.resolved import CondaAsked, CondaSolved


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
        as_before(keep, solution.packages, f"{where}.packages")
        asides = {of.source: compared(of, copy, solution.packages) for of, copy in zip(gathered, chosen, strict=True)}
        return CondaSolved(packages=solution.packages, uploaded=solution.newest, notes=_told(asides))

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
        """Those of the recipe's mirrors that have a channel, independent ones first. Raises RecipeError, HostError."""
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
        return self._mirrors.independent_first(names, source)


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


def _told(notes: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Notes of each source: each once, with all subdirs of which it is true."""
    found: dict[str, list[str]] = {}
    for source, said in notes.items():
        for note in said:
            found.setdefault(note, []).append(source)
    return tuple(f"{note} ({', '.join(sources)})" for note, sources in found.items())


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
