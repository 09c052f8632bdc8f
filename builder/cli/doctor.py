"""`builder doctor`: what this host lacks, and what to do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from builder.errors import EngineError

if TYPE_CHECKING:
    from builder.adapters.engine_doctor import Checkup

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="What this host lacks, and what to do.")


@app.callback()
def _doctor() -> None:
    """What this host lacks, and what to do."""


@app.command()
def engine(as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False) -> None:
    """Is there a container engine to build with? Names what is there, and each thing that is missing or too old."""
    from builder.adapters.engine_doctor import as_error, examine

    found = examine()
    if as_json:
        print(json.dumps(_document(found), indent=2))
    else:
        _show(found)
    if found.faults:
        raise typer.Exit(EngineError.exit_code) if as_json else as_error(found.faults)


def _show(found: Checkup) -> None:
    from builder.cli.display import table

    rows = list(_rows(found))
    table(("part", "version", "needed", "where"), rows)
    if not found.faults:
        print("\nBuilds can run here.")


def _rows(found: Checkup) -> Iterator[tuple[str, str, str, str]]:
    from builder.adapters.engine_doctor import BUILDX_FLOOR, ENGINE_FLOOR
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


def _document(found: Checkup) -> dict[str, Any]:
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
