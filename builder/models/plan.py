"""The plan: what is in every layer, in which order, and what the image says of itself.

Everything that decides what an image holds is here; a Dockerfile is one way to carry a plan out, layers written
straight from the store would be another.
"""

from __future__ import annotations

from enum import Enum

from builder.models.base import Model
from builder.models.lock import Artifact


class Action(str, Enum):
    """How a layer's artifacts become files."""

    UNPACK = "unpack"
    """A tar archive, whole: the root file system."""
    INSTALL_DEBS = "install-debs"
    """Debian packages, configured by dpkg on top of the layers below."""
    MAKE_ENVIRONMENT = "make-environment"
    """An empty Python environment at the plan's prefix."""
    INSTALL_CONDA = "install-conda"
    """A conda installer, run at the plan's `conda`; the links take the place of files that it brings."""
    LINK_PACKAGES = "link-packages"
    """Conda packages, without dependencies, into the environment on top of those that are there."""
    INSTALL_WHEELS = "install-wheels"
    """Wheels, without dependencies, into the environment."""
    MAKE_MODEL = "make-model"
    """The recipe's model, made in the plan's workshop: trained if need be, exported, quantized, measured."""
    WRITE_FILES = "write-files"
    """The layer's own files and links, and nothing else."""
    INSTALL_TRUST = "install-trust"
    """The CA bundle at its one path, Debian's stores made of it, and what points every client at it."""
    INSTALL_TRUST_RHEL = "install-trust-rhel"
    """The same for the family of RHEL."""


class File(Model):
    """A file that the plan itself writes."""

    path: str
    """Absolute, in the image."""
    content: str
    mode: int = 0o644


class Link(Model):
    """A symbolic link that the plan itself makes."""

    path: str
    """Absolute, in the image."""
    target: str
    """Absolute, in the image."""


class Layer(Model):
    """One layer: a directory that a stage of its own assembles."""

    name: str
    """Unique in the plan; `[a-z0-9][a-z0-9-]*`."""
    title: str
    """What it is, in a few words, for the Dockerfile and the report."""
    action: Action
    artifacts: tuple[Artifact, ...] = ()
    inputs: tuple[File, ...] = ()
    """What its stage is told, by path below `/.builder/inputs`; not part of the layer."""
    files: tuple[File, ...] = ()
    links: tuple[Link, ...] = ()
    on: tuple[str, ...] = ()
    """The lowest layers of the plan, which its stage stands on. Fewer means fewer reasons to run again."""


class Healthcheck(Model):
    """How an engine asks a running container whether it still works; the times as Docker writes them."""

    test: tuple[str, ...]
    interval: str
    timeout: str
    start_period: str
    retries: int


class ImageConfig(Model):
    """What `docker inspect` shows of the image's configuration."""

    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    workdir: str = "/"
    cmd: tuple[str, ...] = ("bash",)
    healthcheck: Healthcheck | None = None
    ports: tuple[int, ...] = ()
    """TCP ports that it listens on."""


class Plan(Model):
    """An image, decided."""

    name: str
    platform: str
    epoch: int
    """Every time in every layer is clamped to this; seconds since 1970."""
    created: int
    """The image's creation time; seconds since 1970."""
    base: str | None
    """`repository:tag@sha256:...` of a registry image; None when the first layer is the root file system."""
    prefix: str
    """The Python environment: `/opt/env`, or `/opt/conda/envs/NAME`."""
    python: str
    """The interpreter that the environment is made with, or conda's own in there; absolute."""
    uv: Artifact
    conda: str | None = None
    """Where conda itself is; None without conda."""
    linker: Artifact | None = None
    """The rattler that links conda packages, under the Python of `conda`."""
    busybox: Artifact | None
    workshop: tuple[Layer, ...] = ()
    """What the layer of a model is made with, beside the layers that it stands on: no part of the image."""
    layers: tuple[Layer, ...]
    """Lowest first: big and stable to small and volatile."""
    config: ImageConfig

    def artifacts(self) -> tuple[Artifact, ...]:
        """What the build reads, each once, in order of first use."""
        tools = (self.busybox, self.uv, self.linker)
        every = (*(tool for tool in tools if tool), *(a for layer in self.every_layer() for a in layer.artifacts))
        return tuple({a.sha256: a for a in every}.values())

    def every_layer(self) -> tuple[Layer, ...]:
        """Those of the image, and those of the workshop."""
        return (*self.layers, *self.workshop)
