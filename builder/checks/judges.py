"""What a recipe may give a check: each judge says what is wrong with a value, as the end of the sentence `X ...`."""

from __future__ import annotations

import re
from collections.abc import Callable

Judge = Callable[[object], str | None]
"""Says what is wrong with an argument's value, as the end of the sentence `X ...`; None when nothing is."""

_VERSION = re.compile(r"(>=|<=|==|<|>)?\s*\d+(\.\d+)*(\s*,\s*(>=|<=|==|<|>)?\s*\d+(\.\d+)*)*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def version(value: object) -> str | None:
    """A version or bounds."""
    if isinstance(value, int | float):
        return f'has to be a text: write "{value}"'
    fits = isinstance(value, str) and _VERSION.fullmatch(value)
    return None if fits else 'has to be a version or bounds, as in "9" or ">=9.1,<10"'


def number(value: object) -> str | None:
    """A number."""
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return None if fits else "has to be a number"


def exit_code(value: object) -> str | None:
    """What a process can end with."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
    return None if fits else "has to be a whole number from 0 to 255"


def modules(value: object) -> str | None:
    """Names of Python modules."""
    fits = isinstance(value, list) and value and all(isinstance(m, str) and _MODULE.fullmatch(m) for m in value)
    return None if fits else "has to be a list of module names, as in [torch, onnx]"


def paths(value: object) -> str | None:
    """Absolute paths, in which `*` stands for anything."""
    fits = isinstance(value, list) and value and all(isinstance(p, str) and p.startswith("/") for p in value)
    return None if fits else "has to be a list of absolute paths, in which * stands for anything"


def reasons(value: object) -> str | None:
    """Absolute paths, in which `*` stands for anything, and why each may be there."""
    known = value if isinstance(value, dict) else {}
    fits = paths(list(known)) is None and all(isinstance(why, str) and why.strip() for why in known.values())
    return None if fits else 'has to be paths with a reason each, as in {/etc/site.key: "the key of the test server"}'


def pattern(value: object) -> str | None:
    """A text that has to be in a program's output, or a regular expression."""
    return None if isinstance(value, str) else "has to be a text or a regular expression; an empty one asks for silence"


def command(value: object) -> str | None:
    """A program with its arguments, or a line for the shell."""
    if isinstance(value, str) and value.strip():
        return None
    fits = isinstance(value, list) and value and all(isinstance(word, str) for word in value) and value[0]
    return None if fits else "has to be a list of texts, as in [python, -V], or a line for the shell"


def one_of(*known: str) -> Judge:
    """A judge of lists that hold some of the known names."""

    def judge(value: object) -> str | None:
        fits = isinstance(value, list) and value and all(v in known for v in value)
        return None if fits else f"has to be a list of some of {', '.join(known)}"

    return judge


def either(*known: str) -> Judge:
    """A judge of one of the known words."""
    return lambda value: None if value in known else f"has to be {' or '.join(known)}"
