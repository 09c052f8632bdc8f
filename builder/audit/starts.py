"""What an image starts: the commands of its configuration, and the scripts that these name. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from posixpath import join
from typing import Final

from builder.audit.examine import examine
from builder.audit.finding import Finding
from builder.audit.kinds import Kind
from builder.audit.surroundings import Surroundings

Commands = Sequence[tuple[str, Sequence[str]]]
"""ENTRYPOINT, CMD and HEALTHCHECK with their words, as the image's configuration has them."""

_PATH = re.compile(r"(?<![\w.:/])\.{0,2}/[\w./@+-]+")
_SCRIPT: Final = (".sh", ".bash", ".py")


def command_findings(commands: Commands, around: Surroundings) -> Iterator[Finding]:
    """What the commands themselves break: an instruction has no line."""
    for name, words in _lines(commands):
        for finding in examine(name, shlex.join(words), kind=Kind.SHELL, around=around):
            yield replace(finding, line=0, column=0, edits=())


def scripts(commands: Commands, environment: Mapping[str, str], workdir: str) -> Iterator[tuple[str, ...]]:
    """For each file that a command may name, the paths where it may lie; the first one that is there is meant."""
    for _, words in _lines(commands):
        for number, word in enumerate(words):
            paths = _PATH.findall(word)
            yield from ((join(workdir or "/", path),) for path in paths)
            if not paths and number == 0:
                yield tuple(join(folder, word) for folder in environment.get("PATH", "").split(":") if folder)
            elif not paths and word.endswith(_SCRIPT):
                yield (join(workdir or "/", word),)


def _lines(commands: Commands) -> Iterator[tuple[str, Sequence[str]]]:
    """The command lines: CMD is ENTRYPOINT's arguments where there is one."""
    named = dict(commands)
    started = [*named.get("ENTRYPOINT", ()), *named.get("CMD", ())]
    if started:
        yield ("ENTRYPOINT" if named.get("ENTRYPOINT") else "CMD"), started
    match named.get("HEALTHCHECK", ()):
        case ["CMD-SHELL", script]:
            yield "HEALTHCHECK", ("sh", "-c", script)
        case ["CMD", *words]:
            yield "HEALTHCHECK", words
