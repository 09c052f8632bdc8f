"""Writes a pin into a recipe's file: what is not the pin stays byte by byte as the person left it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from builder.errors import DiskError, RecipeError
from builder.models.pin import Pin

_BY_HAND: Final = "paste what `builder certs pin` prints into the file, below `trust:`"
Edit = tuple[int, int, str]
"""From, to, and what stands there instead."""


def with_pin(text: str, pin: Pin, *, where: str) -> str:
    """The recipe's text with this pin, in the place of an earlier one for the same host.

    Raises RecipeError for a text that is no mapping of YAML.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - not on the path of `builder --help`
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    text = text if text.endswith("\n") else text + "\n"
    try:
        pairs = _pairs(YAML().compose(text))
        edits = sorted(_edits(text, pairs.get("trust"), pin), reverse=True)
    except (YAMLError, ValueError, TypeError, AttributeError, KeyError) as error:
        seen = str(error).partition("\n")[0]
        raise RecipeError(
            "the pin cannot be written into the recipe", where=where, seen=seen, remedy=_BY_HAND
        ) from None
    for start, end, new in edits:
        text = text[:start] + new + text[end:]
    return text


def lines_of(pin: Pin) -> tuple[str, ...]:
    """The pin as lines of YAML, to stand in the list `pins`."""
    first, *rest = (f"{key}: {value}" for key, value in _values(pin).items())
    return (f"- {first}", *(f"  {row}" for row in rest))


def _values(pin: Pin) -> dict[str, str]:
    found: dict[str, str] = pin.model_dump(mode="json", exclude_none=True)
    quoted = f'"{pin.host}"' if ":" in pin.host else pin.host  # in braces a bare colon is read as a key's
    return {**found, "host": quoted}


def _pairs(node: Any) -> dict[str, tuple[Any, Any]]:
    """Key and value nodes of a mapping. Raises ValueError for anything else."""
    if not isinstance(node.value, list):
        raise ValueError("a mapping is wanted")
    return {key.value: (key, value) for key, value in node.value}


def _edits(text: str, trust: tuple[Any, Any] | None, pin: Pin) -> Iterator[Edit]:
    if trust is None:
        body = ["", "trust:", "  pins:", *_indented(pin, 4)]
        yield len(text.rstrip()) + 1, len(text), "\n".join(body) + "\n"
        return
    value = trust[1]
    pairs = _pairs(value)
    if "pins" in pairs:
        yield from _into_list(text, pairs["pins"][1], pin)
    elif value.flow_style:
        yield _before_end(value, f"{', ' if pairs else ''}pins: [{_braced(pin)}]")
    else:
        column = value.value[0][0].start_mark.column
        body = [" " * column + "pins:", *_indented(pin, column + 2)]
        yield _below(text, _last(value), body)


def _into_list(text: str, pins: Any, pin: Pin) -> Iterator[Edit]:
    if not isinstance(pins.value, list):
        raise ValueError("a list is wanted")
    items = [_pairs(node) for node in pins.value]
    same = next((item for item in items if item["host"][1].value == pin.host), None)
    if same:
        yield from _replaced(text, same, pin)
    elif items and not pins.flow_style:
        yield _below(text, _last(pins), _indented(pin, pins.start_mark.column))
    else:
        yield _before_end(pins, f"{', ' if items else ''}{_braced(pin)}")


def _replaced(text: str, item: dict[str, tuple[Any, Any]], pin: Pin) -> Iterator[Edit]:
    """The values of an earlier pin, one by one."""
    values, last = _values(pin), max((value for _, value in item.values()), key=lambda node: int(node.end_mark.index))
    for name, (_, value) in item.items():
        if name in values and name != "host":
            yield value.start_mark.index, value.end_mark.index, values[name]
    for name in values.keys() - item.keys():
        flow = text[: item["host"][0].start_mark.index].rstrip().endswith("{")
        column = item["host"][0].start_mark.column
        new = f", {name}: {values[name]}" if flow else f"\n{' ' * column}{name}: {values[name]}"
        at = last.end_mark.index if flow else text.index("\n", last.end_mark.index)
        yield at, at, new


def _indented(pin: Pin, columns: int) -> list[str]:
    return [" " * columns + line for line in lines_of(pin)]


def _braced(pin: Pin) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in _values(pin).items()) + "}"


def _below(text: str, node: Any, lines: list[str]) -> Edit:
    at = text.index("\n", node.end_mark.index) + 1
    return at, at, "\n".join(lines) + "\n"


def _before_end(node: Any, new: str) -> Edit:
    at = node.end_mark.index - 1
    return at, at, new


def _last(node: Any) -> Any:
    """The node that ends a block: a block itself ends only where the next one begins."""
    while isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


def write(path: Path, text: str) -> None:
    """The whole file or none of it, with the mode that it had. Raises DiskError."""
    try:
        mode = path.stat().st_mode & 0o777
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}-", delete=False, encoding="utf-8"
        ) as file:
            try:
                file.write(text)
                file.flush()
                Path(file.name).chmod(mode)
                os.replace(file.name, path)  # noqa: PTH105 - the name of an open file
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DiskError("cannot write the recipe", where=str(path), seen=error.strerror) from None
