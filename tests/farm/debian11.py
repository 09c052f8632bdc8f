"""Debian 11's packages, from the host's own Debian mirror into the store, each accepted by its hash."""

from __future__ import annotations

from pathlib import Path

from builder.adapters.catalog import load_catalog
from builder.adapters.http.client import Http
from builder.adapters.lock.world import MirroredDebian
from builder.adapters.mirrors import load_mirrors
from builder.adapters.store.content import Store
from builder.mirrors.sources import Sources
from builder.progress import Silent
from builder.stages.fetch import fetch


def debs(names: tuple[str, ...]) -> tuple[Path, ...]:
    """The packages of these names alone, in the default store; apt's signed lists say which and with what hash."""
    store, mirrors, transport = Store(), load_mirrors(), Http()
    with MirroredDebian(mirrors)(load_catalog().bases["debian-bullseye"], ("upstream",)) as apt:
        found = {p.name: p.artifact for p in apt.install(names, status="", where="tests/farm")}
    wanted = tuple(found[name] for name in names)
    fetch(wanted, store=store, sources=Sources(mirrors, transport=transport), transport=transport, progress=Silent())
    return tuple(store.path(artifact) for artifact in wanted)
