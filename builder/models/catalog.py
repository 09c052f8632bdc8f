"""The base catalogue: what `builder/data/bases.yaml` says of each base an image can start from."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from builder.models.base import Model

Family = Literal["debian", "rhel"]
"""Where a base keeps what it trusts, and what its packages are."""


class EndOfLife(Model):
    """The day on which security fixes end, and who says so."""

    date: datetime.date
    source: str


class Suite(Model):
    """One line of a `sources.list`, without a host."""

    source: str
    """A source of the mirrors' table: `debian` or `debian-security`."""
    suite: str
    components: tuple[str, ...] = ("main",)
    archived: bool = False
    """No longer maintained: its Release file may be past its Valid-Until. Signatures are checked all the same."""


class BasePython(Model):
    """A distribution's own Python."""

    version: str
    """The full version, as in 3.9.2: `requires-python` is judged against it."""
    packages: tuple[str, ...]
    interpreter: str
    """Absolute, in the image."""


class _Base(Model):
    summary: str
    family: Family = "debian"
    arch: str = "amd64"
    suites: tuple[Suite, ...] = ()
    """The first one is the distribution's main suite. None: no package of the distribution can be asked for."""
    keyring: str = ""
    """The archive's keys, a file name in /usr/share/keyrings."""
    keyring_package: str = ""
    glibc: Annotated[str, Field(pattern=r"^2\.\d+$")]
    """Decides which manylinux wheels can run."""
    python: dict[str, BasePython] = Field(default_factory=dict)
    """None: conda has to bring it."""
    end_of_life: EndOfLife

    @property
    def platform(self) -> str:
        """The OCI platform: `linux/amd64`."""
        return f"linux/{self.arch}"

    @model_validator(mode="after")
    def _apt_knows_where_to_ask(self) -> Self:
        if self.family == "debian" and not (self.suites and self.keyring and self.keyring_package):
            raise ValueError("a base of the Debian family has suites, keyring and keyring_package")
        return self


class RootfsEntry(_Base):
    """A root file system made here, from Debian packages."""

    kind: Literal["rootfs"] = "rootfs"
    include: tuple[str, ...] = ()
    """Packages beyond the essential and required ones."""
    unpacker: str = "busybox-static"
    """The package whose static busybox unpacks the root file system in an empty stage."""


class ImageEntry(_Base):
    """A registry image."""

    kind: Literal["image"] = "image"
    repository: str
    tag: str
    registries: tuple[str, ...]
    """In order of preference; the first one gives the image its name, the others carry copies of it."""

    @property
    def reference(self) -> str:
        """The image's name, whichever registry it comes from: `docker.io/library/debian:bookworm-slim`."""
        return f"{self.registries[0]}/{self.repository}:{self.tag}"


BaseEntry = Annotated[RootfsEntry | ImageEntry, Field(discriminator="kind")]


class Catalog(Model):
    """Every base, and when the Pythons that they bring end."""

    bases: dict[str, BaseEntry]
    python_end_of_life: dict[str, EndOfLife]
