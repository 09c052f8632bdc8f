"""What conda makes of one value of `ssl_verify`: on, off, a path, an error.

As conda 25.9.1 does it: `conda.auxlib.type_coercion.boolify` over (str, bool), after `os.path.expandvars`, then
`conda.base.context.ssl_verify_validation`. tests/unit/audit/conda_verdicts.py holds what conda itself answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

_TRUE: Final = ("true", "yes", "on", "y")
_FALSE: Final = ("false", "off", "n", "no", "non", "none", "")
_VARIABLE = re.compile(r"\$(?:(?P<named>\w+)|\{(?P<braced>[^}]*)\})", re.ASCII)


class Verdict(str, Enum):
    """What conda does."""

    ON = "on"
    OFF = "off"
    BUNDLE = "bundle"
    """A path to a file or folder."""
    TRUSTSTORE = "truststore"
    """The system's store; conda 23.9 and Python 3.10 or later."""
    DEPENDS = "depends"
    """On a variable that is not known here."""
    ERROR = "error"
    """conda stops."""


@dataclass(frozen=True)
class Judged:
    """A verdict, and the path that conda would read, or misses."""

    verdict: Verdict
    path: str = ""


def judge(
    value: object, *, variables: Mapping[str, str] | None = None, exists: Callable[[str], bool] | None = None
) -> Judged:
    """The verdict on a value as YAML or the environment gives it.

    `variables` is None where they are not known; `exists` where the paths of the machine are not.
    """
    if isinstance(value, str):
        if variables is None and _VARIABLE.search(value):
            return Judged(Verdict.DEPENDS)
        return _text(expanded(value, variables or {}), exists or _may_be_path)
    if value is None:  # boolify takes it for the text "None"
        return Judged(Verdict.OFF)
    if isinstance(value, (bool, int, float, complex)):
        return Judged(Verdict.ON if value else Verdict.OFF)
    return Judged(Verdict.ERROR)


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """As `os.path.expandvars`: what is not set stays as it is written."""
    return _VARIABLE.sub(lambda m: variables.get(m["named"] or m["braced"] or "", m[0]), text)


def _text(text: str, exists: Callable[[str], bool]) -> Judged:
    value = text.strip()
    bare = value.lower().replace(".", "", 1)
    if bare.isnumeric():
        return _number(lambda: bool(float(bare)))
    if bare in _TRUE:
        return Judged(Verdict.ON)
    if bare in _FALSE:
        return Judged(Verdict.OFF)
    try:
        return Judged(Verdict.ON if complex(bare) else Verdict.OFF)
    except ValueError:
        if value == "truststore":
            return Judged(Verdict.TRUSTSTORE)
        return Judged(Verdict.BUNDLE if exists(value) else Verdict.ERROR, value)


def _number(read: Callable[[], bool]) -> Judged:
    try:
        return Judged(Verdict.ON if read() else Verdict.OFF)
    except ValueError:  # "½" is numeric and no number
        return Judged(Verdict.ERROR)


def _may_be_path(value: str) -> bool:
    """False for what looks like no path at all and so can only be a mistake (`fasle`, `Truststore`, `$UNSET`)."""
    if _VARIABLE.search(value) or "\0" in value or "\n" in value:
        return False
    return "/" in value or value.lower().endswith((".pem", ".crt", ".cer", ".cert", ".bundle"))
