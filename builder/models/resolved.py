"""What is asked of indexes and channels, and what they answer: the values between `lock` and its adapters."""

from __future__ import annotations

from builder.models.base import Model
from builder.models.lock import CondaPackage, Package


class Target(Model):
    """The interpreter and C library that wheels have to suit."""

    python: str
    """The full version, as in 3.9.2."""
    glibc: str
    """As in 2.31."""
    arch: str = "amd64"
    """Debian's name."""

    @property
    def machine(self) -> str:
        """The kernel's name of the architecture, as wheels use it."""
        return {"amd64": "x86_64", "arm64": "aarch64"}[self.arch]


class Wheel(Model):
    """A wheel that an index offers."""

    package: Package
    uploaded: int | None
    """Seconds since 1970; None when the index does not tell."""


class CondaAsked(Model):
    """An environment as the solver is asked for it."""

    specs: tuple[str, ...]
    """Match specs, that of Python among them."""
    channels: tuple[str, ...]
    """By name, in order of strict priority."""
    subdir: str
    """The native one, as in `linux-64`; `noarch` is read beside it."""
    virtual: tuple[str, ...]
    """Virtual packages as in `__glibc=2.36`: the image's, never the host's."""


class CondaSolved(Model):
    """The environment that the channels give."""

    packages: tuple[CondaPackage, ...]
    """Sorted by name."""
    uploaded: int | None
    """When the newest of them was made, seconds since 1970; None when no record tells."""
    notes: tuple[str, ...] = ()
    """Mirrors that were left out, stale or silent, and why."""


class Installer(Model):
    """An installer of conda that a mirror has."""

    package: Package
    python: str
    """The minor version of the Python that it brings."""


class Moved(Model):
    """A package whose version a new lock changed."""

    name: str
    old: str | None
    """None: it was not there."""
    new: str | None
    """None: it is gone."""
