"""A shell script: its commands, its variables, and the configuration that it writes into files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from builder.audit.commands import command_hits
from builder.audit.finding import Hit
from builder.audit.options import is_option
from builder.audit.shell import Assignment, Command, Written, parsed
from builder.audit.suspicion import marks
from builder.audit.text import Fragment
from builder.audit.variables import is_false, variable_hits
from builder.audit.words import program, unwrapped

Reader = Callable[[Fragment, str], Iterator[Hit]]
"""What reads a file's content by the file's path."""

_SHELLS: Final = ("sh", "bash", "dash", "zsh", "ash", "su", "runuser")
_DEPTH: Final = 4  # of `sh -c` within `sh -c`


def script_hits(script: Fragment, written: Reader, depth: int = 0) -> Iterator[Hit]:
    """Every finding of the script; `written` reads what it writes into a file."""
    assigned: dict[str, Assignment] = {}
    for part in parsed(script, marks(script.text)):
        match part:
            case Assignment():
                assigned[part.name] = part
                whole = script.part(part.start, part.end)
                yield from variable_hits(part.name, part.value, whole)
                yield from _git_variables(part, assigned, whole)
            case Command():
                yield from _command(script, part, written, depth)
                yield from _with_variables(script, part, assigned)
            case Written():
                for hit in written(part.content, part.target):
                    yield replace(hit, edits=hit.edits if part.heredoc else ())


def _git_variables(part: Assignment, assigned: Mapping[str, Assignment], whole: Fragment) -> Iterator[Hit]:
    """`GIT_CONFIG_KEY_0=http.sslVerify GIT_CONFIG_VALUE_0=false`."""
    key = assigned.get(part.name.replace("GIT_CONFIG_VALUE_", "GIT_CONFIG_KEY_"))
    if key and key is not part and key.value.lower().endswith("sslverify") and is_false(part.value):
        yield Hit(rule="GIT001", at=whole.at(0), seen=f"{key.name}={key.value} {part.name}={part.value}")


_EXPANSION = re.compile(r"\$\{?(\w+)(?:\[[@*]\])?\}?")


def _with_variables(script: Fragment, command: Command, assigned: Mapping[str, Assignment]) -> Iterator[Hit]:
    """`ARGS=(-k -L); curl "${ARGS[@]}"`, told where the option stands."""
    named = [(w, assigned.get(m[1])) for w in command.words if (m := _EXPANSION.fullmatch(w.text))]
    used = [(w, a) for w, a in named if a and a.words and not is_option(a.name, a.value)]
    if not used or used[0][0] is command.words[0]:
        return
    given = {id(w): a.words for w, a in used}
    words = [inner for w in command.words for inner in given.get(id(w), (w,))]
    inside = {script.at(w.start) for _, a in used for w in a.words}
    yield from (hit for hit in command_hits(script, words) if hit.at in inside)


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
    if names[:1] == ["eval"] and len(names) > 2:
        yield from command_hits(script, command.words[1:])
    elif names[:1] in (["eval"], ["ssh"], ["alias"], ["trap"]) and depth < _DEPTH:
        for word in command.words[1:]:
            begin = word.fragment.text.find("=") + 1 if names[0] == "alias" else 0
            inner = word.fragment.part(begin, len(word.fragment.text))
            yield from script_hits(_bare(inner), written, depth + 1)
    yield from _elsewhere(command, written)


_SUBSTITUTION = re.compile(r"s(?P<mark>[^\w\s\\])(?:\\.|(?!(?P=mark)).)*(?P=mark)(?P<new>.*?)(?P=mark)")


def _elsewhere(command: Command, written: Reader) -> Iterator[Hit]:
    """What is Python's or a file's: `python -c CODE`, `sed -i s/WRONG/NEW/ FILE`."""
    words = unwrapped(command.words)
    name, texts = (program(words), [w.text for w in words]) if words else ("", [])
    if name == "python" and "-c" in texts[:-1]:
        yield from (replace(h, edits=()) for h in written(words[texts.index("-c") + 1].fragment, "command.py"))
    if name == "sed" and any(re.match(r"-[a-zA-Z]*i|--in-place", text) for text in texts):
        for word in words[1:]:
            if found := _SUBSTITUTION.match(word.fragment.text):
                new = word.fragment.part(*found.span("new"))
                yield from (replace(h, edits=()) for h in written(new, texts[-1]))


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
