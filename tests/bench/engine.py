"""The engine that both contenders build on: images, layers, its build cache, and the room that all that takes."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from builder.adapters.engine.doctor import require_engine
from builder.adapters.engine.reach import engine_root_free, feeding_for
from builder.models.build_engine import BuildEngine

from .scenarios import Layer

OURS = "builder-bench"
"""What the names of all our images start with."""

_OFTEN = 0.2
"""Seconds between two looks at the disk."""


def local_engine() -> BuildEngine:
    """The engine, which has to be on this machine and to share its loopback: else the network would count."""
    engine = require_engine()
    if feeding_for(engine) == "contexts" or engine_root_free(engine) is None:
        raise SystemExit(f"the bench needs an engine that shares this machine's loopback and disk, not {engine}")
    return engine


def docker(*arguments: str, check: bool = True) -> str:
    """What the docker client prints. Raises SystemExit with what it said."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def buildx(engine: BuildEngine, context: Path, *, tag: str, options: tuple[str, ...] = ()) -> float:
    """Builds a Dockerfile, without attestations, as our own builds are; gives the seconds."""
    argv = [str(engine.buildx.path), "build", f"--builder={engine.context}", "--provenance=false", "--sbom=false"]
    began = time.monotonic()
    done = subprocess.run(
        [*argv, "--progress=plain", f"--tag={tag}", *options, str(context)], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"the build of {tag} failed:\n{done.stderr[-4000:]}")
    return seconds


def layers(image: str) -> tuple[Layer, ...]:
    """The image's layers, lowest first."""
    diff_ids = docker("image", "inspect", "--format", '{{join .RootFS.Layers " "}}', image).split()
    told = docker("image", "history", "--no-trunc", "--human=false", "--format", "{{.Size}}", image).split()
    sizes = [int(size) for size in reversed(told) if size != "0"]  # ENV and its like have no layer
    if len(sizes) != len(diff_ids):
        raise SystemExit(f"{image}: {len(diff_ids)} layers, and {len(sizes)} steps that hold something")
    return tuple(Layer(diff_id=diff_id, size=size) for diff_id, size in zip(diff_ids, sizes, strict=True))


def image_id(name: str) -> str:
    """What the engine itself knows an image by."""
    return docker("image", "inspect", "--format", "{{.Id}}", name).strip()


def remove(*images: str) -> None:
    """Takes images away, by repository, by name or by ID; one that is not there, or has other names, is let be."""
    for image in images:
        if not image.removeprefix("builder-staging/").startswith(("sha256:", OURS)):
            raise ValueError(f"not an image of the bench: {image!r}")
        names = docker("images", "--format", "{{.Repository}}:{{.Tag}}", image).split()
        docker("rmi", *(names or [image]), check=False)


def empty_build_cache() -> None:
    """EMPTIES the engine's whole build cache, whoever's it is."""
    docker("builder", "prune", "--all", "--force")


@dataclass
class Peak:
    """The most room that was taken on a disk, in bytes more than at first."""

    root: Path
    bytes: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Until the end."""
        first = shutil.disk_usage(self.root).used
        while True:
            self.bytes = max(self.bytes, shutil.disk_usage(self.root).used - first)
            if self._ended.wait(_OFTEN):
                return

    def end(self) -> None:
        self._ended.set()


@contextmanager
def peak(root: Path) -> Iterator[Peak]:
    """Watches the disk for the time of the block."""
    found = Peak(root)
    thread = threading.Thread(target=found.watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.end()
        thread.join()
