"""The one tree of exceptions: each class is a kind of failure with an exit code of its own.

Raised anywhere, caught only in `builder.cli`. An error says what failed, where, what was seen, and what
to do next; only the first is required.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong in an input: several are collected and reported together."""

    what: str
    where: str | None = None
    seen: str | None = None
    remedy: str | None = None


class BuilderError(Exception):
    """Something failed that the user can act on."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "failed"

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        seen: str | None = None,
        remedy: str | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.seen, self.remedy, self.faults = what, where, seen, remedy, faults


class RecipeError(BuilderError):
    """The recipe cannot be read or says something impossible."""

    exit_code, kind = 3, "recipe"


class LockError(BuilderError):
    """The lock is missing, unreadable or stale, or cannot be made."""

    exit_code, kind = 4, "lock"


class NetworkError(BuilderError):
    """No mirror gave the bytes."""

    exit_code, kind = 5, "network"


class IntegrityError(BuilderError):
    """Bytes differ from the hash that the lock names."""

    exit_code, kind = 6, "integrity"


class RenderingError(BuilderError):
    """`images/` differs from what the recipe and its lock render to."""

    exit_code, kind = 7, "rendering"


class EngineError(BuilderError):
    """No container engine answers, it is too old, or it lacks the image that is asked for."""

    exit_code, kind = 8, "engine"


class BuildError(BuilderError):
    """The engine ran the build and the build failed."""

    exit_code, kind = 9, "build"


class CheckFailed(BuilderError):  # noqa: N818 - a verdict, named as one
    """A check of the gate came out FAIL or ERROR."""

    exit_code, kind = 10, "check"


class UnprovenError(BuilderError):
    """Nothing failed, yet this host cannot prove everything and the recipe wants it proven."""

    exit_code, kind = 11, "unproven"


class DiskError(BuilderError):
    """Too little room, or a file cannot be read or written."""

    exit_code, kind = 12, "disk"


class TagError(BuilderError):
    """A tag or a push was refused, or nothing is there yet to tag, push or report on."""

    exit_code, kind = 13, "tag"


class HostError(BuilderError):
    """A program that this host must have is missing (mmdebstrap, dpkg-deb, uv)."""

    exit_code, kind = 14, "host"


class ExpiringError(BuilderError):
    """A certificate has too little time left."""

    exit_code, kind = 15, "expiring"


class FindingsError(BuilderError):
    """The audit found something as grave as `--fail-on` says, or graver."""

    exit_code, kind = 16, "findings"


class UntrustedError(BuilderError):
    """The doctor found what is wrong: TLS does not verify, or the clock is not right."""

    exit_code, kind = 17, "untrusted"


class PinError(BuilderError):
    """A pinned host shows another root or another key than its pin says."""

    exit_code, kind = 18, "pin"
