"""One `.condarc`, read with the library that conda reads it with, so that it fails where conda fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

NAMES: Final = {"ssl_verify": ("ssl_verify", "verify_ssl"), "channels": ("channels", "channel")}
"""Settings that matter here, with conda's aliases."""

_DEEPEST: Final = 200


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key of the file."""

    key: str
    value: object
    line: int
    """From 1."""
    column: int
    final: bool
    """`#!final` stands behind it."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why conda does not take the file: it goes on without it (`ignored`), or stops."""

    ignored: bool
    reason: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, kw_only=True)
class CondaRc:
    """What a file sets, or why it sets nothing."""

    path: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    refused: Refusal | None = None

    def named(self, name: str) -> tuple[Setting, ...]:
        """The settings of that name and its aliases: more than one is an error for conda."""
        return tuple(self.settings[k] for k in NAMES.get(name, (name,)) if k in self.settings)


def too_deep(text: str) -> bool:
    """True for a text on which a YAML parser would spend its stack, and seconds: conda stops there as well."""
    opened = text.count("[") + text.count("{") - text.count("]") - text.count("}")
    return opened > _DEEPEST


def read(path: str, text: str) -> CondaRc:
    """The file as conda 25.9.1 takes it (`conda.common.configuration.YamlRawParameter`)."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - not on the path of `builder --help`
    from ruamel.yaml.reader import ReaderError  # noqa: PLC0415
    from ruamel.yaml.scanner import ScannerError  # noqa: PLC0415

    if too_deep(text):
        return CondaRc(path=path, refused=Refusal(ignored=False, reason="brackets within brackets, hundreds deep"))
    try:
        text.encode("utf-8")
        loaded = YAML(typ="rt").load(StringIO(text))
    except ScannerError as error:
        return CondaRc(path=path, refused=_marked(error, ignored=True))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return CondaRc(path=path, refused=Refusal(ignored=True, reason=str(error.reason), line=line))
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        return CondaRc(path=path, refused=Refusal(ignored=False, reason="not UTF-8", line=line))
    except Exception as error:  # noqa: BLE001, RUF100 - whatever the library raises on such a text, conda stops
        return CondaRc(path=path, refused=_marked(error, ignored=False))
    return _taken(path, loaded)


def _marked(error: Exception, *, ignored: bool) -> Refusal:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error).splitlines()[0] if str(error) else type(error).__name__
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Refusal(ignored=ignored, reason=" ".join(str(reason).split()), line=line, column=column)


def _taken(path: str, loaded: Any) -> CondaRc:
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415

    if not loaded:
        return CondaRc(path=path)
    if not isinstance(loaded, CommentedMap):
        return CondaRc(path=path, refused=Refusal(ignored=False, reason="not a mapping of settings"))
    settings = {}
    for key, value in loaded.items():
        line, column = _key_place(loaded, key)
        if wrong := _strange(value):
            return CondaRc(path=path, refused=Refusal(ignored=False, reason=wrong, line=line, column=column))
        if isinstance(key, str):
            final = _is_final(loaded, key)
            settings[key] = Setting(key=key, value=value, line=line, column=column, final=final)
    return CondaRc(path=path, settings=settings)


def _key_place(loaded: Any, key: object) -> tuple[int, int]:
    try:
        line, column = loaded.lc.key(key)
    except (KeyError, TypeError):  # merged from an anchor: the mapping's own place
        line, column = loaded.lc.line or 0, loaded.lc.col or 0
    return line + 1, column + 1


def _is_final(loaded: Any, key: str) -> bool:
    """conda strips `!` and `#` from the comment behind the key and compares what is left with `final`."""
    try:
        comment = loaded.ca.items[key][2].value
    except (AttributeError, KeyError, IndexError, TypeError):
        return False
    return bool(comment.strip().strip("!#") == "final")


def _strange(value: object) -> str | None:
    """What conda's reader raises ThisShouldNeverHappenError for: dates and private tags, at any depth."""
    return next((f"a value of a kind that conda does not know: {v}" for v in _leaves(value) if not _is_plain(v)), None)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, complex))


def _leaves(value: object) -> Iterator[object]:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq  # noqa: PLC0415

    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if not isinstance(item, (CommentedMap, CommentedSeq)):
            yield item
        elif id(item) not in seen:  # an anchor may contain itself
            seen.add(id(item))
            waiting += item.values() if isinstance(item, CommentedMap) else item


def strings(setting: Setting) -> Iterator[str]:
    """Every text in a setting's value."""
    yield from (str(leaf) for leaf in _leaves(setting.value) if isinstance(leaf, str))
