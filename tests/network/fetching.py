"""Fetching from mirrors of the test's own."""

from __future__ import annotations

from fault_server import Mirror

from builder.adapters.http.client import Http
from builder.adapters.store.content import Store
from builder.mirrors.catalogue import Mirror as Entry
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.sources import Sources
from builder.models.lock import Artifact
from builder.progress import Silent
from builder.stages.fetch import FetchSummary, fetch


class NoClients:
    """A host whose clients nobody may ask."""

    def pypi_index(self) -> str:
        raise AssertionError

    def apt_roots(self, source: str) -> tuple[str, ...]:
        raise AssertionError


def sources_of(roots: dict[str, str | Mirror], transport: Http) -> Sources:
    """Mirrors by name: a running one, or the address of one that does not run."""
    at = {n: r.url if isinstance(r, Mirror) else r for n, r in roots.items()}
    entries = {
        n: Entry.model_validate({"pypi": [f"{u}/simple"], "debian": [u], "debian-security": [u]}, strict=False)
        for n, u in at.items()
    }
    names = tuple(roots)
    return Sources(Mirrors(entries, clients=NoClients()), transport=transport, pip=names, apt=names)


def bring(
    store: Store, artifacts: list[Artifact], roots: dict[str, str | Mirror], *, jobs: int = 4, stall: float = 1.5
) -> FetchSummary:
    """Fetches from those mirrors."""
    transport = Http(connect=2.0, stall=stall)
    sources = sources_of(roots, transport)
    return fetch(artifacts, store=store, sources=sources, transport=transport, progress=Silent(), jobs=jobs)
