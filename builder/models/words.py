"""Texts that a recipe is made of: what each kind may look like, and in which words a wrong one is told."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Final

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, StringConstraints

PATTERNS: Final[dict[str, str]] = {}
"""What a text must be like, in words, by its pattern: for error messages."""


def text(pattern: str, words: str, *, longest: int | None = None) -> StringConstraints:
    """A text of a pattern, and what the pattern is called."""
    PATTERNS[pattern] = words
    return StringConstraints(pattern=pattern, max_length=longest)


def _requirement(value: str) -> str:
    try:
        parsed = Requirement(value)
    except InvalidRequirement as error:
        raise ValueError(f"not a requirement: {str(error).splitlines()[0]}") from None
    if parsed.url:
        raise ValueError("a URL cannot be locked neutrally: name the package and its version")
    return value


def _relative(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("must be a path below the recipe's folder")
    return value


RequirementText = Annotated[str, AfterValidator(_requirement)]
RelativePath = Annotated[str, AfterValidator(_relative)]

_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_PATH: Final = rf"{_PART}(/{_PART})*"
PlainPath = Annotated[
    str, text(rf"^{_PATH}$", "a path below the recipe's folder, of letters, digits, `.`, `_`, `+`, `-` and `/`")
]
"""A path that is bound into a stage, and may stand there unquoted."""

_WORD: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_FUNCTION: Final = rf"{_WORD}(\.{_WORD})*:{_WORD}"
FunctionName = Annotated[str, text(rf"^{_FUNCTION}$", "`module:function`, as in digits:model")]
Source = Annotated[
    str,
    text(rf"^({_FUNCTION}|{_PATH}\.npz)$", "`module:function`, or a file below the recipe's folder that ends in .npz"),
]

DistributionName = Annotated[
    str, text(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "the name of a package on PyPI, without a version")
]
