"""YAML of CI, Compose and conda environments: scripts below `run` or `script`, variables below `env`, channels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from builder.audit.commands import channel_hits
from builder.audit.finding import Edit, Hit
from builder.audit.parse import UnreadableError, yaml_documents
from builder.audit.script import Reader, script_hits
from builder.audit.suspicion import suspicious
from builder.audit.text import Fragment, joined
from builder.audit.urls import plain
from builder.audit.variables import variable_hits

_SCRIPTS: Final = (
    "run",
    "script",
    "before_script",
    "after_script",
    "command",
    "entrypoint",
    "bash",
    "sh",
    "cmds",
    "args",
)
_WORDS: Final = ("command", "entrypoint", "args")
_VARIABLES: Final = ("env", "environment", "variables", "build-args")


def yaml_hits(text: Fragment, written: Reader) -> Iterator[Hit]:
    """Every finding of the file."""
    if not suspicious(text.text):
        return
    try:
        documents = yaml_documents(text.text)
    except UnreadableError as error:
        yield error.hit(text)
        return
    for document in documents:
        yield from _below(text, document, "", written)


def _below(text: Fragment, root: Any, key: str, written: Reader) -> Iterator[Hit]:
    waiting: list[tuple[Any, str]] = [(root, key)]
    seen: set[int] = set()
    while waiting:
        node, key = waiting.pop()
        if id(node) in seen:  # an anchor
            continue
        seen.add(id(node))
        if node.id == "mapping":
            waiting += [(value, str(name.value)) for name, value in reversed(node.value)]
            if key in _VARIABLES:
                yield from _pairs(text, node)
        elif node.id == "sequence":
            waiting += [(item, key) for item in reversed(node.value)]
            if key in _WORDS and all(n.id == "scalar" for n in node.value):
                for hit in script_hits(_together(text, node.value), written):
                    yield replace(hit, edits=_of_items(text, node.value, hit.edits))
        else:
            yield from _scalar_hits(text, node, key, written)


def _scalar_hits(text: Fragment, node: Any, key: str, written: Reader) -> Iterator[Hit]:
    if key in _SCRIPTS:
        yield from script_hits(scalar(text, node), written)
    elif key in _VARIABLES and "=" in node.value:
        name, _, given = node.value.partition("=")
        yield from variable_hits(name.strip(), given, scalar(text, node))
    elif key == "channels":
        yield from channel_hits(scalar(text, node))
    elif key in ("index-url", "extra-index-url"):
        yield from plain(scalar(text, node), "PIP002")


def _pairs(text: Fragment, node: Any) -> Iterator[Hit]:
    for name, value in node.value:
        if name.id == value.id == "scalar":
            whole = text.part(name.start_mark.index, value.end_mark.index)
            yield from variable_hits(str(name.value), str(value.value), whole)


def _together(text: Fragment, items: list[Any]) -> Fragment:
    """A command given word by word; a script as the last word keeps its quotes."""
    parts = []
    for item in items:
        begin, end = item.start_mark.index, item.end_mark.index
        quoted = item.style in ("'", '"')
        needs = bool(re.search(r"\s", str(item.value)))
        parts.append(text.part(begin, end) if quoted and needs else scalar(text, item))
        parts.append(Fragment(" ", (0,), (text.at(end),)))
    return joined(parts)


def _of_items(text: Fragment, items: list[Any], edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
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
    for offset, line in lines:
        start = begin + offset + min(indent, len(line))
        stop = begin + offset + len(line)
        parts.append(text.part(start, stop))
        parts.append(Fragment("\n", (0,), (text.at(stop),)))
    return joined(parts)
