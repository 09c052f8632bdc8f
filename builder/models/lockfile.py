"""The lock as text: JSON that a person can read in a diff, one line for each package and certificate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from builder.errors import Fault, LockError
from builder.models.lock import Lock

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_REMEDY = "restore the committed file, or remove it and run `builder lock` to make a new one"


def dump_lock(lock: Lock) -> str:
    """The text of `recipes/NAME.lock`; the same bytes for the same lock."""
    return _text(lock.model_dump(mode="json"), 0) + "\n"


def parse_lock(text: str, where: str) -> Lock:
    """The lock in a text; `where` is the file's name for messages. Raises LockError with every fault found."""
    try:
        return Lock.model_validate_json(_checked_version(text, where))
    except ValidationError as error:
        faults = tuple(_fault(detail, where) for detail in error.errors(include_url=False))
        raise LockError("the lock cannot be read", where=where, faults=faults, remedy=_REMEDY) from None


def _checked_version(text: str, where: str) -> str:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{where}: line {error.lineno}, column {error.colno}"
        raise LockError("the lock is not JSON", where=place, seen=error.msg, remedy=_REMEDY) from None
    version = data.get("version") if isinstance(data, dict) else None
    if version != 1:
        raise LockError(
            "the lock is of a version that this builder does not know",
            where=where,
            seen=f"version {version!r}; known: 1",
            remedy="use the builder that wrote it, or remove the file and run `builder lock`",
        )
    return text


def _fault(detail: ErrorDetails, where: str) -> Fault:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    return Fault(what=detail["msg"], where=f"{where}: {place}", seen=repr(detail["input"])[:80])


def _text(value: JsonValue, indent: int) -> str:
    if not isinstance(value, dict | list) or not value or _fits_a_line(value):
        return json.dumps(value, ensure_ascii=False)
    pad, end = " " * (indent + 1), " " * indent
    if isinstance(value, list):
        return "[\n" + ",\n".join(pad + _text(item, indent + 1) for item in value) + f"\n{end}]"
    lines = (f"{pad}{json.dumps(key)}: {_text(item, indent + 1)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{end}}}"


def _fits_a_line(value: JsonValue) -> bool:
    """A package with its artifact, an artifact, a certificate, a list of names: no list of objects inside."""
    return _depth(value) <= 2 and not (isinstance(value, list) and isinstance(value[0], dict))


def _depth(value: JsonValue) -> int:
    match value:
        case dict():
            return 1 + max((_depth(item) for item in value.values()), default=0)
        case list():  # of names or match specs it is as flat as they are; of objects, a level for each of them
            return 1 + max((1 + _depth(item) for item in value if isinstance(item, dict | list)), default=0)
        case _:
            return 0
