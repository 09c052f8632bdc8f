"""The engine and the client that carry builds out, as found on this host."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from builder.models.base import Model

Loopback = Literal["shared", "other", "unknown"]
"""Whether 127.0.0.1 is the same for the engine as for us."""


class Client(Model):
    """A program of docker's."""

    path: Path
    version: str
    """As it says itself: `28.2.2`, `0.13.1+ds1`."""


class BuildEngine(Model):
    """An engine that can carry our builds out, and the buildx that asks it to."""

    address: str
    """`unix:///var/run/docker.sock`, `tcp://...`, `ssh://...`."""
    context: str
    """The docker context's name, which is the name of buildx's builder for it."""
    name: str
    """What it calls itself: `Engine`, `Podman Engine`."""
    version: str
    system: str
    """Its operating system: `Debian GNU/Linux 12 (bookworm)`, `Docker Desktop`."""
    storage: str
    """The storage driver."""
    containerd_store: bool
    """Images are in containerd: an image's ID is then its manifest's digest, not its configuration's."""
    rootless: bool
    root: Path
    """Where it keeps images, on its own machine."""
    loopback: Loopback
    buildx: Client

    def __str__(self) -> str:
        return f"{self.name} {self.version} with buildx {self.buildx.version}"
