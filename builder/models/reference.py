"""The recipe reference for people: the keys of the JSON Schema as a Markdown table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from builder.models.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator


def reference() -> str:
    """One row a key: what it is called, what it is when left out, what it says."""
    schema = Recipe.model_json_schema()
    rows = ["| key | left out | what it says |", "|---|---|---|"]
    rows += [f"| `{key}` | {default} | {says} |" for key, default, says in _rows(schema, schema, "")]
    return "\n".join(rows) + "\n"


def _rows(schema: dict[str, Any], part: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    required = part.get("required", ())
    for name in part["properties"]:
        value = part["properties"][name]
        below = _mapping(schema, value)
        says = value.get("description") or (below or {}).get("description", "")
        yield f"{prefix}{name}", _default(value, name in required), says.replace("\n", " ").replace("|", "or")
        if below:
            yield from _rows(schema, below, f"{prefix}{name}.")


def _default(value: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = value.get("default")
    return "" if default in (None, [], {}) or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _mapping(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, Any] | None:
    """The object that a value may be, if it is one of ours."""
    for option in (value, *value.get("anyOf", ())):
        if reference := option.get("$ref"):
            found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
            return found if "properties" in found else None
    return None
