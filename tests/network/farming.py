"""Fetching conda packages from a farm's mirrors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from farm import Channel, Farm
from fault_server import artifact_of

from builder.adapters.http.client import Http
from builder.adapters.store.content import Store
from builder.mirrors.catalogue import Mirror as Entry
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.sources import Sources
from builder.models.lock import Artifact
from builder.progress import Silent
from builder.stages.fetch import FetchSummary, fetch

SOURCE = "conda-forge/linux-64"


@contextmanager
def farm_of(folder: Path, sizes: Sequence[int], *, mirrors: int = 3) -> Iterator[tuple[Farm, list[Artifact]]]:
    """A farm whose channel holds files of random bytes, as packages of so many bytes, and those files."""
    (folder / "channel/linux-64").mkdir(parents=True)
    artifacts = []
    for number, size in enumerate(sizes):
        content = os.urandom(size)
        artifacts.append(artifact_of(f"part{number}-1.0-0.conda", content, source=SOURCE))
        (folder / "channel/linux-64" / artifacts[-1].path).write_bytes(content)
    channel = Channel(folder=folder / "channel", records={"linux-64": {}, "noarch": {}})
    with Farm(folder / "farm", channel=channel, mirrors=mirrors) as farm:
        yield farm, artifacts


def sources_of(farm: Farm, names: Sequence[str], transport: Http) -> Sources:
    entries = {n: Entry.model_validate_json(json.dumps(e)) for n, e in farm.entries().items()}
    return Sources(Mirrors(entries, clients=None), transport=transport, conda=tuple(names))  # type: ignore[arg-type]


def bring(
    store: Store,
    artifacts: Sequence[Artifact],
    farm: Farm,
    *,
    names: Sequence[str] = (),
    jobs: int = 4,
    connect: float = 2.0,
    stall: float = 2.0,
) -> FetchSummary:
    """Fetches from a farm's mirrors: all of them, or those named, in that order."""
    transport = Http(connect=connect, stall=stall)
    sources = sources_of(farm, names or [m.name for m in farm.mirrors], transport)
    return fetch(artifacts, store=store, sources=sources, transport=transport, progress=Silent(), jobs=jobs)


def unverified(store: Store) -> list[str]:
    """Files in the store's place for whole files that are not what their folder says."""
    files = [p for p in (store.root / "sha256").rglob("*") if p.is_file()]
    return [str(p) for p in files if hashlib.sha256(p.read_bytes()).hexdigest() != p.parent.name]
