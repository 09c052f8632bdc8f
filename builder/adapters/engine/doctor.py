"""Which engine and buildx there are, whether they can carry our builds out, and what to do where they cannot."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from builder.adapters.engine.docker_config import address_and_context, find_clients, find_plugin
from builder.adapters.engine.questions import Questions, questions
from builder.adapters.engine.reach import engine_root_free, feeding_for, how_reached
from builder.adapters.engine.remedies import remedy
from builder.errors import EngineError, Fault
from builder.models.build import Feeding
from builder.models.build_engine import BuildEngine, Client

ENGINE_FLOOR: Final = (25, 0)
"""`ADD --checksum` without a `# syntax=` line is of Dockerfile 1.6, which is in BuildKit 0.12, which is in Engine 25.0.
The rest came earlier: `COPY --link`, heredocs and named contexts with Dockerfile 1.4 (Engine 23.0),
SOURCE_DATE_EPOCH with BuildKit 0.11 (Engine 24.0)."""

BUILDX_FLOOR: Final = (0, 13)
"""The first whose `--progress=rawjson` has nothing else in between (buildx pull request 2252), and the oldest that we
have run."""

_WHY_ENGINE: Final = "`ADD --checksum`, which binds each input to its hash, needs BuildKit 0.12"
_WHY_BUILDX: Final = "`--progress=rawjson`, by which a build is followed, came with it"


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What there is on this host, and what is wrong with it."""

    clients: tuple[Client, ...]
    buildx: Client | None
    engine: BuildEngine | None
    feeding: Feeding | None
    reached: str
    """How the engine gets a build's files, in a sentence; empty without an engine."""
    free: int | None
    """Bytes where the engine keeps its images; None when that is unknown or on another machine."""
    faults: tuple[Fault, ...]


def require_engine() -> BuildEngine:
    """The engine and buildx to build with; takes 0.05 s with a local engine.

    Raises EngineError that names everything that is missing or too old, with the remedy for this system.
    """
    engine, faults = _look()
    if engine is None or faults:
        raise as_error(faults)
    return engine


def examine() -> Checkup:
    """All that `builder doctor engine` shows. Raises nothing: what is wrong is in its faults."""
    engine, faults = _look()
    feeding: Feeding | None = None
    try:
        feeding = feeding_for(engine) if engine else None
    except EngineError as error:
        faults = (*faults, Fault(what=error.what, where=error.where, seen=error.seen, remedy=error.remedy))
    return Checkup(
        clients=tuple(Client(path=path, version=_said_version(path, "--version")) for path in find_clients()),
        buildx=engine.buildx if engine else _buildx()[0],
        engine=engine,
        feeding=feeding,
        reached=how_reached(engine) if engine and feeding else "",
        free=engine_root_free(engine) if engine else None,
        faults=faults,
    )


def as_error(faults: tuple[Fault, ...]) -> EngineError:
    """One error of all that is wrong."""
    if len(faults) == 1:
        (only,) = faults
        return EngineError(only.what, where=only.where, seen=only.seen, remedy=only.remedy)
    return EngineError("there is no container engine that can carry builds out", faults=faults)


def _look() -> tuple[BuildEngine | None, tuple[Fault, ...]]:
    """The engine with its buildx, if both are there, and all that is wrong, hardest first."""
    buildx, faults = _buildx()
    try:
        address, context = address_and_context()
        ask = questions(address, context)
        version = ask.version()
    except EngineError as error:
        missing = Fault(what=error.what, where=error.where, seen=error.seen, remedy=error.remedy)
        return None, (missing, *faults)
    faults = (*_engine_faults(address, version), *faults)
    if buildx is None:
        return None, faults
    return _engine(address, context, version, ask, buildx), faults


def _engine(address: str, context: str, version: dict[str, Any], ask: Questions, buildx: Client) -> BuildEngine:
    info = ask.info()
    options = " ".join(info.get("SecurityOptions") or ())
    status = dict(pair for pair in info.get("DriverStatus") or () if len(pair) == 2)
    return BuildEngine(
        address=address,
        context=context,
        name=_name(version),
        version=str(version.get("Version", "")),
        system=str(info.get("OperatingSystem", "")),
        storage=str(info.get("Driver", "")),
        containerd_store=str(status.get("driver-type", "")).startswith("io.containerd."),
        rootless="name=rootless" in options,
        root=Path(str(info.get("DockerRootDir") or "/var/lib/docker")),
        loopback=ask.loopback(),
        buildx=buildx,
    )


def _engine_faults(address: str, version: dict[str, Any]) -> tuple[Fault, ...]:
    name, number = _name(version), str(version.get("Version", ""))
    if "podman" in name.lower():
        what = f"{name} {number} is no Docker Engine: it has no BuildKit"
        return (Fault(what=what, where=address, remedy=remedy("engine")),)
    if _numbers(number) < ENGINE_FLOOR:
        return (_too_old("engine", _WHY_ENGINE, floor=ENGINE_FLOOR, where=address, seen=number),)
    return ()


def _buildx() -> tuple[Client | None, tuple[Fault, ...]]:
    path = find_plugin("docker-buildx")
    if path is None:
        return None, (Fault(what="docker's buildx is not installed", remedy=remedy("buildx")),)
    buildx = Client(path=path, version=_said_version(path, "version"))
    if _numbers(buildx.version) < BUILDX_FLOOR:
        return buildx, (_too_old("buildx", _WHY_BUILDX, floor=BUILDX_FLOOR, where=str(path), seen=buildx.version),)
    return buildx, ()


def _too_old(what: str, why: str, *, floor: tuple[int, int], where: str, seen: str) -> Fault:
    needed = ".".join(map(str, floor))
    return Fault(
        what=f"the {what} is older than {needed}: {why}",
        where=where,
        seen=seen or "no version at all",
        remedy=remedy(what),
    )


def _said_version(path: Path, argument: str) -> str:
    """`28.2.2` of "Docker version 28.2.2, build e6534b4"; empty when the program cannot be run."""
    try:
        done = subprocess.run([str(path), argument], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\bv?(\d+\.\d+[^\s,]*)", done.stdout)
    return match[1] if match else ""


def _name(version: dict[str, Any]) -> str:
    first: dict[str, Any] = next(iter(version.get("Components") or ()), {})
    return str(first.get("Name") or "Engine")


def _numbers(version: str) -> tuple[int, int]:
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
