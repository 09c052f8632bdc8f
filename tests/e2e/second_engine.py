"""A second, real dockerd in a network namespace of its own, and a stand-in for the GPU that no test machine has.

Never in our own namespace: there `--bridge=none` would take the running engine's bridge away.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from stand_in_gpu import Gpu, compiled, cuda, nvml
from stand_in_gpu import torch as stand_in_torch

from builder.adapters.engine.processes import child
from builder.errors import EngineError

T = TypeVar("T")

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("unshare"),
    reason="needs root, dockerd and unshare to start an engine in a network namespace of its own",
)


@contextmanager
def short_folder() -> Iterator[Path]:
    """pytest's own folders grow with the number of runs, and a socket's path may have 104 bytes."""
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def running(folder: Path, *, containerd_store: bool = False, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The engine's address; it may not answer yet. With containerd's store an image's ID is its manifest's digest."""
    config = folder / "daemon.json"
    config.write_text(json.dumps({"features": {"containerd-snapshotter": containerd_store}}))
    folders = [f"--{name}={folder / name}" for name in ("data-root", "exec-root")]
    argv = ["unshare", "--net", "dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false", *folders]
    address = f"unix://{folder}/docker.sock"
    with (
        (folder / "dockerd.log").open("wb") as log,
        child(
            [*argv, f"--config-file={config}", f"--host={address}", f"--pidfile={folder}/pid"],
            stdout=log.fileno(),
            stderr=log.fileno(),
            env=env,
        ),
    ):
        yield address


def when_it_answers(folder: Path, ask: Callable[[], T]) -> T:
    """What the engine answers, as soon as it does."""
    end = time.monotonic() + 30
    while True:
        try:
            return ask()
        except EngineError:
            if time.monotonic() > end:
                pytest.fail((folder / "dockerd.log").read_text()[-2000:])
            time.sleep(0.1)


HOOK = """#!/bin/sh
# Stands in for NVIDIA's container toolkit: dockerd takes a program of this name as the proof that it can give GPUs, and
# runs it before the container's own program. The real one mounts the host's driver into the container; this one copies
# what the test has put into {folder}.
bundle=$(sed 's/.*"bundle":"\\([^"]*\\)".*/\\1/')
root=$(sed 's/.*"root":{{"path":"\\([^"]*\\)".*/\\1/' "$bundle/config.json")
cp {folder}/libnvidia-ml.so.1 "$root/usr/lib/x86_64-linux-gnu/"
grep -q NVIDIA_DRIVER_CAPABILITIES=utility "$bundle/config.json" ||
    cp {folder}/libcuda.so.1 "$root/usr/lib/x86_64-linux-gnu/"
for packages in "$root"/opt/env/lib/python3*/site-packages; do cp {folder}/torch.py "$packages/"; done
"""

WORKS = Gpu()
COMPUTES = stand_in_torch("1e-7")
WRONG = stand_in_torch("0.5")
HANGS = "import time; time.sleep(120)\n"


@dataclass(frozen=True)
class StandInGpu:
    """What the second engine's containers find of a driver and of a torch that computes on it. No GPU computes here."""

    folder: Path

    @property
    def path(self) -> str:
        """The PATH under which dockerd finds the hook."""
        return f"{self.folder}:{os.environ['PATH']}"

    def set(self, *, gpu: Gpu = WORKS, torch: str = COMPUTES) -> None:
        """From now on the driver gives these answers, and this is torch."""
        if not shutil.which("gcc"):
            pytest.skip("no gcc here to compile a stub library with")
        self.folder.mkdir(exist_ok=True)
        for name, source in (("libnvidia-ml.so.1", nvml(gpu)), ("libcuda.so.1", cuda(gpu))):
            (self.folder / name).write_bytes(compiled(self.folder, source))
        (self.folder / "torch.py").write_text(torch)
        hook = self.folder / "nvidia-container-runtime-hook"
        hook.write_text(HOOK.format(folder=self.folder))
        hook.chmod(0o755)
