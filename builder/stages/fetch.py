"""Brings every artifact of a lock into the store: in parallel, from any mirror, accepted by hash alone."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from builder.errors import HostError, IntegrityError
from builder.mirrors.failover import Failover, Growing, Where
from builder.mirrors.race import Stopped
from builder.mirrors.tally import Tally
from builder.mirrors.transport import Transport
from builder.models.base import Model
from builder.models.lock import DERIVED, RECIPE, Artifact
from builder.progress import Progress, Task

_HERE: Final = frozenset({DERIVED, RECIPE})
"""Sources of what no mirror has."""
_LINGER: Final = 2.0
"""Seconds that a stopped download has to notice."""


class Unfinished(Growing, Protocol):
    """A download of the store's that this process alone has, until the `with` block ends."""

    def __enter__(self) -> Unfinished:
        """Itself."""

    def __exit__(self, *exception: object) -> None:
        """Lets another process have it."""

    def commit(self) -> Path:
        """Into the store; raises IntegrityError unless the hash is right."""

    def discard(self) -> None:
        """Removes it."""


class Depot(Protocol):
    """The store, as far as fetching needs it."""

    def has(self, artifact: Artifact) -> bool:
        """Whether it is there."""

    def missing(self, artifacts: Iterable[Artifact]) -> tuple[Artifact, ...]:
        """Those that are not there."""

    def partial(self, artifact: Artifact) -> Unfinished | None:
        """Its unfinished download; None while another process has it."""

    def partial_size(self, artifact: Artifact) -> int:
        """Bytes of it that are there."""

    def require_room(self, needed: int) -> None:
        """Raises DiskError unless so many bytes may be written."""


class Served(Model):
    """What one mirror gave."""

    mirror: str
    files: int
    """Those that it completed."""
    bytes: int


class Refused(Model):
    """What one mirror answered instead of files."""

    mirror: str
    cause: str
    times: int
    file: str
    """The first one."""


class FetchSummary(Model):
    """Who served what."""

    present: int
    """Artifacts that were in the store before, or that another process brought meanwhile."""
    derived: int
    """Artifacts that were made here."""
    resumed: int
    """Bytes that earlier, interrupted downloads had left."""
    served: tuple[Served, ...]
    """By bytes, most first."""
    refused: tuple[Refused, ...]
    """By how often, most first."""

    def lines(self) -> tuple[str, ...]:
        """The summary for people; empty when there was nothing to do."""
        gave = (f"{s.mirror}: {s.files} files, {s.bytes / 1e6:.1f} MB" for s in self.served)
        went_on = (f"gone on with {self.resumed / 1e6:.1f} MB of earlier downloads",) if self.resumed else ()
        failed = (f"{r.mirror}: {r.cause} ({r.times} times, first for {r.file})" for r in self.refused)
        made = (f"made here: {self.derived}",) if self.derived else ()
        return (*gave, *made, *went_on, *failed)


def fetch(
    artifacts: Sequence[Artifact],
    *,
    store: Depot,
    sources: Where,
    transport: Transport,
    progress: Progress,
    jobs: int = 4,
    derive: Callable[[Artifact], None] | None = None,
) -> FetchSummary:
    """Brings what is missing into the store, `jobs` files at a time, and tells who served it.

    derive: makes a `derived` artifact, or copies a file of the recipe's own, and adds it to the store where it is
        missing; called in this thread, in the order of `artifacts`, while files come in.

    Raises NetworkError (no mirror gave a file), IntegrityError (all gave wrong bytes), DiskError, RecipeError (no
    mirror carries a source), HostError (a derived file is missing and nobody makes it). What came in stays.
    """
    missing = store.missing(artifacts)
    files = [a for a in missing if a.source not in _HERE]
    made = [a for a in missing if a.source in _HERE]
    if not missing:
        return _summary(len(artifacts), [])
    store.require_room(sum(a.size - min(a.size, store.partial_size(a)) for a in missing))
    if not files:  # no bar for nothing
        _derive(made, store, derive, progress)
        return _summary(len(artifacts) - len(made), [], derived=len(made))
    with progress.task("fetch", total=sum(a.size for a in files), unit="bytes") as task:
        crew = _Crew(files=files, store=store, sources=sources, transport=transport, task=task)
        crew.work(jobs, meanwhile=lambda: _derive(made, store, derive, progress))
    return _summary(len(artifacts) - len(made) - len(crew.tallies), crew.tallies, derived=len(made))


def _derive(
    artifacts: Sequence[Artifact],
    store: Depot,
    derive: Callable[[Artifact], None] | None,
    progress: Progress,
) -> None:
    """Makes each, and shows it as a task of its own: a root file system takes 15 s."""
    for artifact in artifacts:
        if derive is None:
            raise HostError(
                f"{artifact.filename} is made on the host that fetches, and nobody makes it here",
                remedy="run `builder fetch`, or `builder store import` an archive that holds it",
            )
        with progress.task(f"make {artifact.filename}") if artifact.source == DERIVED else nullcontext():
            derive(artifact)
        if not store.has(artifact):
            raise IntegrityError(
                f"{artifact.filename} came out different from what the lock names",
                seen=f"no file of sha256 {artifact.sha256} was made",
                remedy="run `builder lock` here, or `builder store import` an archive from where it was locked",
            )


@dataclass(kw_only=True)
class _Crew:
    """The threads of one run."""

    files: Sequence[Artifact]
    store: Depot
    sources: Where
    transport: Transport
    task: Task
    stop: threading.Event = field(default_factory=threading.Event)
    tallies: list[Tally] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def work(self, jobs: int, *, meanwhile: Callable[[], None]) -> None:
        """Fetches every file; when one cannot be had, or the user interrupts, the others stop at once."""
        # The largest first, so that the end is not one long file on one connection.
        todo = deque(sorted(self.files, key=lambda a: (-a.size, a.path)))
        failover = Failover(where=self.sources, transport=self.transport, stop=self.stop)
        threads = [
            threading.Thread(target=self._worker, args=(todo, failover), name=f"fetch-{n}", daemon=True)
            for n in range(min(jobs, len(todo)))
        ]
        for thread in threads:
            thread.start()
        try:
            meanwhile()
            for thread in threads:
                thread.join()
        except BaseException:
            self._halt(threads)
            raise
        if self.errors:
            raise self.errors[0]

    def _halt(self, threads: Sequence[threading.Thread]) -> None:
        self.stop.set()
        self.transport.close()
        for thread in threads:
            thread.join(_LINGER)

    def _worker(self, todo: deque[Artifact], failover: Failover) -> None:
        try:
            while not self.stop.is_set():
                artifact = _next(todo)
                if artifact is None:
                    return
                self._bring(artifact, failover)
        except Stopped:
            return
        except Exception as error:  # raised again by `work`
            self.errors.append(error)
            self.stop.set()
            self.transport.close()

    def _bring(self, artifact: Artifact, failover: Failover) -> None:
        while (unfinished := self.store.partial(artifact)) is None:
            if self.stop.wait(0.1):
                return
        with unfinished as file:
            if self.store.has(artifact):  # another process was faster
                file.discard()
                self.task.advance(artifact.size)
                return
            self.task.detail(artifact.filename)
            self.task.advance(file.size)
            tally = failover.get(artifact, file, advance=self.task.advance, tell=self.task.detail)
            self.tallies.append(tally)
            file.commit()


def _next(todo: deque[Artifact]) -> Artifact | None:
    try:
        return todo.popleft()
    except IndexError:
        return None


def _summary(present: int, tallies: Sequence[Tally], *, derived: int = 0) -> FetchSummary:
    gave, finished = Counter[str](), Counter[str]()
    for tally in tallies:
        gave.update(tally.bytes)
        finished.update(tally.finished)
    failures = [f for tally in tallies for f in tally.failures]
    times = Counter((f.mirror, f.cause) for f in failures)
    first = {(f.mirror, f.cause): f.file for f in reversed(failures)}
    return FetchSummary(
        present=present,
        derived=derived,
        resumed=sum(t.resumed for t in tallies),
        served=tuple(Served(mirror=m, files=finished[m], bytes=b) for m, b in gave.most_common()),
        refused=tuple(Refused(mirror=m, cause=c, times=n, file=first[m, c]) for (m, c), n in times.most_common()),
    )
