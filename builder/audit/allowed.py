"""Exceptions that a file itself makes, with a reason, in a comment: `# builder-audit: allow RULE why`. Pure."""

from __future__ import annotations

import io
import re
import tokenize
from typing import Final

from builder.audit.kinds import Kind
from builder.audit.text import Source

_ALLOW: Final = re.compile(r"builder-audit:\s*allow\s+([A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)[ \t]*([^\r\n]*)")
_OPENERS: Final = {
    **dict.fromkeys((Kind.PIP, Kind.GIT, Kind.NPM), r"[#;]"),
    Kind.APT: r"#|//|/\*",
    Kind.JENKINS: r"//|/\*",
    **dict.fromkeys((Kind.DAEMON, Kind.CONDA_STATE, Kind.NOTEBOOK), r"(?!)"),  # JSON has no comments
}
"""What begins a comment; `#` where nothing else is said."""


def allowed(text: str, source: Source, kind: Kind) -> dict[int, dict[str, str]]:
    """By line: the rules that are allowed there, and why. A line of its own speaks for the next one."""
    found: dict[int, dict[str, str]] = {}
    for match in _ALLOW.finditer(text) if "builder-audit" in text else ():
        line, column = source.place(match.start())
        if _is_comment(source.line(line)[: column - 1], kind) and (kind is not Kind.PYTHON or line in _comments(text)):
            rules = re.split(r"\s*,\s*", match[1])
            found.setdefault(line, {}).update(dict.fromkeys(rules, match[2].strip(" \t*/->")))
    return found


def _is_comment(before: str, kind: Kind) -> bool:
    """Whether a comment begins in that part of a line, behind no quote that is open."""
    openers = re.finditer(rf"(?:^|(?<=[\s\ufeff]))(?:{_OPENERS.get(kind, '#')})", before)
    heads = (before[: opener.start()] for opener in openers)
    return any(head.count('"') % 2 == 0 and head.count("'") % 2 == 0 for head in heads)


def _comments(text: str) -> set[int]:
    """The lines of Python that have a comment: a `#` may stand in a string of several lines."""
    lines = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                lines.add(token.start[0])
    except (tokenize.TokenError, SyntaxError):
        pass  # what comes behind is no comment
    return lines
