"""A build: what is asked of the engine, what it tells on the way, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from builder.models.base import ImageId, Model

BASE = "base"
"""The stage of a registry's image, and the named context that may replace it by a copy in another registry."""

Feeding = Literal["server", "contexts", "auto"]
"""How the engine gets the artifacts: `server` asks us over loopback, which costs nothing for what it has cached;
`contexts` sends them all each time, which reaches any engine; `auto` tries the first and falls back."""


class BuildRequest(Model):
    """One run of a rendered Dockerfile, to a staging name."""

    name: str
    """The recipe's; names the log."""
    context: Path
    """`images/NAME/`: the Dockerfile and the files that it binds."""
    staging: str
    """The image reference to give: never a final one."""
    platform: str
    args: tuple[tuple[str, str], ...]
    """Build arguments."""
    contexts: tuple[tuple[str, Path], ...] = ()
    """Named contexts: each replaces the stage of its name by a folder."""
    base: str | None = None
    """An image reference by digest that replaces the stage `base`: a copy in a registry that can be reached."""
    no_cache: bool = False


class BuildResult(Model):
    """How the run ended."""

    image: ImageId | None
    """None when it failed."""
    said: tuple[str, ...]
    """What the client printed beside its events: after a failure the last line says why."""
    log: Path


class Built(Model):
    """An image under its staging name; the name keeps it from being pruned until it has others."""

    image: ImageId
    staging: str
    seconds: float
    steps_run: int
    steps_cached: int
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """The state of one step (a vertex of BuildKit's graph), as last told; an instruction may be two of them."""

    id: str
    name: str
    """As in `[layer-torch 1/1] RUN --network=none ...`."""
    started: bool
    completed: bool
    cached: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLogged:
    """Output of a step; may end in the middle of a line."""

    step: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMoved:
    """Bytes that a step has moved so far; `total` is 0 when it is not known."""

    step: str
    what: str
    current: int
    total: int


BuildEvent = StepSeen | StepLogged | StepMoved
