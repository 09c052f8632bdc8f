"""What was found when mirrors were asked, and what it means: which are up, which are late, which can be used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from builder.mirrors.catalogue import UPSTREAM, Mirrors
from builder.models.base import Model

LATE: Final = 2 * 86_400.0
"""Seconds behind the newest seen anywhere, from which a copy is called stale."""
READ: Final = "read"
NO_RANGE: Final = "whole only"
"""A package that is sent from its first byte whatever range was asked for: a broken download starts again."""

Zst = Literal["same", "same size", "same start", "differs", "missing", "unreadable"]
"""repodata.json.zst beside repodata.json, of which a probe reads the start: `same` where that is all of it, `same size`
where the rest is at least as long, `same start` where its length is not known."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One source on one mirror."""

    mirror: str
    source: str
    """As in a lock: `conda-forge/linux-64`, `miniforge`, `pypi`, `debian`, `debian-security`."""
    agent: str | None = None
    """The User-Agent that this mirror wants."""


class Finding(Model):
    """What one mirror answered for one source. Times in seconds, since 1970 where they are dates."""

    mirror: str
    source: str
    up: bool
    cause: str | None = None
    """Why it is not up."""
    first_byte: float | None = None
    """From the first packet to the head of the answer, redirects, connections and TLS included."""
    rate: float | None = None
    """Bytes a second, while every other mirror was asked too; None where too little was read to tell."""
    newest: float | None = None
    """When the newest thing that it lists was made: a package, a file, the index itself (debian)."""
    modified: float | None = None
    """Last-Modified of its index."""
    late: float | None = None
    """How much older its newest is than the newest seen anywhere; by Last-Modified where `newest` is not known."""
    packages: int | None = None
    zst: Zst | None = None
    package: str | None = None
    """`read` when a range of a real package came as it must; else what was wrong with it."""
    hosts: tuple[str, ...] = ()
    """Who answered in the end, index first; with the port where it is no usual one."""
    via: tuple[str, ...] = ()
    """Who redirected on the way."""
    addresses: tuple[str, ...] = ()
    """Where those were reached; empty through a proxy."""
    issuer: str | None = None
    """Of the certificate that ends first, among those of all hosts that answered."""
    days: int | None = None
    """That certificate's days left."""
    certificates: tuple[str, ...] = ()
    """SHA-256 of the certificates of all hosts that answered."""
    read: int = 0
    """Bytes that it cost."""

    @property
    def usable(self) -> bool:
        """Whether packages can be had from it."""
        return self.up and self.package in (None, READ, NO_RANGE)

    @property
    def stale(self) -> bool:
        """Whether others have had newer packages for long."""
        return self.late is not None and self.late > LATE


def questions(mirrors: Mirrors, names: Iterable[str], sources: Sequence[str]) -> tuple[Question, ...]:
    """Every source on every mirror that carries it, mirror by mirror. Raises RecipeError for an unknown name."""
    return tuple(
        Question(mirror=name, source=source, agent=None if name == UPSTREAM else mirrors.entry(name).user_agent)
        for name in dict.fromkeys(names)
        for source in sources
        if mirrors.carries(name, source)
    )


def judged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, each with how late it is beside the others of its source."""
    found = tuple(findings)
    return tuple(f.model_copy(update={"late": _late(f, [o for o in found if o.source == f.source])}) for f in found)


def without(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The sources that no mirror gives."""
    usable = {f.source for f in findings if f.usable}
    return tuple(s for s in dict.fromkeys(f.source for f in findings) if s not in usable)


def _late(finding: Finding, others: Sequence[Finding]) -> float | None:
    if not finding.up:
        return None
    if finding.newest is not None:
        return max(o.newest for o in others if o.newest is not None) - finding.newest
    if finding.modified is not None:
        return max(o.modified for o in others if o.modified is not None) - finding.modified
    return None
