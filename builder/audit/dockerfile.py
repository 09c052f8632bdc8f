"""Dockerfiles: instructions over several lines, heredocs, ENV and ARG, each with its place in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from builder.audit.finding import Edit, Hit
from builder.audit.kinds import CONFIGURATION, Kind, kind_of
from builder.audit.parse import UnreadableError, yaml_documents
from builder.audit.script import Reader, script_hits
from builder.audit.text import Fragment, joined
from builder.audit.variables import variable_hits
from builder.audit.yamlnodes import of_items, together

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)(?=\s|$)")
_HEREDOC = re.compile(r"(?<![<\w])<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
_ESCAPE = re.compile(r"\s*#\s*escape\s*=\s*(\S)", re.IGNORECASE)
_MOUNTS: Final = re.compile(r"(\s*--\w[\w-]*(=\S+)?)*\s*")
_SHELL: Final = ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK")
_PAIR = re.compile(r"""([A-Za-z_]\w*)=("(?:\\.|[^"\\])*"|'[^']*'|(?:\\.|[^\s\\])*)""")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its words, and the heredocs behind it."""

    name: str
    rest: Fragment
    heredocs: tuple[tuple[str, Fragment], ...]
    """The line that opened each, and its content."""
    whole: tuple[int, int]
    """From the first to behind the last character, heredocs included."""


def dockerfile_hits(text: Fragment, written: Reader) -> Iterator[Hit]:
    """Every finding of the file."""
    for instruction in map(_without_onbuild, instructions(text)):
        name = instruction.name
        if name in ("ENV", "ARG"):
            yield from _variables(text, instruction)
        elif name in _SHELL:
            yield from _run(instruction, written)
        elif name in ("COPY", "ADD"):
            for target, content in _copied(instruction):
                yield from written(content, target)


def _without_onbuild(instruction: Instruction) -> Instruction:
    """`ONBUILD ENV A=1` as the instruction that it becomes."""
    inner = _INSTRUCTION.match(instruction.rest.text)
    if instruction.name != "ONBUILD" or inner is None:
        return instruction
    rest = instruction.rest.part(inner.end(), len(instruction.rest.text))
    return replace(instruction, name=inner[1].upper(), rest=rest)


def instructions(text: Fragment) -> Iterator[Instruction]:
    """The file's instructions; comments and blank lines fall out, inside of one as well."""
    lines = list(text.lines())
    escape = next((m[1] for _, line in lines[:3] if (m := _ESCAPE.match(line))), "\\")
    number = 0
    while number < len(lines):
        begin, first = lines[number]
        found = _INSTRUCTION.match(first)
        if not found:
            number += 1
            continue
        parts, number = _continued(text, lines, number, escape, skip=found.end())
        rest = joined(parts)
        heredocs, number = _heredocs(text, lines, number, rest.text)
        last, line = lines[number - 1]
        yield Instruction(found[1].upper(), rest, heredocs, (begin, last + len(line)))


def _continued(
    text: Fragment, lines: list[tuple[int, str]], number: int, escape: str, *, skip: int
) -> tuple[list[Fragment], int]:
    parts: list[Fragment] = []
    first = True
    while number < len(lines):
        begin, line = lines[number]
        number += 1
        if not first and (not line.strip() or line.lstrip().startswith("#")):
            continue
        open_end = re.search(re.escape(escape) + r"[ \t]*$", line)
        end = begin + (open_end.start() if open_end else len(line))
        parts.append(text.part(begin + (skip if first else 0), end))
        first = False
        if not open_end:
            break
    return parts, number


def _heredocs(
    text: Fragment, lines: list[tuple[int, str]], number: int, rest: str
) -> tuple[tuple[tuple[str, Fragment], ...], int]:
    found = []
    for opened in _HEREDOC.finditer(rest):
        begin = lines[number][0] if number < len(lines) else len(text.text)
        while number < len(lines) and lines[number][1].lstrip("\t") != opened[2]:
            number += 1
        end = lines[number][0] if number < len(lines) else len(text.text)
        found.append((opened[0], text.part(begin, max(begin, end))))
        number = min(number + 1, len(lines))
    return tuple(found), number


def _run(instruction: Instruction, written: Reader) -> Iterator[Hit]:
    rest = instruction.rest
    begin = (_MOUNTS.match(rest.text) or re.compile("").match(rest.text)).end()  # type: ignore[union-attr]
    words = rest.part(begin, len(rest.text))
    if instruction.name == "HEALTHCHECK":
        inner = re.match(r"\s*CMD\s+", words.text, re.IGNORECASE)
        words = words.part(inner.end() if inner else 0, len(words.text))
    if (listed := _exec_form(words, written)) is not None:
        yield from listed
        return
    bare = _HEREDOC.sub(lambda m: " " * len(m[0]), words.text)
    if instruction.heredocs and not bare.split(">")[0].strip():  # the heredoc is the script
        for _, content in instruction.heredocs:
            yield from script_hits(content, written)
        return
    if instruction.heredocs:  # `cat <<EOF > FILE`: the shell reads it whole
        bodies = [Fragment(f"{c.text}{_word(o)}\n", c.starts, c.origins) for o, c in instruction.heredocs]
        words = joined([words, Fragment("\n", (0,), (words.at(len(words.text)),)), *bodies])
    yield from script_hits(words, written)


def _word(opened: str) -> str:
    found = _HEREDOC.match(opened)
    return found[2] if found else ""


def _exec_form(words: Fragment, written: Reader) -> Iterator[Hit] | None:
    """The hits of `["curl", "-k", "https://..."]`; None where it is no list of words."""
    if not words.text.lstrip().startswith("["):
        return None
    try:
        json.loads(words.text)
        items = yaml_documents(words.text)[0].value  # JSON is YAML, whose parser tells the places
    except (ValueError, RecursionError, UnreadableError):
        return None
    if any(item.id != "scalar" for item in items):
        return None
    hits = script_hits(together(words, items), written)
    return (replace(hit, edits=of_items(words, items, hit.edits)) for hit in hits)


def _variables(text: Fragment, instruction: Instruction) -> Iterator[Hit]:
    rest = instruction.rest
    pairs = list(_PAIR.finditer(rest.text))
    if not pairs and (old := re.fullmatch(r"\s*([A-Za-z_]\w*)\s+(.*?)\s*", rest.text, re.DOTALL)):
        if instruction.name == "ENV":
            whole = rest.part(old.start(1), old.end(2))
            yield from _with_line(text, instruction, variable_hits(old[1], old[2], whole))
        return
    for pair in pairs:
        value = re.sub(r"\\(.)", r"\1", pair[2].strip("'\""))
        whole = rest.part(*pair.span())
        wins = "ENV: every process of the image has it" if instruction.name == "ENV" else ""
        hits = variable_hits(pair[1], value, whole, wins=wins)
        yield from _with_line(text, instruction, hits) if len(pairs) == 1 else _with_pair(rest, pair, hits)


def _with_line(text: Fragment, instruction: Instruction, hits: Iterator[Hit]) -> Iterator[Hit]:
    """The fix for the only variable of an instruction: without the instruction."""
    begin, end = instruction.whole
    end += len((re.compile(r"\r\n|\r|\n").match(text.text, end) or [""])[0])
    for hit in hits:
        yield replace(hit, edits=text.edit(begin, end)) if hit.alone else hit


def _with_pair(rest: Fragment, pair: re.Match[str], hits: Iterator[Hit]) -> Iterator[Hit]:
    begin, end = pair.span()
    while begin and rest.text[begin - 1] in " \t":
        begin -= 1
    edits: tuple[Edit, ...] = rest.edit(begin, end) or rest.edit(*pair.span())
    for hit in hits:
        yield replace(hit, edits=edits) if hit.alone else hit


def _copied(instruction: Instruction) -> Iterator[tuple[str, Fragment]]:
    words = instruction.rest.text.split()
    for _, content in instruction.heredocs:
        if words:
            yield words[-1], content


_COPIES = re.compile(r"^\s*(?:COPY|ADD)\s", re.IGNORECASE | re.MULTILINE)


def copied_files(text: str) -> Iterator[tuple[str, Kind]]:
    """Files of the build's context that COPY or ADD turn into configuration by their new name, and of which kind."""
    for instruction in instructions(Fragment(text)) if _COPIES.search(text) else ():
        words = [w for w in instruction.rest.text.split() if not w.startswith("--")]
        if instruction.name not in ("COPY", "ADD") or instruction.heredocs or "--from" in instruction.rest.text:
            continue
        for source in words[:-1]:
            target = words[-1] + source.rpartition("/")[2] if words[-1].endswith("/") else words[-1]
            kind = kind_of(target)
            if kind in CONFIGURATION and kind_of(source) is not kind:
                yield source.lstrip("/"), kind
