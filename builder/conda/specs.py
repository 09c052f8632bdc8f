"""Match specs of a recipe: which ones may be asked for. Pure."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(
    r"[a-z0-9_][a-z0-9_.-]*"  # name
    r"(?:(?:\s*=?\s*\d+(?:\.\d+)*\.\*|\s*=\s*\d+(?:\.\d+)*|\s*(?:>=|<=|==|!=|~=|>|<)\s*\d+(?:\.\d+)*"
    r"(?:,\s*(?:>=|<=|!=|>|<)\s*\d+(?:\.\d+)*)*)"  # version
    r"(?:\s+[a-z0-9_*]+)?)?",  # build
)
"""What nearly every spec is like, and surely one: rattler, whose import takes 80 ms, is asked about the others."""


def split_spec(text: str) -> tuple[str, str]:
    """Name, and version with build, of a match spec: `zlib` and `>=1.3,<2` of `conda-forge::zlib >=1.3,<2`."""
    found = re.match(r"([^\s=<>!~\[]*)\s*(.*)", text.rpartition("::")[2].strip())
    return (found[1].lower(), found[2]) if found else (text, "")


def spec_fault(text: str) -> tuple[str, str] | None:
    """What is wrong with a match spec, and what to do; None when it may be asked for."""
    if "://" in text or "::" in text or re.search(r"\[.*\b(channel|url|fn|subdir|namespace)\b", text):
        return _ELSEWHERE
    if text.startswith("__"):
        return "a virtual package is what the image is, and cannot be installed", "take it out"
    return None if _PLAIN.fullmatch(text) else _asked_of_rattler(text)


_ELSEWHERE: Final = (
    "names where the package comes from, and a lock is neutral",
    "write its name and version; channels belong into `conda.channels`",
)


def _asked_of_rattler(text: str) -> tuple[str, str] | None:
    from rattler import MatchSpec  # noqa: PLC0415 - see _PLAIN
    from rattler.exceptions import InvalidMatchSpecError  # noqa: PLC0415

    try:
        spec = MatchSpec(text, strict=False)
    except InvalidMatchSpecError as error:
        return f"not a match spec: {str(error).splitlines()[0]}", "write it as in `numpy >=1.26,<2`"
    if spec.namespace:
        return _ELSEWHERE
    if " " in str(spec.build or ""):  # what the lenient reading makes of any words behind the version
        return f"not a match spec: {str(spec.build)!r} cannot be a build", "write it as in `numpy >=1.26,<2`"
    return None
