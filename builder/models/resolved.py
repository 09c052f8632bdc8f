"""What is asked of a package index, and what it answers: the values between `lock` and its adapters."""

from __future__ import annotations

from builder.models.base import Model
from builder.models.lock import Package


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


class Moved(Model):
    """A package whose version a new lock changed."""

    name: str
    old: str | None
    """None: it was not there."""
    new: str | None
    """None: it is gone."""
