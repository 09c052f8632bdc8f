"""Who gave what, and who did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One mirror that did not give one file."""

    mirror: str
    file: str
    cause: str


@dataclass(kw_only=True)
class Tally:
    """Who gave what in this run. Each download has one; they are added up afterwards."""

    bytes: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    """Files, by the mirror that gave the last byte."""
    failures: list[Failure] = field(default_factory=list)
    resumed: int = 0
    """Bytes that an earlier run had left, if they are part of the file."""
