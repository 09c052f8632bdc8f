"""Configuration files of one setting a line (pip, git, npm, curl, wget, apt, uv, cargo, ...): tables of patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from builder.audit import urls
from builder.audit.anchors import anchor_hits
from builder.audit.finding import Edit, Hit
from builder.audit.packagers import APT_OFF, APT_UNSIGNED
from builder.audit.surroundings import Surroundings
from builder.audit.text import Fragment, whole_line
from builder.audit.variables import is_false, is_true, variable_hits

_OFF: Final = r"['\"]?(?:false|no|off|0|n)['\"]?"


@dataclass(frozen=True)
class Line:
    """A pattern of one line: what it breaks, and whether the line may simply go."""

    rule: str
    pattern: re.Pattern[str]
    removable: bool = True
    wins: str = ""


def _line(rule: str, pattern: str, *, removable: bool = True, wins: str = "") -> Line:
    return Line(rule, re.compile(pattern, re.IGNORECASE), removable, wins)


_STRICT: Final = rf"\s*['\"]?strict-ssl['\"]?\s*[=\s]\s*{_OFF}\s*([;#].*)?$"
NPMRC: Final = (_line("NPM001", _STRICT, wins="npm_config_strict_ssl and --strict-ssl beat it"),)
NPM_LOGIN: Final = _line("URL001", r"(//\S+:)?_(authToken|auth|password)\s*=\s*['\"]?[^\s'\"$]{8,}", removable=False)
YARNRC_YML: Final = (
    _line("NPM001", rf"enableStrictSsl\s*:\s*{_OFF}\s*(#.*)?$"),
    # below `networkSettings` it may be all that a host has
    _line("NPM001", rf"\s+enableStrictSsl\s*:\s*{_OFF}\s*(#.*)?$", removable=False),
)
CURLRC: Final = (
    _line("CURL001", r"\s*(--)?(proxy-)?insecure\b"),
    _line("CURL001", r"\s*-(?-i:k)\s*(#.*)?$"),
    _line("CURL001", r"\s*-(?-i:[fgGiIjJlLnNOpqRsSvV0-9#a]*k)", removable=False),
)
WGETRC: Final = (_line("WGET001", rf"\s*check[_-]?certificate\s*=\s*{_OFF}\s*$"),)
MAVEN: Final = (_line("MAVEN001", r".*-Dmaven\.wagon\.http\.ssl\.(insecure|allowall)=true", removable=False),)


def _uv_lines(prefix: str) -> tuple[Line, ...]:
    hosts = rf"\s*{prefix}(allow-insecure-host|trusted-host)\s*=\s*"
    return (
        _line("UV001", rf"{hosts}\[[^\]]*['\"][^\]]*\]\s*(#.*)?$"),
        _line("UV001", rf"{hosts}\[\s*(#.*)?$", removable=False),
    )


UV: Final = _uv_lines("")
UV_DOTTED: Final = _uv_lines(r"(tool\.)?uv\.")
"""In pyproject.toml above the first table, or below `[tool]`."""

REGISTRIES: Final = (_line("DOCKER001", r"\s*insecure\s*=\s*true\s*(#.*)?$"),)

DNF: Final = (
    _line("DNF001", rf"(proxy_)?sslverify\s*=\s*{_OFF}\s*$"),
    _line("DNF002", rf"(pkg_)?gpgcheck\s*=\s*{_OFF}\s*$"),
)

_INDEX = re.compile(r"\s*(extra[-_])?(index([-_]url)?|find[-_]links|url|default)\s*[=:]", re.IGNORECASE)
_REGISTRY = re.compile(r"\s*(@[\w-]+:)?(registry|npmRegistryServer)\s*[=:\s]", re.IGNORECASE)


def line_hits(text: Fragment, table: Sequence[Line]) -> Iterator[Hit]:
    """The lines that match the table's patterns."""
    for begin, line in text.lines():
        for entry in table:
            if entry.pattern.match(line):
                at = begin + len(line) - len(line.lstrip())
                edits = removal(text, begin) if entry.removable else ()
                yield Hit(rule=entry.rule, at=text.at(at), seen=line.strip(), wins=entry.wins, edits=edits)
                break


def removal(text: Fragment, begin: int) -> tuple[Edit, ...]:
    """Takes the line at that offset away, in the file that the text is from."""
    gone = whole_line(text.text, begin)
    return text.edit(gone.start, gone.end)


def pip_conf(text: Fragment, around: Surroundings) -> Iterator[Hit]:
    """pip.conf: `trusted-host` with its continuation lines, addresses, `cert`."""
    key = ""
    for begin, line in text.lines():
        if not line.strip() or line.lstrip().startswith(("#", ";", "[")):
            key = "" if line.lstrip().startswith("[") else key
            continue
        found = re.match(r"([\w.-]+)\s*[=:]\s*(.*)", line)
        first = found is not None and not line[:1].isspace()
        key = found[1].lower().replace("_", "-") if found and first else key
        value = found[2] if found and first else line.strip()
        at = begin + len(line) - len(line.lstrip())
        if key == "trusted-host":
            wins = "PIP_TRUSTED_HOST and --trusted-host beat it"
            if value or first:
                yield Hit(rule="PIP001", at=text.at(at), seen=line.strip(), wins=wins, edits=removal(text, begin))
        elif key in ("index-url", "extra-index-url", "find-links"):
            yield from urls.plain(text.part(begin, begin + len(line)), "PIP002", "PIP_INDEX_URL and -i beat it")
        elif key == "cert" and value:
            yield from anchor_hits(value.strip(), text.at(at), line.strip(), around)


def requirements(text: Fragment) -> Iterator[Hit]:
    """requirements.txt: options of pip on lines of their own."""
    for begin, line in text.lines():
        part = text.part(begin, begin + len(line))
        found = re.search(r"\s*--trusted-host[\s=]\s*[^\s#]+", line) if re.match(r"\s*--?\w", line) else None
        if found and not line[: found.start()].strip():
            yield Hit(rule="PIP001", at=part.at(0), seen=line.strip(), edits=removal(text, begin))
        elif found:
            edits = text.edit(begin + found.start(), begin + found.end())
            yield Hit(rule="PIP001", at=part.at(found.end() - len(found[0].lstrip())), seen=line.strip(), edits=edits)
        if re.match(r"\s*(-i|--index-url|--extra-index-url|-f|--find-links)[\s=]", line):
            yield from urls.plain(part, "PIP002")


def gitconfig(text: Fragment, around: Surroundings) -> Iterator[Hit]:
    """gitconfig: `sslVerify` below `[http]` or `[http "URL"]`."""
    section = ""
    for begin, line in text.lines():
        if head := re.match(r"\s*\[\s*([\w.-]+)", line):
            section = head[1].lower()
        found = re.match(r"\s*(?:\[[^\]]*\]\s*)?(\w+)\s*(?:=\s*(.*?))?\s*([#;].*)?$", line)
        if section != "http" or not found or found[2] is None:
            continue
        at, value = text.at(begin + found.start(1)), found[2].strip("\"' ")
        if found[1].lower() == "sslverify" and is_false(value):
            edits = removal(text, begin) if not head else ()
            yield Hit(rule="GIT001", at=at, seen=line.strip(), wins="GIT_SSL_NO_VERIFY and -c beat it", edits=edits)
        elif found[1].lower() == "sslcainfo":
            yield from anchor_hits(value, at, line.strip(), around)


def npmrc(text: Fragment) -> Iterator[Hit]:
    """.npmrc and .yarnrc."""
    yield from line_hits(text, (*NPMRC, NPM_LOGIN))
    yield from _addresses(text, _REGISTRY, "NPM002")


def yarnrc_yml(text: Fragment) -> Iterator[Hit]:
    """.yarnrc.yml of yarn 2 and later."""
    yield from line_hits(text, YARNRC_YML)
    yield from _addresses(text, _REGISTRY, "NPM002")


def uv_toml(text: Fragment) -> Iterator[Hit]:
    """uv.toml, and uv's part of pyproject.toml."""
    yield from line_hits(text, UV)
    yield from _addresses(text, _INDEX, "PIP002")


def pyproject(text: Fragment) -> Iterator[Hit]:
    """uv's tables of pyproject.toml; `url` elsewhere is a home page."""
    section, begin_of = "", 0
    lines = [*text.lines(), (len(text.text), "[end]")]
    for begin, line in lines:
        if head := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            if section.startswith("tool.uv"):
                yield from uv_toml(text.part(begin_of, begin))
            elif section in ("", "tool"):
                yield from line_hits(text.part(begin_of, begin), UV_DOTTED)
            section, begin_of = head[1], begin


def cargo(text: Fragment) -> Iterator[Hit]:
    """cargo's config: cargo cannot switch verification off, but a registry may be plain http."""
    yield from _addresses(text, re.compile(r"\s*(registry|index)\s*="), "CARGO001")


def apt_conf(text: Fragment) -> Iterator[Hit]:
    """apt.conf: `Acquire::https::Verify-Peer "false";`, nested in braces or not; comments are `//` and `#`."""
    scope: list[str] = []
    bare = re.sub(r"/\*.*?\*/|(?<![:\w\"])//[^\n]*|^\s*#[^\n]*", _blank, text.text, flags=re.DOTALL | re.MULTILINE)
    for found in re.finditer(r"([\w:.-]+)\s*(?:(\"[^\"]*\"|(?<=\s)[\w.-]+)\s*;|(\{))|(\})", bare):
        if found[4]:
            del scope[-1:]
        elif found[3]:
            scope.append(found[1])
        else:
            name = "::".join((*scope, found[1]))
            rule = "APT001" if APT_OFF.fullmatch(name) and is_false(found[2]) else ""
            rule = rule or ("APT002" if APT_UNSIGNED.fullmatch(name) and is_true(found[2]) else "")
            if rule:
                edits = text.edit(*found.span())
                yield Hit(rule=rule, at=text.at(found.start()), seen=f"{name} {found[2]}", edits=edits)


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def apt_sources(text: Fragment) -> Iterator[Hit]:
    """sources.list: `[trusted=yes]`; deb822: `Trusted: yes`."""
    for begin, line in text.lines():
        if re.match(r"\s*deb(-src)?\s+\[", line):
            option = re.search(r"\b(trusted|allow-insecure|allow-weak)\s*=\s*yes\b", line, re.IGNORECASE)
            if option:
                alone = re.search(r"\s*\[\s*" + re.escape(option[0]) + r"\s*\]", line)
                begins, ends = alone.span() if alone else _with_blank(line, option.span())
                edits = text.edit(begin + begins, begin + ends)
                yield Hit(rule="APT002", at=text.at(begin + option.start()), seen=line.strip(), edits=edits)
        elif re.match(r"(Trusted|Allow-Insecure|Allow-Weak):\s*yes\s*$", line, re.IGNORECASE):
            yield Hit(rule="APT002", at=text.at(begin), seen=line.strip(), edits=removal(text, begin))


def _with_blank(line: str, span: tuple[int, int]) -> tuple[int, int]:
    begin, end = span
    return begin, end + len(line[end:]) - len(line[end:].lstrip(" "))


def daemon_json(text: Fragment) -> Iterator[Hit]:
    """Docker's daemon.json: `insecure-registries` with anything in it."""
    found = re.search(r'"insecure-registries"\s*:\s*\[([^\]]*)\]', text.text)
    if found and found[1].strip():
        yield Hit(rule="DOCKER001", at=text.at(found.start()), seen=" ".join(found[0].split()))


def environment_file(text: Fragment) -> Iterator[Hit]:
    """/etc/environment, .env: `NAME=value` a line, `export` before it or not."""
    for begin, line in text.lines():
        found = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)=('[^']*'|\"[^\"]*\"|.*?(?=\s+#|\s*$))", line)
        if found:
            value = found[2].strip("'\"")
            whole = text.part(begin + found.start(1), begin + found.end(2))
            for hit in variable_hits(found[1], value, whole):
                edits = removal(text, begin) if hit.alone else hit.edits
                yield Hit(rule=hit.rule, at=hit.at, seen=hit.seen, wins=hit.wins, edits=edits)


def conda_state(text: Fragment) -> Iterator[Hit]:
    """`conda-meta/state`: the variables that `conda env config vars set` keeps for an environment."""
    for found in re.finditer(r'"(\w+)"\s*:\s*"((?:\\.|[^"\\])*)"', text.text):
        yield from variable_hits(found[1], found[2], text.part(*found.span()), wins="set whenever it is activated")


def _addresses(text: Fragment, key: re.Pattern[str], rule: str) -> Iterator[Hit]:
    for begin, line in text.lines():
        if key.match(line):
            yield from urls.plain(text.part(begin, begin + len(line)), rule)


_Reader = Callable[[Fragment], Iterator[Hit]]


def by_lines(table: Sequence[Line]) -> _Reader:
    """A reader of that table."""
    return lambda text: line_hits(text, table)
