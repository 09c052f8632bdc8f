"""The audit of one text: the reader of its kind, exceptions with a reason, findings with their places. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from builder.audit import settings, urls
from builder.audit.allowed import allowed
from builder.audit.condarc_hits import condarc_hits
from builder.audit.dockerfile import dockerfile_hits
from builder.audit.embedded import EMBEDDED, embedded_hits
from builder.audit.finding import Finding, Hit, by_place
from builder.audit.kinds import Kind, kind_of
from builder.audit.notebook import notebook_hits
from builder.audit.parse import refusal
from builder.audit.pythonfile import python_hits
from builder.audit.rules import RULES
from builder.audit.script import Reader, script_hits
from builder.audit.surroundings import ANYWHERE, Surroundings
from builder.audit.suspicion import suspicious
from builder.audit.text import Fragment, Source
from builder.audit.yamlfile import yaml_hits
from builder.masking import masked

LARGEST: Final = 1 << 20
"""Bytes; what is larger is no configuration and no script that a person wrote."""

_UNFIXABLE: Final = ("CONDA002", "CONDA005", "CONDA012", "CA001", "CA002", "URL001")
_PYTHON: Final = (
    (("False",), re.compile(r"(?:verify|verify_ssl|ssl|check_hostname)['\"]?\s*[=:]\s*False")),
    (("environ", "putenv"), re.compile(r"(?:SSL|TLS|HTTPSVERIFY|INSECURE|TRUSTED|STRICT|INDEX|CHANNEL)")),
    (("curl", "conda", "mamba"), re.compile(r"(?<![\w-])-(?:[a-zA-Z]*k\b|-insec)")),
    (("_create_unverified_context", "CERT_NONE", "--no-ch", "--trusted-host", "ssl_verify", "sslVerify"), None),
)
"""What has none of these has no finding: most Python files of a tree are done without being parsed."""


def examine(path: str, text: str, *, kind: Kind | None = None, around: Surroundings = ANYWHERE) -> tuple[Finding, ...]:
    """The findings of one file, in the order of its lines."""
    kind = kind or kind_of(path, text[:80].encode("utf-8", "replace"))
    if kind is None or (kind is Kind.PYTHON and not _may_matter(text)):
        return ()
    # npm and git pass a byte order mark by [measured]
    whole = Fragment(text[1:], (0,), (1,)) if text.startswith("\ufeff") else Fragment(text)
    return placed(path, text, _hits(whole, path, kind, around, depth=0), kind=kind if around.comments else None)


def may_matter(path: str, content: bytes) -> bool:
    """False for a file that is of no kind or surely has no finding, at little cost."""
    kind = kind_of(path, content[:80])
    if kind is None or b"\0" in content[:1024]:
        return False
    text = content.decode("utf-8", "replace")
    return _may_matter(text) if kind is Kind.PYTHON else suspicious(text) or urls.may_matter(text)


def _may_matter(text: str) -> bool:
    found = (p is None or p.search(text) for words, p in _PYTHON if any(w in text for w in words))
    return "builder-audit" in text or any(found)


def placed(path: str, text: str, hits: Iterator[Hit], *, kind: Kind | None = None) -> tuple[Finding, ...]:
    """Findings of hits: with line and column; without what comments of that kind allow with a reason."""
    source = Source(path, text)
    excused = allowed(text, source, kind) if kind else {}
    findings = [_finding(source, hit) for hit in hits]
    kept = [f for f in findings if not (excused.get(f.line, {}).get(f.rule) or excused.get(f.line - 1, {}).get(f.rule))]
    for line, rules in excused.items():
        for rule, reason in rules.items():
            if not reason:
                at = source.text.find("builder-audit", sum(len(x) for x in text.splitlines(True)[: line - 1]))
                kept.append(_finding(source, Hit(rule="AUDIT001", at=max(at, 0), seen=f"allow {rule}")))
    return by_place(kept)


def _finding(source: Source, hit: Hit) -> Finding:
    rule = RULES[hit.rule]
    line, column = source.place(min(hit.at, len(source.text)))
    return Finding(
        rule=rule.id,
        title=rule.title,
        severity=hit.severity or rule.severity,
        path=source.path,
        line=line,
        column=column,
        seen=_shown(hit.seen),
        wins=_shown(hit.wins),
        why=rule.why,
        remedy=rule.remedy,
        edits=() if hit.rule in _UNFIXABLE else hit.edits,
    )


def _shown(text: str) -> str:
    line = " ".join(masked(text).split())
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return clean if len(clean) <= 200 else clean[:199] + "\N{HORIZONTAL ELLIPSIS}"


def _hits(text: Fragment, path: str, kind: Kind, around: Surroundings, *, depth: int) -> Iterator[Hit]:
    def written(content: Fragment, target: str) -> Iterator[Hit]:
        inner = kind_of(target)
        if inner is not None and depth == 0:
            yield from _hits(content, target, inner, around, depth=1)

    read = _read(text, path, kind, around, written)
    yield from read if depth == 0 else (hit for hit in read if hit.rule != "AUDIT002")  # a script writes it in pieces
    if kind is not Kind.PYTHON and depth == 0:
        yield from _addresses(text, kind)


def _read(text: Fragment, path: str, kind: Kind, around: Surroundings, written: Reader) -> Iterator[Hit]:
    match kind:
        case Kind.CONDARC:
            yield from condarc_hits(text, path, around)
        case Kind.PIP:
            yield from settings.pip_conf(text, around)
        case Kind.GIT:
            yield from settings.gitconfig(text, around)
        case Kind.YAML:
            yield from yaml_hits(text, path, written)
        case _ if kind in EMBEDDED:
            yield from embedded_hits(text, kind, written)
        case _ if kind in _WRITING:
            yield from _WRITING[kind](text, written)
        case _:
            yield from _SIMPLE[kind](text)
    if kind in _LINEWISE and _is_asked(kind, text.text) and (refused := refusal(kind, text.text)):
        yield refused.hit(text)


_LINEWISE: Final = (Kind.DAEMON, Kind.UV, Kind.PYPROJECT, Kind.CARGO, Kind.REGISTRIES)
"""Read line by line though there is a parser for them: it has no places."""

_WRITING: Final[dict[Kind, Callable[[Fragment, Reader], Iterator[Hit]]]] = {
    Kind.DOCKERFILE: dockerfile_hits,
    Kind.SHELL: script_hits,
    Kind.PYTHON: python_hits,
    Kind.NOTEBOOK: notebook_hits,
}
"""What may write files."""

_SIMPLE: Final = {
    Kind.REQUIREMENTS: settings.requirements,
    Kind.NPM: settings.npmrc,
    Kind.YARN: settings.yarnrc_yml,
    Kind.CURL: settings.by_lines(settings.CURLRC),
    Kind.WGET: settings.by_lines(settings.WGETRC),
    Kind.APT: settings.apt_conf,
    Kind.SOURCES: settings.apt_sources,
    Kind.UV: settings.uv_toml,
    Kind.PYPROJECT: settings.pyproject,
    Kind.CARGO: settings.cargo,
    Kind.DAEMON: settings.daemon_json,
    Kind.REGISTRIES: settings.by_lines(settings.REGISTRIES),
    Kind.MAVEN: settings.by_lines(settings.MAVEN),
    Kind.ENVIRONMENT: settings.environment_file,
    Kind.CONDA_STATE: settings.conda_state,
    Kind.DNF: settings.by_lines(settings.DNF),
}


def _is_asked(kind: Kind, text: str) -> bool:
    """A project's file that is broken elsewhere is not the audit's business; what only sets up Docker is."""
    return bool(text.strip()) and (kind is Kind.DAEMON or suspicious(text))


def _addresses(text: Fragment, kind: Kind) -> Iterator[Hit]:
    """Credentials and dead mirrors, wherever an address stands; comments of scripts are no address."""
    if not urls.may_matter(text.text):
        return
    for begin, line in text.lines():
        if "://" in line and not (line.lstrip().startswith("#") and kind is not Kind.CONDARC):
            yield from urls.common(text.part(begin, begin + len(line)))
