"""YAML's nodes as texts with their places: scalars, commands given word by word, edits of items. Pure."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from builder.audit.finding import Edit
from builder.audit.text import Fragment, joined


def together(text: Fragment, items: list[Any]) -> Fragment:
    """A command given word by word; a script among them, or an address with `&`, keeps its quotes."""
    parts = []
    for item in items:
        begin, end = item.start_mark.index, item.end_mark.index
        quoted = item.style in ("'", '"')
        plain = re.fullmatch(r"[\w./:=@%+,-]*", str(item.value)) is not None
        parts.append(text.part(begin, end) if quoted and not plain else scalar(text, item))
        parts.append(Fragment(" ", (0,), (text.at(end),)))
    return joined(parts)


def of_items(text: Fragment, items: list[Any], edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """An edit that empties an item takes the item away, with what parts it from the one before: no hole is left."""
    for before, item in pairwise(items):
        inside = scalar(text, item)
        for edit in edits:
            if edit.start <= inside.at(0) and inside.at(len(inside.text)) <= edit.end and not edit.new:
                start, end = before.end_mark.index, item.end_mark.index
                between = text.text[start : item.start_mark.index]
                return text.edit(start, end) if re.fullmatch(r"[\s,-]*", between) else ()
    return edits


def scalar(text: Fragment, node: Any) -> Fragment:
    """A scalar's text with its place: block scalars without their indentation, others without their quotes."""
    begin, end = node.start_mark.index, node.end_mark.index
    if node.style not in ("|", ">"):
        quoted = node.style in ("'", '"')
        return text.part(begin + quoted, max(end - quoted, begin + quoted))
    lines = list(text.part(begin, end).lines())[1:]
    indent = min((len(line) - len(line.lstrip(" ")) for _, line in lines if line.strip()), default=0)
    parts = []
    for number, (offset, line) in enumerate(lines):
        start = begin + offset + min(indent, len(line))
        stop = begin + offset + len(line)
        after = lines[number + 1][1] if number + 1 < len(lines) else ""
        folds = node.style == ">" and all(x.strip() and not x[indent:].startswith(" ") for x in (line, after))
        parts.append(text.part(start, stop))
        parts.append(Fragment(" " if folds else "\n", (0,), (text.at(stop),)))
    return joined(parts)
