"""The words of a command: without what only starts it, its options and their values, and their removal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from builder.audit.finding import Edit, Hit
from builder.audit.shell import Word
from builder.audit.text import Fragment

Words = Sequence[Word]


def unwrapped(words: Words) -> Words:
    """Without what only starts the command."""
    for _ in range(10):
        name = program(words) if words else ""
        skip = _WRAPPERS.get(name)
        if skip is None:
            return words
        rest = list(words[1:])
        while rest and (rest[0].text.startswith("-") or "=" in rest[0].text or rest[0].text.isdigit()):
            takes_value = rest[0].text in skip and len(rest) > 1
            del rest[: 2 if takes_value else 1]
        words = rest
    return words


_WRAPPERS: Final[dict[str, tuple[str, ...]]] = {
    "sudo": ("-u", "-g", "-h", "-p"),
    "env": ("-u", "-C", "-S"),
    "time": ("-o", "-f"),
    "timeout": ("-k", "-s"),
    "nice": ("-n",),
    "xargs": ("-n", "-P", "-I", "-L", "-d"),
    "nohup": (),
    "exec": ("-a",),
    "command": (),
    "then": (),
    "do": (),
    "RUN": (),
    "CMD": (),  # of a Compose health check
    "CMD-SHELL": (),
}


def program(words: Words) -> str:
    """The program's name without its folder and version."""
    base = words[0].text.rpartition("/")[2]
    return re.sub(r"^(python|pip)[\d.]+$", r"\1", base).removesuffix(".exe")


def hit(script: Fragment, rule: str, words: Words, edits: tuple[Edit, ...] = (), wins: str = "") -> Hit:
    """The finding that these words are."""
    seen = " ".join(w.text for w in words)
    return Hit(rule=rule, at=script.at(words[0].start), seen=seen, wins=wins, edits=edits)


def without(script: Fragment, words: Words) -> tuple[Edit, ...]:
    """Takes the words away with the blanks before them."""
    start = words[0].start
    while start and script.text[start - 1] in " \t":
        start -= 1
    return script.edit(start, words[-1].end) or script.edit(words[0].start, words[-1].end)


def valued(words: Words, names: Sequence[str]) -> Iterator[tuple[Words, Fragment]]:
    """Each option of those names: its words, and its value."""
    for i, word in enumerate(words):
        if word.text in names and i + 1 < len(words):
            yield words[i : i + 2], words[i + 1].fragment
        elif (name := next((n for n in names if word.text.startswith(n + "=")), None)) and name.startswith("--"):
            cut = word.fragment.text.find("=") + 1
            yield (word,), word.fragment.part(cut, len(word.fragment.text))


def flags(script: Fragment, words: Words, rule: str, flags: Sequence[str]) -> Iterator[Hit]:
    """Each of those flags as a finding, with its removal as the fix."""
    for word in words[1:]:
        if word.text in flags:
            yield hit(script, rule, (word,), without(script, (word,)))
