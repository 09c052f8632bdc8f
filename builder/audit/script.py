"""A shell script: its commands, its variables, and the configuration that it writes into files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from builder.audit.commands import command_hits
from builder.audit.finding import Hit
from builder.audit.shell import Assignment, Command, Written, parsed
from builder.audit.suspicion import marks
from builder.audit.text import Fragment
from builder.audit.variables import variable_hits

Reader = Callable[[Fragment, str], Iterator[Hit]]
"""What reads a file's content by the file's path."""

_SHELLS: Final = ("sh", "bash", "dash", "zsh", "ash", "su", "runuser")
_DEPTH: Final = 4  # of `sh -c` within `sh -c`


def script_hits(script: Fragment, written: Reader, depth: int = 0) -> Iterator[Hit]:
    """Every finding of the script; `written` reads what it writes into a file."""
    for part in parsed(script, marks(script.text)):
        match part:
            case Assignment():
                whole = script.part(part.start, part.end)
                yield from variable_hits(part.name, part.value, whole)
            case Command():
                yield from _command(script, part, written, depth)
            case Written():
                for hit in written(part.content, part.target):
                    yield replace(hit, edits=hit.edits if part.heredoc else ())


def _command(script: Fragment, command: Command, written: Reader, depth: int) -> Iterator[Hit]:
    yield from command_hits(script, command.words)
    yield from _given(script, command)
    names = [w.text.rpartition("/")[2] for w in command.words]
    # `su - user -c SCRIPT` has its options behind the user
    shell = next((i for i, n in enumerate(names[:6]) if n in _SHELLS), None)
    if shell is not None and depth < _DEPTH:
        for flag, script_word in zip(command.words[shell + 1 :], command.words[shell + 2 :], strict=False):
            if re.fullmatch(r"-[a-zA-Z]*c", flag.text):
                yield from script_hits(script_word.fragment, written, depth + 1)
                return
    if names[:1] in (["eval"], ["ssh"], ["alias"]) and depth < _DEPTH:
        for word in command.words[1:]:
            begin = word.fragment.text.find("=") + 1 if names[0] == "alias" else 0
            inner = word.fragment.part(begin, len(word.fragment.text))
            yield from script_hits(_bare(inner), written, depth + 1)


def _bare(text: Fragment) -> Fragment:
    """Without quotes around the whole: `alias x='...'` is one word with quotes in it."""
    quoted = len(text.text) > 1 and text.text[0] in "'\"" and text.text[-1] == text.text[0]
    return text.part(1, len(text.text) - 1) if quoted else text


def _given(script: Fragment, command: Command) -> Iterator[Hit]:
    """`env NAME=value`, `sudo NAME=value`: variables among the words before the program."""
    before = True
    for i, word in enumerate(command.words):
        name, equals, value = word.text.partition("=")
        if equals and name.isidentifier() and i:
            yield from variable_hits(name, value, script.part(word.start, word.end))
        elif word.text.rpartition("/")[2] not in (
            "env",
            "sudo",
            "export",
            "exec",
            "cross-env",
        ) and not word.text.startswith("-"):
            before = False
        if not before:
            return
