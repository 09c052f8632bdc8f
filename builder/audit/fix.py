"""Mends files with the smallest edits, keeping comments and form; what comes of it is read again. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from builder.audit.examine import examine
from builder.audit.finding import Edit, Finding
from builder.audit.kinds import Kind, kind_of
from builder.audit.parse import refusal
from builder.audit.surroundings import ANYWHERE, Surroundings
from builder.masking import masked

_ROUNDS: Final = 10  # one edit may uncover another: two addresses in one word
_UNREADABLE: Final = ("CONDA002", "CONDA003", "AUDIT002")


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A file before and after, and the findings that went."""

    path: str
    before: str
    after: str
    gone: tuple[Finding, ...]

    @property
    def diff(self) -> str:
        """As `diff -u` shows it, without passwords; empty when nothing changed."""
        before, after = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        return masked("".join(difflib.unified_diff(before, after, f"a/{self.path}", f"b/{self.path}")))


def fix(
    path: str, text: str, findings: Iterable[Finding], *, kind: Kind | None = None, around: Surroundings = ANYWHERE
) -> Fixed:
    """The text without the findings that have a safe fix; unchanged where it cannot be read, or would be no more."""
    found = before = tuple(findings)
    mended = text
    if any(f.rule in _UNREADABLE for f in found):
        return Fixed(path=path, before=text, after=text, gone=())
    parsed_as = kind or kind_of(path, text[:80].encode("utf-8", "replace"))
    for _ in range(_ROUNDS):
        edits = _apart(wide for f in found for e in f.edits if (wide := _widened(mended, e)))
        if not edits:
            break
        mended = applied(mended, edits)
        found = examine(path, mended, kind=kind, around=around)
        if any(f.rule in _UNREADABLE for f in found) or (parsed_as and refusal(parsed_as, mended)):
            return Fixed(path=path, before=text, after=text, gone=())
    left = [(f.rule, f.seen) for f in found]
    return Fixed(path=path, before=text, after=mended, gone=tuple(f for f in before if (f.rule, f.seen) not in left))


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made, the last one first."""
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text


def _widened(text: str, edit: Edit) -> Edit | None:
    """With the rest of its line, where nothing is left of it but a continuation; None where that would break one.

    Docker joins an instruction with the next one when the line behind a backslash is empty.
    """
    if edit.new or "\n" in text[edit.start : edit.end]:
        return edit
    begin = text.rfind("\n", 0, edit.start) + 1
    end = text.find("\n", edit.end)
    end = len(text) if end < 0 else end
    rest = (text[begin : edit.start] + text[edit.end : end]).strip()
    before = re.search(r"[ \t]*\\[ \t]*\r?\n((?:[ \t]*(?:#[^\n]*)?\n)*)$", text[:begin])
    if before is None or rest not in ("", "\\"):
        return edit
    if rest:
        return Edit(start=begin, end=min(end + 1, len(text)))
    return None if before[1] else Edit(start=before.start(), end=end)


def _apart(edits: Iterable[Edit]) -> list[Edit]:
    """Those that do not overlap: the others have their turn in the next round."""
    kept: list[Edit] = []
    for edit in sorted(set(edits), key=lambda e: (e.start, e.end, e.new)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept
