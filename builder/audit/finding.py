"""What the audit finds: a rule broken at a place, what was seen there, what wins, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """How bad a finding is; `error` refuses a tag."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Characters `start` to `end` of a file become `new`."""

    start: int
    end: int
    new: str = ""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A rule broken at an offset of a text: what a reader of one kind of file says."""

    rule: str
    at: int
    seen: str
    wins: str = ""
    """What takes effect and why, where that is known."""
    severity: Severity | None = None
    """The rule's own if None."""
    edits: tuple[Edit, ...] = ()
    alone: bool = False
    """Of a variable: it holds nothing but the bypass, and may be taken away whole."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A rule broken at a place."""

    rule: str
    title: str
    severity: Severity
    path: str
    line: int
    """From 1; 0 where there is no line (a variable of the environment)."""
    column: int
    seen: str
    wins: str
    why: str
    remedy: str
    edits: tuple[Edit, ...] = ()

    @property
    def place(self) -> str:
        """`file:line:column`, as editors open it."""
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


def by_place(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, in the order of files, lines and columns."""
    unique = {(f.path, f.line, f.column, f.rule, f.seen): f for f in findings}
    return tuple(unique[key] for key in sorted(unique))
