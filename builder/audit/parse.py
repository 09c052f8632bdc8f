"""Texts taken apart by the parser of their kind, and whether one can be: what a fix must never spoil. Pure."""

from __future__ import annotations

import ast
import json
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

from builder.audit.condarc import too_deep
from builder.audit.finding import Hit
from builder.audit.kinds import Kind
from builder.audit.text import Fragment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class UnreadableError(Exception):
    """No text of its kind: at which offset, and why."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at, self.reason = at, " ".join(reason.split())

    def hit(self, text: Fragment) -> Hit:
        """The finding that it is: what the file sets is not known."""
        return Hit(rule="AUDIT002", at=text.at(min(self.at, len(text.text))), seen=self.reason)


def yaml_documents(text: str) -> list[Any]:
    """The nodes of each document, with their places. Raises UnreadableError."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - not on the path of `builder --help`

    if too_deep(text):
        raise UnreadableError(0, "brackets within brackets, hundreds deep")
    # libyaml's parser is 12 times as fast, but refuses what conda reads: an address in [ ].
    attempts = [(text, False), (text, True)]
    if _COMMENT.search(text):
        attempts.append((_COMMENT.sub(lambda found: " " * len(found[0]), text), False))
    if _ACTION.search(text):
        attempts += [(untemplated(text), False), (untemplated(text), True)]
    for attempt, pure in attempts:
        try:
            return [d for d in YAML(typ="safe", pure=pure).compose_all(attempt) if d is not None]
        except Exception as error:  # noqa: BLE001, RUF100 - what the libraries raise on such texts has no common name
            mark, reason = getattr(error, "problem_mark", None), getattr(error, "problem", None)
            failure = UnreadableError(mark.index if mark else 0, reason or str(error))
    raise failure


_COMMENT = re.compile(r"^[ \t]*//[^\n]*", re.MULTILINE)
"""Of devcontainer.json, which else is YAML as well."""

_ACTION = re.compile(r"\{\{.{0,500}?\}\}|\{%.{0,500}?%\}|\{#.{0,500}?#\}", re.DOTALL)
"""Of a template: Helm's, Jinja's."""


def untemplated(text: str) -> str:
    """A template of as many characters in which each action is a word, and one alone on its line is nothing."""
    marked = _ACTION.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), text)
    lines = marked.split("\n")
    return "\n".join(line.replace("\0", "x" if line.strip(" \t\r\0") else " ") for line in lines)


def python_tree(text: str) -> ast.Module:
    """Raises UnreadableError, for another Python's syntax as well."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        begins = [0, *(found.end() for found in re.finditer("\n", text))]
        line = min(error.lineno or 1, len(begins))
        raise UnreadableError(begins[line - 1], error.msg) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(0, str(error)) from error


def json_value(text: str) -> object:
    """Raises UnreadableError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        at = min(getattr(error, "pos", 0), max(len(text) - 1, 0))
        raise UnreadableError(at, str(error).split(":")[0]) from error


def toml_table(text: str) -> dict[str, Any]:
    """Raises UnreadableError."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        begins = [0, *(found.end() for found in re.finditer("\n", text))]
        at = begins[min(int(line[1]), len(begins)) - 1] if line else 0
        raise UnreadableError(at, str(error).partition(" (at ")[0]) from error


_PARSERS: Final[dict[Kind, Callable[[str], object]]] = {
    Kind.YAML: yaml_documents,
    Kind.YARN: yaml_documents,
    Kind.PYTHON: python_tree,
    Kind.DAEMON: json_value,
    Kind.CONDA_STATE: json_value,
    Kind.NOTEBOOK: json_value,
    **dict.fromkeys((Kind.UV, Kind.PYPROJECT, Kind.CARGO, Kind.REGISTRIES), toml_table),
}


def refusal(kind: Kind, text: str) -> UnreadableError | None:
    """Why the parser of that kind does not take it; None where it does, or there is none."""
    try:
        if parser := _PARSERS.get(kind):
            parser(text)
    except UnreadableError as error:
        return error
    return None
