"""How an engine gets at a build's files, and how much room it has."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from builder.errors import EngineError
from builder.models.build import Feeding
from builder.models.build_engine import BuildEngine

_FEEDINGS: Final[dict[str, Feeding]] = {"server": "server", "contexts": "contexts", "auto": "auto"}


def feeding_for(engine: BuildEngine) -> Feeding:
    """How this engine is to get the artifacts; BUILDER_FEED (`server`, `contexts`, `auto`) decides over what is seen.

    Raises EngineError when BUILDER_FEED is something else.
    """
    asked = os.environ.get("BUILDER_FEED") or "auto"
    if asked not in _FEEDINGS:
        raise EngineError(
            "BUILDER_FEED says how the engine gets a build's files, and not like this",
            where="environment variable BUILDER_FEED",
            seen=asked,
            remedy="set it to server, contexts or auto, or unset it",
        )
    feeding = _FEEDINGS[asked]
    return "contexts" if feeding == "auto" and _far(engine) else feeding


def how_reached(engine: BuildEngine) -> str:
    """Why `feeding_for` says what it says, for people."""
    if os.environ.get("BUILDER_FEED", "auto") in ("server", "contexts"):
        return "because BUILDER_FEED says so"
    if far := _far(engine):
        return f"{far}, so that every build sends it all files anew"
    if engine.loopback == "shared":
        return "it shares our loopback and asks us for the files that it does not have yet"
    return "it may share our loopback; if it does not, every build sends it all files anew"


def engine_root_free(engine: BuildEngine) -> int | None:
    """Bytes that are free where the engine keeps its images; None when that is on another machine."""
    if engine.loopback == "other" or engine.system == "Docker Desktop" or not engine.address.startswith("unix://"):
        return None
    roots = (engine.root, *((Path("/var/lib/containerd"),) if engine.containerd_store else ()))
    free = []
    for root in roots:
        with contextlib.suppress(OSError):
            free.append(shutil.disk_usage(root).free)
    return min(free, default=None)


def _far(engine: BuildEngine) -> str:
    """Why the engine cannot reach our loopback; empty when it can, or may."""
    if engine.system == "Docker Desktop":
        return "it runs in the virtual machine of Docker Desktop"
    if engine.rootless:
        return "it is rootless, with a network of its own"
    if engine.loopback == "other":
        local = engine.address.startswith("unix://")
        return "it is in another network namespace" if local else "it is on another machine"
    return ""
