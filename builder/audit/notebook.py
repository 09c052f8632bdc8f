"""Notebooks: Python cells, their `!` and `%` lines and their `%%bash` cells, each with its place in the JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from builder.audit.finding import Hit
from builder.audit.parse import UnreadableError, yaml_documents
from builder.audit.script import Reader, script_hits
from builder.audit.suspicion import suspicious
from builder.audit.text import Fragment, joined
from builder.audit.yamlnodes import scalar

_PIECE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)|[^\\]+", re.DOTALL)
_MAGIC = re.compile(r"[ \t]*(?:!{1,2}|%(?:s?x|env|set_env|(?=pip|conda|mamba|uv)))[ \t]*")
_SHELLS: Final = ("%%bash", "%%sh", "%%script bash", "%%script sh")


def notebook_hits(text: Fragment, written: Reader) -> Iterator[Hit]:
    """Every finding of the file."""
    if not suspicious(text.text):
        return
    try:
        (document,) = yaml_documents(text.text)  # JSON is YAML, whose parser tells the places
    except UnreadableError as error:
        yield error.hit(text)
        return
    except ValueError:
        return
    for cell in _code_cells(document):
        yield from _cell_hits([_plain(scalar(text, line)) for line in cell], written)


def _code_cells(document: Any) -> Iterator[list[Any]]:
    """The nodes of each code cell's lines."""
    for cell in getattr(_field(document, "cells"), "value", ()):
        source = _field(cell, "source")
        if source is not None and getattr(_field(cell, "cell_type"), "value", "") == "code":
            yield [n for n in (source.value if source.id == "sequence" else [source]) if n.id == "scalar"]


def _field(node: Any, name: str) -> Any:
    if getattr(node, "id", "") != "mapping":
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _plain(line: Fragment) -> Fragment:
    """Without JSON's escapes."""
    pieces = []
    for found in _PIECE.finditer(line.text):
        escaped = found[0].startswith("\\") and len(found[0]) > 1
        piece = line.part(*found.span())
        pieces.append(Fragment(json.loads(f'"{found[0]}"'), (0,), (piece.at(0),)) if escaped else piece)
    return joined(pieces)


def _cell_hits(lines: list[Fragment], written: Reader) -> Iterator[Hit]:
    whole = joined(lines)
    lines = [whole.part(begin, begin + len(line) + 1) for begin, line in whole.lines()]
    if whole.text.startswith(_SHELLS):
        yield from script_hits(joined(lines[1:]), written)
        return
    python, shell = [], []
    for line in lines:
        if magic := _MAGIC.match(line.text):
            shell.append(line.part(magic.end(), len(line.text)))
        if line.text.lstrip().startswith(("!", "%")):  # no Python; `pass` keeps the block around it whole
            indent = line.text[: len(line.text) - len(line.text.lstrip())]
            line = Fragment(f"{indent}pass\n", (0,), (line.at(0),))  # noqa: PLW2901
        python.append(line)
    yield from script_hits(joined(shell), written)
    yield from written(joined(python), "cell.py")
