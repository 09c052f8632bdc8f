"""Faults of a recipe in a person's words: where, what was seen, what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, get_args

from pydantic_core import ErrorDetails

from builder.errors import Fault
from builder.models.base import Model
from builder.models.recipe import Recipe
from builder.models.words import PATTERNS
from builder.stages.yamltext import Document, Path, Trouble

_KEYS, _TYPES, _VALUES = range(3)
"""Hardest first: a wrong key hides what was meant, a wrong type hides the value."""

Ranked = tuple[int, int, int, Fault]
"""Rank, line, column and the fault: sorts into the order of telling."""


def dotted(path: Path) -> str:
    """`pip.packages[2]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a person may have meant."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def shortened(text: str, limit: int = 60) -> str:
    """One line of at most that many characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Faults:
    """Collects the faults of one document. `add` gives each its place; `ordered` puts the hardest first."""

    def __init__(self, document: Document, where: str) -> None:
        self._document, self._where, self._found = document, where, list[Ranked]()

    def add(
        self, what: str, path: Path, *, remedy: str | None = None, rank: int = _VALUES, at_key: bool = False
    ) -> None:
        """A fault at the value of a path, or at its key."""
        key = self._document.keys.get(path) if at_key else None
        place = key or self._document.place(path)
        where = f"{self._where}:{place.line}:{place.column}" + (f" ({dotted(path)})" if path else "")
        fault = Fault(what=what, where=where, seen=None if key else self._seen(path), remedy=remedy)
        self._found.append((rank, place.line, place.column, fault))

    def trouble(self, trouble: Trouble) -> None:
        """A fault of the text itself."""
        place = trouble.place
        where = f"{self._where}:{place.line}:{place.column}" + (f" ({dotted(trouble.path)})" if trouble.path else "")
        fault = Fault(what=trouble.what, where=where, seen=trouble.seen, remedy=trouble.remedy)
        self._found.append((_KEYS, place.line, place.column, fault))

    def pydantic(self, errors: list[ErrorDetails]) -> None:
        """What the model refused."""
        meant = {path for e in errors if e["type"] == "extra_forbidden" and (path := self._meant(e["loc"]))}
        for error in errors:
            misspelt = error["type"] == "missing" and error["loc"] in meant
            emptied = error["type"] == "too_short" and error["input"]  # only because every item was refused
            if not (misspelt or emptied):
                self._model_fault(error)

    def ordered(self) -> tuple[Fault, ...]:
        """Hardest first, and from the top of the file downwards."""
        return tuple(fault for *_, fault in sorted(self._found, key=lambda ranked: ranked[:3]))

    def _meant(self, loc: Path) -> Path | None:
        near = nearest(str(loc[-1]), _known_keys(loc[:-1]))
        return (*loc[:-1], near) if near else None

    def _model_fault(self, error: ErrorDetails) -> None:
        loc, kind = error["loc"], error["type"]
        if kind == "extra_forbidden":
            known = _known_keys(loc[:-1])
            near = nearest(str(loc[-1]), known)
            remedy = f"did you mean `{near}`?" if near else f"known here: {', '.join(known)}"
            self.add(
                f"unknown key `{shortened(str(loc[-1]))}`", self._path(loc), remedy=remedy, rank=_KEYS, at_key=True
            )
        elif kind == "missing":
            missing = f"`{loc[-1]}` is missing"
            self.add(missing, self._path(loc[:-1]), remedy=f"add `{loc[-1]}: ...`", rank=_KEYS, at_key=True)
        else:
            path = self._path(loc)
            rank, what, advice = _words(error, self._document.raw.get(path))
            self.add(what, path, remedy=advice, rank=rank)

    def _path(self, loc: Path) -> Path:
        """A place in the model as a place in the file, which may have the short form of it."""
        value, path = self._document.value, Path()
        for step in loc:
            if _is_short_check(value, path, step):
                path, value = (*path, *value), next(iter(value.values()))
            if isinstance(value, list) and isinstance(step, str):  # apt's short form: its list is its packages
                continue
            if step not in (value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()):
                break
            value, path = value[step], (*path, step)
        return path

    def _seen(self, path: Path) -> str | None:
        value = self._document.value
        for step in path:
            value = value[step]
        match value:
            case None:
                return "nothing"
            case dict():
                keys = f"a mapping with {', '.join(map(shortened, value))}" if value else "an empty mapping"
                return keys if path else None
            case list():
                return f"a list of {len(value)}"
        return shortened(self._document.raw.get(path, str(value)))


def _is_short_check(value: object, path: Path, step: str | int) -> bool:
    """True at `{name: {arguments}}` when something inside it is wanted."""
    return len(path) == 2 and path[0] == "checks" and isinstance(value, dict) and len(value) == 1 and step not in value


def _known_keys(loc: Path) -> list[str]:
    model: type[Model] | None = Recipe
    for step in loc:
        field = _by_alias(model).get(str(step)) if model else None
        model = model if isinstance(step, int) else _model_in(field)
    return list(_by_alias(model)) if model else []


def _by_alias(model: type[Model]) -> dict[str, Any]:
    return {f.alias or name: f.annotation for name, f in model.model_fields.items()}


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


_TYPE_WORDS: Final[Mapping[str, str]] = {
    "string_type": "text is wanted here",
    "int_type": "a whole number is wanted here",
    "float_type": "a number is wanted here",
    "bool_type": "true or false is wanted here",
    "tuple_type": "a list is wanted here",
    "dict_type": "a mapping is wanted here",
    "model_type": "a mapping is wanted here",
}


def _words(error: ErrorDetails, raw: str | None) -> tuple[int, str, str | None]:
    """Rank, what is wrong and what to write instead."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _TYPE_WORDS:
        return _TYPES, _TYPE_WORDS[kind], _type_remedy(kind, error["input"], raw)
    words = _VALUE_WORDS.get(kind)
    return _VALUES, words(context) if words else error["msg"], None


_VALUE_WORDS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "literal_error": lambda c: f"wants one of {c['expected']}",
    "string_pattern_mismatch": lambda c: f"wants {PATTERNS[c['pattern']]}",
    "string_too_long": lambda c: f"longer than {c['max_length']} characters",
    "too_short": lambda c: f"wants {c['min_length']} or more",
    "greater_than_equal": lambda c: f"wants {c['ge']} or more",
    "less_than_equal": lambda c: f"wants {c['le']} or less",
    "value_error": lambda c: str(c["error"]),
}


def _type_remedy(kind: str, value: object, raw: str | None) -> str | None:
    if value is None:
        return "write a value, or remove the key"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'quote it: "{raw}"' + (
            f"; without quotes YAML reads {_plainly(value)}" if _plainly(value) != raw else ""
        )
    if kind == "tuple_type" and not isinstance(value, dict):
        return f"write [{shortened(raw or str(value))}]"
    if kind == "bool_type" and str(value).lower() in ("yes", "no", "on", "off"):
        return f"write {'true' if str(value).lower() in ('yes', 'on') else 'false'}: in YAML 1.2, {value} is text"
    if kind == "int_type" and isinstance(value, str):
        return "remove the quotes" if value.isdecimal() else None
    return None


def _plainly(value: bool | int | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
