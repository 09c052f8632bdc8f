"""A check's evidence as what a page can show: pairs, tables and lists, of a bounded length. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pydantic import JsonValue

LONGEST = 1500
"""Characters of one value that are shown."""
DEEPEST = 5
"""Levels that are shown as such; what is deeper is shown as JSON."""
ONE_LINE = 160
"""Characters of a list of plain values that is shown in one line."""
WIDEST = 24
"""Columns of a table; with more, each row is shown as pairs."""


@dataclass(frozen=True)
class Shown:
    """A value on the page: exactly one of the four is used, by `kind`."""

    kind: str
    """text, pairs, table or list."""
    text: str = ""
    pairs: tuple[tuple[str, Shown], ...] = ()
    headers: tuple[tuple[str, bool], ...] = ()
    """Of a table's columns; true for one that holds numbers."""
    rows: tuple[tuple[Shown, ...], ...] = ()
    items: tuple[Shown, ...] = ()
    number: bool = False


@dataclass(frozen=True)
class Evidence:
    """All that a page shows of one check's evidence."""

    root: Shown
    cut: int
    """Characters (of its JSON) that are not on the page; 0 when all of it is."""


@dataclass
class _Room:
    left: int
    left_out: int = 0

    def take(self, text: str) -> str:
        """As much of the text as there is room for."""
        fits = min(len(text), LONGEST, max(self.left, 0))
        self.left -= fits + 8  # and its share of markup
        self.left_out += len(text) - fits
        return text if fits == len(text) else text[:fits] + " \u2026"


def evidence(value: dict[str, JsonValue], room: int) -> Evidence:
    """The evidence in at most about `room` characters of text."""
    space = _Room(room)
    root = _shown(value, space, 0)
    return Evidence(root=root, cut=space.left_out)


def _shown(value: JsonValue, room: _Room, depth: int) -> Shown:
    if room.left <= 0:
        room.left_out += len(_json(value))
        return Shown("text", "\u2026")
    if not isinstance(value, dict | list):
        return _text(value, room)
    if depth >= DEEPEST:
        return Shown("text", room.take(_json(value)))
    return _pairs(value, room, depth) if isinstance(value, dict) else _sequence(value, room, depth)


def _sequence(value: list[JsonValue], room: _Room, depth: int) -> Shown:
    if _is_plain(value):
        return _text(value, room)
    objects = [item for item in value if isinstance(item, dict)]
    if len(objects) == len(value) and (columns := _columns(objects)):
        return _table(objects, columns, room)
    return _list(value, room, depth)


def _pairs(value: dict[str, JsonValue], room: _Room, depth: int) -> Shown:
    found = []
    for key, item in value.items():
        if room.left <= 0:
            room.left_out += len(_json(item)) + len(key)
            continue
        found.append((room.take(key), _shown(item, room, depth + 1)))
    return Shown("pairs", pairs=tuple(found)) if found else Shown("text", "none")


def _list(value: list[JsonValue], room: _Room, depth: int) -> Shown:
    found = []
    for item in value:
        if room.left <= 0:
            room.left_out += len(_json(item))
            continue
        found.append(_shown(item, room, depth + 1))
    return Shown("list", items=tuple(found))


def _table(value: list[dict[str, JsonValue]], columns: tuple[str, ...], room: _Room) -> Shown:
    rows = []
    for item in value:
        if room.left <= 0:
            room.left_out += len(_json(item))
            continue
        rows.append(tuple(_text(item[c], room) if c in item else Shown("text") for c in columns))
    numbers = [any(cell.number for cell in column) for column in zip(*rows, strict=True)]
    headers = tuple((room.take(c), number) for c, number in zip(columns, numbers, strict=True))
    return Shown("table", headers=headers, rows=tuple(rows))


def _columns(value: list[dict[str, JsonValue]]) -> tuple[str, ...]:
    """The keys of a list of flat objects, what names a row first; none when it is anything else."""
    columns: dict[str, int] = {}
    for item in value:
        if not item or not all(_is_plain(cell) for cell in item.values()):
            return ()
        for key, cell in item.items():
            columns[key] = max(columns.get(key, 0), _rank(cell))
    return tuple(sorted(columns, key=lambda key: columns[key])) if len(columns) <= WIDEST else ()


def _rank(cell: JsonValue) -> int:
    """Texts, then flags, then numbers, then lists; within these as they come."""
    match cell:
        case bool():
            return 1
        case int() | float():
            return 2
        case list():
            return 3
        case _:
            return 0


def _is_plain(value: JsonValue) -> bool:
    """A cell of a table can hold it: a value, or a short list of values."""
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) for item in value) and len(_word(value)) <= ONE_LINE
    return not isinstance(value, dict)


def _text(value: JsonValue, room: _Room) -> Shown:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Shown("text", room.take(_word(value)), number=number)


def _word(value: JsonValue) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value) if abs(value) < 100_000 else f"{value:,}"
        case float():
            return f"{value:g}" if abs(value) < 1e-3 else f"{value:,.6g}"
        case str():
            return value
        case _:
            return _line(value)


def _line(value: dict[str, JsonValue] | list[JsonValue]) -> str:
    """`a, b` for a list of plain values."""
    if isinstance(value, dict) or any(isinstance(item, dict | list) for item in value):
        return _json(value)
    return ", ".join(_word(item) for item in value) or "none"


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
