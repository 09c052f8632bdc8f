"""Our way: the whole command, for what a person waits for, and the build step alone, from the plain one's base."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from builder.adapters.engine.buildx import Buildx
from builder.adapters.engine.feed import StoreFeed
from builder.adapters.engine.reach import feeding_for
from builder.models.build import BuildRequest
from builder.models.build_engine import BuildEngine
from builder.progress import Silent
from builder.stages.build import build

from .base import BASE, grounds
from .engine import layers
from .scenarios import Measured, Scenario
from .subject import NAME, Subject


class Ours:
    """Runs `builder build` as a person would, in the subject's project."""

    name = "builder"
    scenarios = tuple(Scenario)

    def __init__(self, subject: Subject, *, keep_cache: bool) -> None:
        self._subject, self._keep_cache = subject, keep_cache

    def build(self, scenario: Scenario) -> Measured:
        """See `Contender`. The seconds of the build are what the command itself says."""
        self._subject.put(scenario)
        anew = ("--no-cache",) if self._keep_cache and scenario is Scenario.EMPTY else ()
        seconds, told = self._command(*anew)
        (step,) = (s["seconds"] for s in told["steps"] if s["verb"] == "build")
        return Measured(image=told["image"], seconds=step, command=seconds, layers=layers(told["image"]))

    def _command(self, *options: str) -> tuple[float, dict]:  # type: ignore[type-arg]
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "builder", "build", NAME, "--json", *options],
            cwd=self._subject.place.project.root,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        if done.returncode:
            raise SystemExit(f"builder build {NAME} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return seconds, json.loads(done.stdout)["images"][0]


class OursOnBase:
    """Our build step alone, from the base that the plain Dockerfile starts from."""

    name = "builder, from the same base"
    scenarios = tuple(Scenario)

    def __init__(self, subject: Subject, engine: BuildEngine, *, keep_cache: bool) -> None:
        self._subject, self._engine, self._keep_cache = subject, engine, keep_cache

    def build(self, scenario: Scenario) -> Measured:
        """See `Contender`."""
        described, place = self._subject.described(scenario), self._subject.place
        place.project.write_rendering(described.rendered)
        context = place.project.rendering_path(NAME)
        began = time.monotonic()
        built = build(
            described.plan,
            described.rendered,
            context=context,
            runner=_OnBase(self._engine, logs=Path(os.environ["BUILDER_STATE"], "logs")),
            feed=StoreFeed(place.store.root),
            progress=Silent(),
            feeding=feeding_for(self._engine),
            no_cache=self._keep_cache and scenario is Scenario.EMPTY,
        )
        seconds = time.monotonic() - began
        return Measured(image=built.image, seconds=seconds, command=None, layers=layers(built.image))


class _OnBase(Buildx):
    """With the base in place of what the rendering makes of a root file system."""

    def argv(self, request: BuildRequest, metadata: Path) -> list[str]:
        *options, context = super().argv(request, metadata)
        stages = grounds((Path(context) / "Dockerfile").read_text(encoding="utf-8"))
        return [*options, *(f"--build-context={stage}=docker-image://{BASE}" for stage in stages), context]
