"""Wires what `lock` needs of the world: indexes and lists from the first mirror that answers, conda from all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from builder.adapters.conda.channels import MirroredChannels
from builder.adapters.engine.registry import Registry
from builder.adapters.lock.apt import Apt, opened
from builder.adapters.lock.installers import MirroredInstallers
from builder.adapters.lock.uv import UvIndex
from builder.adapters.store.derive import Fetch, StoreLike, Workshop
from builder.errors import BuilderError, Fault, NetworkError
from builder.models.catalog import ImageEntry, RootfsEntry
from builder.models.resolved import Target, Wheel
from builder.stages.lock_ports import Ports


class Mirrors(Protocol):
    """Where a mirror has its things; `builder.mirrors` knows."""

    def index_url(self, name: str) -> str:
        """The package index of a mirror."""

    def apt_roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of a Debian source on a mirror, in the order to try them."""

    def roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of any source of a lock."""

    def agent(self, name: str, source: str) -> str | None:
        """What to be called there."""

    def carries(self, name: str, source: str) -> bool:
        """Whether a mirror has a source at all."""

    def independent_first(self, names: Sequence[str], source: str) -> list[str]:
        """The names, one of each backend before all others."""

    def carrying(self, source: str) -> tuple[str, ...]:
        """The names of all that carry a source."""


def locking_ports(store: StoreLike, *, fetch: Fetch, mirrors: Mirrors) -> Ports:
    """The real ports of `builder.stages.lock.lock`."""
    return Ports(
        index=MirroredIndex(mirrors),
        debian=MirroredDebian(mirrors),
        registry=Registry(),
        workshop=Workshop(store, fetch),
        channels=MirroredChannels(mirrors, folder=store.root / "repodata"),
        installers=MirroredInstallers(mirrors, fetch=fetch),
    )


class MirroredIndex:
    """The package index of the first mirror that answers."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    def resolve(
        self,
        requirements: tuple[str, ...],
        *,
        target: Target,
        keep: Mapping[str, str],
        mirrors: tuple[str, ...],
        where: str,
        without: tuple[str, ...] = (),
    ) -> tuple[Wheel, ...]:
        """See `builder.stages.lock_ports.Index`."""
        silent: list[tuple[str, BuilderError]] = []
        for name in mirrors:
            index = UvIndex(name=name, url=self._mirrors.index_url(name))
            try:
                return index.resolve(requirements, target=target, keep=keep, where=where, without=without)
            except NetworkError as error:
                silent.append((name, error))
        raise _none_answers("package index", silent)


class MirroredDebian:
    """A distribution's lists from the first mirror that gives them, the mirror's archive included."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    @contextmanager
    def __call__(self, entry: RootfsEntry | ImageEntry, mirrors: tuple[str, ...]) -> Iterator[Apt]:
        """See `builder.stages.lock_ports.Debian`."""
        silent: list[tuple[str, BuilderError]] = []
        with ExitStack() as stack:
            for name, roots in self._places(entry, mirrors):
                try:
                    lists = stack.enter_context(opened(entry, roots=roots, mirror=name))
                    break
                except NetworkError as error:
                    silent.append((name, error))
            else:
                raise _none_answers("package lists of the base", silent)
            yield lists

    def _places(
        self, entry: RootfsEntry | ImageEntry, mirrors: tuple[str, ...]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        sources = dict.fromkeys(suite.source for suite in entry.suites)
        for name in mirrors:
            roots = {source: self._mirrors.apt_roots(name, source) for source in sources}
            for turn in range(max(map(len, roots.values()))):
                yield name, {source: own[min(turn, len(own) - 1)] for source, own in roots.items()}


def _none_answers(what: str, silent: list[tuple[str, BuilderError]]) -> NetworkError:
    faults = tuple(Fault(what=e.what, where=name, seen=e.seen, remedy=e.remedy) for name, e in silent)
    return NetworkError(f"no mirror gives the {what}", faults=faults)
