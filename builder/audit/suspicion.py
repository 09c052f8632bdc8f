"""What of a text is worth parsing: most files of a tree, and most commands of a script, cannot have a finding. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

_WORDS: Final = re.compile(
    rb"insecure|allowall|verify|git_?config|trusted|strict.?ssl|check.?c|no-ch|--ins|offline|force-yes|unauthenticated|gpg-?check|http:|channel|"
    rb"defaults|pkgs/|(?:conda|mamba|curl|wget|npm|yarn)rc\b|\.conf\b|\.toml|/sources|daemon\.json|\.config|/environment|"
    rb"node_tls|sumdb|goflags|ssl[_.]|_ssl|accept_tos"
)
"""In small letters; where none of these stands there is no finding."""

_CLUSTER: Final = re.compile(rb"(?<![\w-])-[a-z#]*k")
_CLUSTER_OF: Final = (b"curl", b"conda", b"mamba")
"""Whose `-k` matters."""

_EXPANDED: Final = re.compile(rb"\$\{?\w*(?:arg|opt|flag|param)s?")

_OTHERS: Final = re.compile(rb"\b(?:pytest|sort|make|grep|tar|timeout|cc|ls)\b(?!.*(?:curl|conda|mamba))")
"""Whose `-k` is known to be another: `pytest -k` is in every second workflow."""


def suspicious(text: str) -> bool:
    """Whether there may be a finding."""
    return bool(marks(text))


def marks(text: str) -> Sequence[int]:
    """The offsets, in their order, of all that may be part of a finding."""
    small = text.encode("ascii", "replace").lower()
    found = [match.start() for match in _WORDS.finditer(small)]
    if any(name in small for name in _CLUSTER_OF):
        clusters = (match.start() for match in _CLUSTER.finditer(small))
        found += [at for at in clusters if not _OTHERS.search(_command_before(small, at))]
    if found:  # the options of a command may stand in a variable, which alone says nothing
        found += [match.start() for match in _EXPANDED.finditer(small)]
    return sorted(found)


def _command_before(text: bytes, at: int) -> bytes:
    begin = max(text.rfind(mark, 0, at) for mark in (b"\n", b";", b"&", b"|"))
    return text[max(begin, at - 200, 0) : at]


def is_marked(marked: Sequence[int], start: int, end: int) -> bool:
    """Whether one of them lies there."""
    at = bisect_left(marked, start)
    return at < len(marked) and marked[at] < end
