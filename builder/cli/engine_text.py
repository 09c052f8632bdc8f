"""What the doctor says of the engine, for people and for machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.adapters.engine.doctor import Checkup


def show(found: Checkup) -> None:
    """A row for each part, with what it has to be."""
    from builder.cli.display import table

    rows = list(_rows(found))
    table(("part", "version", "needed", "where"), rows)
    if not found.faults:
        print("\nBuilds can run here.")


def _rows(found: Checkup) -> Iterator[tuple[str, str, str, str]]:
    from builder.adapters.engine.doctor import BUILDX_FLOOR, ENGINE_FLOOR
    from builder.cli.amounts import amount_text

    if engine := found.engine:
        yield "engine", engine.version, _floor(ENGINE_FLOOR), f"{engine.address} ({engine.system})"
        free = f", {amount_text(found.free, 'bytes')} free" if found.free is not None else ""
        kind = "containerd's" if engine.containerd_store else "the engine's own"
        yield "image store", engine.storage, "", f"{engine.root}{free}; {kind}"
    if found.buildx:
        yield "buildx", found.buildx.version, _floor(BUILDX_FLOOR), str(found.buildx.path)
    for client in found.clients:
        yield "docker client", client.version, "", str(client.path)
    if found.reached:
        yield "a build's files", found.feeding or "", "", found.reached


def _floor(numbers: tuple[int, int]) -> str:
    return ">= " + ".".join(map(str, numbers))


def document(found: Checkup) -> dict[str, Any]:
    """The same as values for JSON."""
    return {
        "usable": not found.faults,
        "engine": found.engine and found.engine.model_dump(mode="json"),
        "buildx": found.buildx and found.buildx.model_dump(mode="json"),
        "clients": [client.model_dump(mode="json") for client in found.clients],
        "feeding": found.feeding,
        "reached": found.reached,
        "free": found.free,
        "faults": [dataclasses.asdict(fault) for fault in found.faults],
    }
