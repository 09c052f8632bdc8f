"""The installers of conda by hash: what `builder/data/installers.yaml` says of each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from builder.models.base import Model, Sha256
from builder.models.lock import Word

Family = Literal["miniconda", "miniforge"]


class InstallerEntry(Model):
    """One installer: a shell script with a base installation in it."""

    family: Family
    version: Word
    """Its own, as in 25.9.1-3."""
    python: Annotated[str, Field(pattern=r"^3\.\d{1,2}$")]
    """The minor version of the Python that it brings; the environment's is the recipe's, whatever this is."""
    arch: Literal["amd64", "arm64"]
    """Debian's name, as in the base catalogue."""
    path: Word
    """Below the family's folder of a mirror: a file name (miniconda), `VERSION/FILE` (miniforge)."""
    sha256: Sha256
    """Decides alone. Sizes are in nobody's list: a lock learns the installer's from the mirrors."""
    vouched: Annotated[tuple[str, ...], Field(min_length=1)]
    """Who says that this is its hash."""

    @property
    def age(self) -> tuple[int, ...]:
        """The version as numbers: the newest installer has the highest."""
        return tuple(int(part) for part in self.version.replace("-", ".").split(".") if part.isdecimal())


class InstallerTable(RootModel[tuple[InstallerEntry, ...]]):
    """A file of them."""
