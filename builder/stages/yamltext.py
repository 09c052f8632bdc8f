"""YAML text as plain values with the place of each: line and column, for every fault that is found in it later.

The events of the parser are read in one loop without recursion, so that no nesting, alias or size can exhaust
anything. Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema) without its
infinities: `yes` and `2026-01-01` are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Path = tuple[str | int, ...]

MAX_CHARACTERS: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 20_000
"""With every alias counted as what it stands for."""

_NULL: Final = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?[0-9]{1,30}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]{1,30}|[0-9]{1,30}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,2})?")
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_TEXT_TAGS: Final = ("!", "!!str", "tag:yaml.org,2002:str")


@dataclass(frozen=True)
class Place:
    """A line and a column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Trouble:
    """Something wrong with the text itself."""

    what: str
    place: Place
    path: Path = ()
    seen: str | None = None
    remedy: str | None = None


class Unreadable(Exception):  # noqa: N818 - carries a Trouble; becomes a RecipeError in load.py
    """The text ends here for a reader: nothing after this trouble can be made out."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.what)
        self.trouble = trouble


@dataclass
class Document:
    """What a text says and where it says it."""

    value: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    """Where the key of a value stands."""
    values: dict[Path, Place] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)
    """Scalars as they are written: `3.10` is the number 3.1."""
    troubles: list[Trouble] = field(default_factory=list)
    """Those that did not stop the reading."""

    def place(self, path: Path) -> Place:
        """Where a value stands; the nearest one around it when it has no place of its own."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place(1, 1))


def read(text: str | bytes) -> Document:
    """The document of a text. Raises Unreadable where it is no YAML, or too much of it."""
    decoded = _decode(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    if len(decoded) > MAX_CHARACTERS:
        raise _stop(f"longer than {MAX_CHARACTERS} characters", Place(1, 1), seen=str(len(decoded)))
    if odd := _UNREADABLE.search(decoded):
        raise _stop("a character that text does not have", _place_of(decoded, odd.start()), seen=f"U+{ord(odd[0]):04X}")
    return _Reader().read(_events(decoded))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        place = _place_of(before, len(before))
        raise _stop("not UTF-8", place, seen=f"byte 0x{data[error.start]:02X}", remedy="save it as UTF-8") from None


def _place_of(text: str, index: int) -> Place:
    return Place(text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1)


def _stop(what: str, place: Place, *, seen: str | None = None, remedy: str | None = None) -> Unreadable:
    return Unreadable(Trouble(what, place, seen=seen, remedy=remedy))


def _events(text: str) -> Iterator[Any]:
    """The parser's events: libyaml's where ruamel.yaml.clib is installed (12 times as fast), else Python's own."""
    try:
        yield from YAML(typ="safe").parse(text)
    except MarkedYAMLError as error:
        raise _not_yaml(error, text) from None
    except (YAMLError, ValueError, OverflowError) as error:
        raise _stop("not YAML", Place(1, 1), seen=str(error).partition("\n")[0]) from None


_REMEDIES: Final = (
    ("mapping values are not allowed", "check the indentation; text with `: ` in it needs quotes"),
    ("undefined alias", "write the value out"),
    ("cannot start any token", "put the text in quotes"),
    ("", "check the indentation, and that every quote and bracket is closed"),
)


def _not_yaml(error: MarkedYAMLError, text: str) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if line[place.column - 1 : place.column] == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        return _stop("a tab where YAML wants spaces", place, remedy="indent with spaces")
    problem = str(error.problem or error.context or "cannot be read")
    return _stop(f"not YAML: {problem}", place, seen=line.strip(), remedy=next(r for p, r in _REMEDIES if p in problem))


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    value: dict[str, Any] | list[Any]
    path: Path
    anchor: str | None
    first: int
    """How many values had been read when it began."""
    key: str | None = None


class _Reader:
    """Builds the document; a stack of what is open takes the place of recursion."""

    def __init__(self) -> None:
        self._document = Document()
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._count = 0
        self._started = False

    def read(self, stream: Iterator[Any]) -> Document:
        for event in stream:
            place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
            match event:
                case events.DocumentStartEvent() if self._started:
                    raise _stop("a second document starts here", place, remedy="one document a file: remove the `---`")
                case events.DocumentStartEvent():
                    self._started = True
                case events.CollectionEndEvent():
                    self._close()
                case events.ScalarEvent() if self._awaits_key():
                    self._key(event, place)
                case events.NodeEvent():
                    self._node(event, place)
        return self._document

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _key(self, event: events.ScalarEvent, place: Place) -> None:
        into, key = self._open[-1], str(event.value)
        path = (*into.path, key)
        if key == "<<" and event.implicit[0]:
            raise _stop("`<<` is not read", place, remedy="write the values out")
        _plain(event, place)
        if key in into.value:
            first = self._document.keys[path]
            remedy = f"keep one; the first is in line {first.line}"
            self._document.troubles.append(Trouble(f"`{key}` is there twice", place, path, remedy=remedy))
        self._document.keys[path] = place
        into.key = key

    def _node(self, event: Any, place: Place) -> None:
        if self._awaits_key():
            raise _stop("a key that is not text", place, remedy="put text with braces or brackets in quotes")
        path = self._next_path()
        self._document.values[path] = place
        first, value = self._count, None
        match event:
            case events.AliasEvent():
                value = self._alias(event, place)
            case events.ScalarEvent():
                value = _plain(event, place)
                self._document.raw[path] = str(event.value)
            case events.CollectionStartEvent():
                value = _container(event, place)
        self._count += 1
        if self._count > MAX_VALUES or len(self._open) > MAX_DEPTH:
            raise _stop(f"more than {MAX_VALUES} values, or more than {MAX_DEPTH} inside each other", place)
        self._put(value)
        self._remember(event, path, value, first)

    def _next_path(self) -> Path:
        if not self._open:
            return ()
        into = self._open[-1]
        return (*into.path, len(into.value) if into.key is None else into.key)

    def _alias(self, event: events.AliasEvent, place: Place) -> Any:
        known = self._anchors.get(event.anchor)
        if known is None:
            what = "an alias inside what it stands for" if event.anchor in self._anchors else "an alias of nothing"
            raise _stop(
                what, place, seen=f"*{event.anchor}", remedy="write the value out; text that starts with * needs quotes"
            )
        value, size = known
        self._count += size
        return value

    def _put(self, value: Any) -> None:
        if not self._open:
            self._document.value = value
            return
        into = self._open[-1]
        if isinstance(into.value, dict):
            into.value[str(into.key)] = value
            into.key = None
        else:
            into.value.append(value)

    def _remember(self, event: Any, path: Path, value: Any, first: int) -> None:
        if isinstance(event, events.CollectionStartEvent):
            self._open.append(_Open(value, path, event.anchor, first))
        if event.anchor and not isinstance(event, events.AliasEvent):
            self._anchors[event.anchor] = (value, 1) if isinstance(event, events.ScalarEvent) else None

    def _close(self) -> None:
        done = self._open.pop()
        if done.anchor:
            self._anchors[done.anchor] = (done.value, self._count - done.first)


def _container(event: events.CollectionStartEvent, place: Place) -> dict[str, Any] | list[Any]:
    if event.tag not in (None, "!"):
        raise _stop("tags are not read", place, seen=event.tag, remedy="remove it")
    return {} if isinstance(event, events.MappingStartEvent) else []


def _plain(event: events.ScalarEvent, place: Place) -> str | int | float | bool | None:
    text = str(event.value)
    if event.tag not in (None, *_TEXT_TAGS):
        raise _stop("tags are not read", place, seen=event.tag, remedy="remove it, and put text in quotes")
    if odd := _UNREADABLE.search(text):
        raise _stop("a character that text does not have", place, seen=f"U+{ord(odd[0]):04X}")
    return resolve(text) if event.implicit[0] and event.tag is None else text


def resolve(text: str) -> str | int | float | bool | None:
    """What a plain scalar is in the core schema."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
