"""Texts that know where they are from: a command below a `RUN`, over several lines, still has its line and column."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from builder.audit.finding import Edit

_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Fragment:
    """A piece of a file, and for each part of it the offset in the file."""

    text: str
    starts: tuple[int, ...] = (0,)
    origins: tuple[int, ...] = (0,)

    def at(self, offset: int) -> int:
        """The offset in the file."""
        part = bisect_right(self.starts, offset) - 1
        return self.origins[part] + offset - self.starts[part]

    def part(self, start: int, end: int) -> Fragment:
        """The characters from `start` to `end`."""
        if len(self.starts) == 1:
            return Fragment(self.text[start:end], (0,), (self.origins[0] + start,))
        inner = range(bisect_right(self.starts, start), bisect_left(self.starts, end))
        return Fragment(
            self.text[start:end],
            (0, *(self.starts[i] - start for i in inner)),
            (self.at(start), *(self.origins[i] for i in inner)),
        )

    def edit(self, start: int, end: int, new: str = "") -> tuple[Edit, ...]:
        """That change in the file; none where the piece lies in several parts of it."""
        if end <= start or self.at(end - 1) - self.at(start) != end - 1 - start:
            return ()
        return (Edit(start=self.at(start), end=self.at(end - 1) + 1, new=new),)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Each line with its offset in this text, without its end."""
        begin = 0
        for found in _BREAK.finditer(self.text):
            yield begin, self.text[begin : found.start()]
            begin = found.end()
        if begin < len(self.text):
            yield begin, self.text[begin:]


def joined(parts: list[Fragment]) -> Fragment:
    """One text of several pieces of one file."""
    text, starts, origins = "", [0], [0]
    for piece in (p for p in parts if p.text):
        starts += [len(text) + s for s in piece.starts]
        origins += piece.origins
        text += piece.text
    return Fragment(text, tuple(starts), tuple(origins))


class Source:
    """A whole file: its text and where its lines begin."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text

    @cached_property
    def _begins(self) -> list[int]:
        return [0, *(found.end() for found in _BREAK.finditer(self.text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect_right(self._begins, offset)
        return line, offset - self._begins[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line; empty where there is none."""
        if not 1 <= number <= len(self._begins):
            return ""
        begin = self._begins[number - 1]
        end = self._begins[number] if number < len(self._begins) else len(self.text)
        return self.text[begin:end].rstrip("\r\n")


def whole_line(text: str, offset: int) -> Edit:
    """Takes away the line in which the offset lies, with its end."""
    begin = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    found = _BREAK.search(text, offset)
    return Edit(start=begin, end=found.end() if found else len(text))
