"""What an engine tells: about itself, about an image, about a program that ran in one."""

from __future__ import annotations

from builder.models.base import ImageId, Model


class EngineFacts(Model):
    """A container engine that answered."""

    address: str
    """Where it was reached: `unix:///var/run/docker.sock`, `tcp://...`, `ssh://...`."""
    name: str
    """What it calls itself: `Engine`, `Podman Engine`."""
    version: str
    os: str
    arch: str
    nvidia: bool
    """It has an NVIDIA runtime, or device specifications (CDI) of NVIDIA's."""
    memory_limit: bool
    """It can hold a container to an amount of memory (not under every cgroup v1 kernel)."""
    pids_limit: bool
    """It can hold a container to a number of processes."""
    host: str = ""
    """Its own name for the machine that it runs on."""

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.os}/{self.arch})"


class ImageFacts(Model):
    """An image as the engine holds it."""

    id: ImageId
    layers: tuple[str, ...]
    """The diff IDs (digests of the uncompressed layers), lowest first."""
    size: int
    """Bytes, as `docker images` counts them."""
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    """Sorted by name."""
    user: str = ""
    workdir: str = ""
    commands: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """ENTRYPOINT, CMD and HEALTHCHECK, those that are there, with their words."""
    tags: tuple[str, ...] = ()


class Completed(Model):
    """A program that ran in a container of its own."""

    exit_code: int
    """137 after a kill, by the time limit or for want of memory."""
    stdout: bytes
    stderr: bytes
    cut: int = 0
    """Bytes of output that were dropped because there were too many; the end of each stream is kept."""
    timed_out: bool = False
    out_of_memory: bool = False
    seconds: float
    """From the start of the container to its end."""
    refused: str | None = None
    """Why the engine would not start it with a GPU; nothing ran then."""
