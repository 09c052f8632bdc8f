"""Files that hold commands and variables among other things (make, just, cron, systemd, tox, Jenkins, Vagrant): tables.

A group `script` is read as shell, `name` and `value` are a variable of the environment, `name` and `options` one that
is used further down in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from builder.audit.commands import PROGRAMS
from builder.audit.finding import Hit
from builder.audit.kinds import Kind
from builder.audit.options import option_hits
from builder.audit.script import Reader, script_hits
from builder.audit.suspicion import suspicious
from builder.audit.text import Fragment, joined
from builder.audit.variables import variable_hits


def _patterns(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)


_EXPORT: Final = r"export[ \t]+(?P<name>\w+)[ \t]*(?:::?|[?+])?=[ \t]*['\"]?(?P<value>[^'\"\n#]*)"

_FORMS: Final = {
    Kind.MAKEFILE: _patterns(
        r"^\t[\t@+ -]*(?P<script>.*(?:\\\n.*)*)",
        r"^[^\t#=\n][^#=\n]*:[^=\n;]*;(?P<script>.*)",
        rf"^[ \t]*(?:[^\s#=][^#=\n]*:[ \t]*)?{_EXPORT}",
        r"^(?P<name>\w+)[ \t]*(?:::?|[?+])?=[ \t]*(?P<options>.*)",
    ),
    Kind.JUSTFILE: _patterns(r"^[ \t]+[@-]*(?P<script>\S.*(?:\\\n.*)*)", rf"^{_EXPORT}"),
    Kind.CRON: _patterns(
        r"^\s*(?:@\w+|(?:[\w*/,-]+[ \t]+){5})[ \t]*(?:root[ \t]+)?(?P<script>.*)", r"^(?P<name>\w+)=(?P<value>.*)"
    ),
    Kind.SYSTEMD: _patterns(
        r"^Exec\w+=[-@:+!|]*(?P<script>.*(?:\\\n.*)*)", r"^Environment=['\"]?(?P<name>\w+)=(?P<value>[^'\"\s]*)"
    ),
    Kind.TOX: _patterns(
        r"^(?:commands\w*|install_command)[ \t]*=(?P<script>.*(?:\n[ \t]+.*)*)",
        r"^(?:set_?env[ \t]*=)?[ \t]*(?P<name>[A-Z][A-Z0-9_]*)[ \t]*=[ \t]*(?P<value>.*)",
    ),
    Kind.JENKINS: _patterns(
        r"^(?!\s*//).*?\bsh[ \t]*\(?\s*(?:script:\s*)?(?P<quote>'''|\"\"\"|'|\")(?P<script>(?:.|\n)*?)(?P=quote)",
        r"(?:^|[{;])\s*(?P<name>[A-Z][A-Z0-9_]*)[ \t]*=[ \t]*['\"](?P<value>[^'\"\n]*)",
    ),
    Kind.VAGRANT: _patterns(
        r"<<[-~]?['\"]?(?P<tag>[A-Z]\w*)['\"]?.*\n(?P<script>(?:.|\n)*?)^[ \t]*(?P=tag)\b",
        r"inline:[ \t]*(?P<quote>['\"])(?P<script>[^\n]*?)(?P=quote)",
    ),
}

EMBEDDED: Final = tuple(_FORMS)


def embedded_hits(text: Fragment, kind: Kind, written: Reader) -> Iterator[Hit]:
    """Every finding of the file."""
    if not suspicious(text.text):
        return
    scripts: list[Fragment] = []
    for found in sorted((m for form in _FORMS[kind] for m in form.finditer(text.text)), key=lambda m: m.start()):
        groups = found.groupdict()
        if groups.get("script"):
            begin, end = found.span("script")
            scripts += (text.part(begin, end), Fragment("\n", (0,), (text.at(end),)))
        elif groups.get("value") is not None:
            yield from variable_hits(found["name"], found["value"].strip(), text.part(found.start("name"), found.end()))
        elif groups.get("options"):
            yield from option_hits(found["name"], found["options"], text.part(found.start("name"), found.end()), "")
    yield from script_hits(_named(joined(scripts), text.text) if kind is Kind.MAKEFILE else joined(scripts), written)


def _named(scripts: Fragment, makefile: str) -> Fragment:
    """`$(CURL)` as the program that it is, in as many characters."""
    programs = dict(re.findall(r"^(\w+)[ \t]*(?:::?|[?+])?=[ \t]*(?:\S*/)?(\w+)", makefile, re.MULTILINE))

    def name(found: re.Match[str]) -> str:
        program = programs.get(found[1], "")
        fits = program in PROGRAMS and len(program) <= len(found[0])
        return program.ljust(len(found[0])) if fits else found[0]

    return Fragment(re.sub(r"\$[({](\w+)[)}]", name, scripts.text), scripts.starts, scripts.origins)
