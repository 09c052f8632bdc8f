"""What a recipe may give a check: each judge says what is wrong with a value, as the end of the sentence `X ...`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Judge = Callable[[object], str | None]
"""Says what is wrong with an argument's value, as the end of the sentence `X ...`; None when nothing is."""

_VERSION = re.compile(r"(>=|<=|==|<|>)?\s*\d+(\.\d+)*(\s*,\s*(>=|<=|==|<|>)?\s*\d+(\.\d+)*)*")
_CAPABILITY = re.compile(r"(sm_)?\d{1,2}\.?\d")
_SIZE = re.compile(r"\d+(\.\d+)?\s?(MB|GB)")
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


def function(value: object) -> str | None:
    """A function of a module that is in the image."""
    module, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    fits = _MODULE.fullmatch(module) and name.isidentifier()
    return None if fits else 'has to be a function of a module in the image, as in "pkg.module:factory"'


def names(value: object) -> str | None:
    """Names of a model's inputs or outputs."""
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        return "has to be a list of names, as in [ids, mask]"
    return "names one of them twice" if len(set(value)) < len(value) else None


def with_calibration(value: object) -> str | None:
    """What onnx-export is given: a model of the recipe's own needs samples, and only that has named inputs."""
    given = value if isinstance(value, dict) else {}
    if "model" in given and "calibration" not in given:
        return "calibration is missing: give a function that returns samples, as in `calibration: pkg.module:samples`"
    for name in ("calibration", "inputs", "outputs"):
        if name in given and "model" not in given:
            return f"{name} belongs to a model of your own: give `model: pkg.module:factory` too"
    return None


def pattern(value: object) -> str | None:
    """A text that has to be in a program's output, or a regular expression between two `/`."""
    if not isinstance(value, str):
        return "has to be a text, or a regular expression as in /^3\\.9/; an empty one asks for silence"
    if len(value) > 2 and value.startswith("/") and value.endswith("/"):
        try:
            re.compile(value[1:-1])
        except re.error as error:
            return f"is no regular expression: {error}"
    return None


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


def numbers(*known: str) -> Judge:
    """A judge of mappings from some of the known names to numbers."""

    def judge(value: object) -> str | None:
        if not isinstance(value, dict) or not value:
            return f"has to be a mapping, as in {{{known[0]}: 1}}"
        if unknown := [str(name) for name in value if name not in known]:
            return f"has no {unknown[0]}: known are {', '.join(known)}"
        wrong = [name for name, bound in value.items() if number(bound)]
        return f"has to give {wrong[0]} a number" if wrong else None

    return judge


def gpus(known: Callable[[], Mapping[str, str]]) -> Judge:
    """A judge of lists of GPUs: a known name or a compute capability; the table is read when a recipe asks."""

    def judge(value: object) -> str | None:
        named = isinstance(value, list) and value and all(isinstance(v, str) for v in value)
        if not named or not isinstance(value, list):
            return 'has to be a list of GPUs, as in [A100, H100] or ["8.0", "9.0"]'
        strange = [v for v in value if not _CAPABILITY.fullmatch(v) and v not in known()]
        return f'does not know {strange[0]}: write its compute capability, as in "9.0"' if strange else None

    return judge


def size(value: object) -> str | None:
    """An amount of memory."""
    return None if isinstance(value, str) and _SIZE.fullmatch(value) else "has to be as in 16GB"


def either(*known: str) -> Judge:
    """A judge of one of the known words."""
    return lambda value: None if value in known else f"has to be {' or '.join(known)}"
