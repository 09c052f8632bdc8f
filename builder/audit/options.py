"""Options that skip verification, kept in a variable (`CURL_OPTS=-k`) to be used further down. One entry each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from builder.audit.finding import Edit, Hit
from builder.audit.text import Fragment


@dataclass(frozen=True)
class Option:
    """An option, and the variables that hold it, beside others or alone."""

    rule: str
    name: re.Pattern[str]
    """Of the variable."""
    pattern: re.Pattern[str]
    """In its value; group 1, if there is one, is the letter of a cluster that means it."""


def _option(rule: str, name: str, pattern: str) -> Option:
    whole_word = rf"(?<![^\s'\"=]){pattern}(?![^\s'\"])"
    return Option(rule, re.compile(name, re.IGNORECASE), re.compile(whole_word, re.IGNORECASE))


OPTIONS: Final = (
    _option("CURL001", r"\w*CURL\w*", r"--(?:proxy-)?insecure"),
    _option("CURL001", r"\w*CURL\w*", r"(?-i:-[fgGiIjJlLnNOpqRsSvV0-9#a]*(k)[A-Za-z]*)"),
    _option("WGET001", r"\w+", r"--no-check-certificate"),
    _option("PIP001", r"\w+", r"--trusted-host[\s=][^\s'\"]+"),
    _option("GIT001", r"\w+", r"(?:-c\s+)?http\.(?:\S+\.)?sslVerify=(?:false|0|no)"),
    _option("GO001", r"GOFLAGS", r"-insecure"),
    _option(
        "MAVEN001", r"MAVEN_(OPTS|ARGS)|JAVA_TOOL_OPTIONS", r"-Dmaven\.wagon\.http\.ssl\.(?:insecure|allowall)=true"
    ),
)


_COMMAND_LINE = re.compile(r"\s*(?:-|http\.|(?:\S*/)?(?:curl|wget|pip|python|uv|git|sudo|env)[\d.]*\s)")
"""What a value of options begins with; a sentence that names one does not."""


def is_option(name: str, value: str) -> bool:
    """Whether `option_hits` has something to say of the variable."""
    return any(option_hits(name, value, Fragment(f"{name}={value}"), ""))


def option_hits(name: str, value: str, whole: Fragment, wins: str) -> Iterator[Hit]:
    """The options in a variable's value; `whole` is the assignment as it stands."""
    for option in OPTIONS if _COMMAND_LINE.match(value) else ():
        if option.name.fullmatch(name) and (found := option.pattern.search(value)):
            alone = found[0] == value.strip() and _letter(found) in ("", found[0][1:])
            edits = () if alone else _without(option, whole)
            yield Hit(rule=option.rule, at=whole.at(0), seen=f"{name}={value}", wins=wins, edits=edits, alone=alone)


def _letter(found: re.Match[str]) -> str:
    return found[1] if found.re.groups else ""


def _without(option: Option, whole: Fragment) -> tuple[Edit, ...]:
    """Takes the option out of the others with the blanks on one side, or its letter out of the cluster."""
    found = option.pattern.search(whole.text)
    if found is None:
        return ()
    begin, end = found.span(1 if len(_letter(found)) < len(found[0]) - 1 and _letter(found) else 0)
    if end - begin == len(found[0]):
        before = re.search(r"[ \t]*$", whole.text[:begin])
        behind = re.compile(r"[ \t]*").match(whole.text, end)
        if before and before[0]:
            begin = before.start()
        elif behind:
            end = behind.end()
    return whole.edit(begin, end)
