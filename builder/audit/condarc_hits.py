"""What is wrong in one `.condarc`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from builder.audit import urls
from builder.audit.anchors import anchor_hits
from builder.audit.commands import channel_hits
from builder.audit.conda_effective import shadow
from builder.audit.conda_value import Verdict, expanded, judge
from builder.audit.condarc import CondaRc, Setting, read
from builder.audit.finding import Edit, Hit
from builder.audit.surroundings import Surroundings
from builder.audit.text import Fragment

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # YAML's, as ruamel counts lines
_CHANNELS = ("channels", "default_channels", "custom_channels", "custom_multichannels", "channel_alias", "channel")
_ALLOWED = ("allowlist_channels", "whitelist_channels", "migrated_channel_aliases", "mirrored_channels")
_LATER = "it beats what earlier files of the search path say; a later file or CONDA_SSL_VERIFY beats it"


def condarc_hits(text: Fragment, path: str, around: Surroundings) -> Iterator[Hit]:
    """Every finding of the file alone; who wins among several files is `conda_effective`'s."""
    rc = read(path, text.text)
    if rc.refused:
        rule = "CONDA003" if rc.refused.ignored else "CONDA002"
        at = text.at(_offset(text.text, rc.refused.line, rc.refused.column))
        yield Hit(rule=rule, at=at, seen=rc.refused.reason)
        return
    yield from _verification(text, rc, around)
    for setting in rc.settings.values():
        known = setting.key.lower().replace("-", "_")
        if known != setting.key and known in ("ssl_verify", "verify_ssl", "channels", "default_channels"):
            yield Hit(rule="CONDA004", at=_at(text, setting), seen=setting.key, wins=f"conda knows {known}")
        if setting.key in _CHANNELS:
            yield from _channels(text, rc, setting)
        elif setting.key in _ALLOWED:
            yield from urls.plain(_span(text, rc, setting), "CONDA010")


def _verification(text: Fragment, rc: CondaRc, around: Surroundings) -> Iterator[Hit]:
    named = rc.named("ssl_verify")
    if len(named) > 1:
        yield Hit(rule="CONDA002", at=_at(text, named[1]), seen="ssl_verify and its alias verify_ssl in one file")
        return
    for setting in named:
        yield from _judged(text, setting, around)


def _judged(text: Fragment, setting: Setting, around: Surroundings) -> Iterator[Hit]:
    judged = judge(setting.value, variables=around.variables, exists=None)
    at, seen = _at(text, setting), f"{setting.key}: {'' if setting.value is None else setting.value}".strip()
    if isinstance(setting.value, bool):
        seen = seen.lower()
    wins = "#!final: it beats every later file and every variable" if setting.final else _LATER
    match judged.verdict:
        case Verdict.OFF:
            yield Hit(rule="CONDA001", at=at, seen=seen, wins=wins, edits=_removed(text, setting, around))
        case Verdict.ERROR if str(setting.value) == "<false>":  # mamba's own spelling
            yield Hit(rule="CONDA001", at=at, seen=seen, wins="mamba and micromamba take it as off; conda stops")
        case Verdict.ERROR:
            yield Hit(rule="CONDA002", at=at, seen=seen, wins=wins)
        case Verdict.DEPENDS:
            yield Hit(rule="CONDA005", at=at, seen=seen, wins=wins)
        case Verdict.BUNDLE:
            path = expanded(judged.path, around.variables or {})
            yield from anchor_hits(path, at, seen, around)
            yield from _shadowed(path, at, seen, around)


def _shadowed(path: str, at: int, seen: str, around: Surroundings) -> Iterator[Hit]:
    found = shadow(around.variables or {})
    if found and found[1] != path:
        yield Hit(rule="CA003", at=at, seen=seen, wins=f"{found[0]}={found[1]} wins")


def _channels(text: Fragment, rc: CondaRc, setting: Setting) -> Iterator[Hit]:
    """Each channel where it stands; the lines are read as text, so that comments between them stay out."""
    span = _span(text, rc, setting)
    for begin, line in span.lines():
        bare = re.sub(r"(^|\s)#.*", "", line)
        for found in re.finditer(r"[^\s,\[\]{}'\"]+", bare):
            if found[0] not in ("-", f"{setting.key}:"):
                start = begin + found.start()
                part = span.part(start, start + len(found[0]))
                yield from (_as_channel(hit) for hit in channel_hits(part))


def _as_channel(hit: Hit) -> Hit:
    said = {"defaults": "defaults stands for pkgs/main and pkgs/r"}.get(hit.seen, hit.wins)
    return replace(hit, wins=said)


def _at(text: Fragment, setting: Setting) -> int:
    return text.at(_offset(text.text, setting.line, setting.column))


def _span(text: Fragment, rc: CondaRc, setting: Setting) -> Fragment:
    """From the key to the next one."""
    begin = _offset(text.text, setting.line, setting.column)
    places = [_offset(text.text, s.line, s.column) for s in rc.settings.values()]
    return text.part(begin, min((p for p in places if p > begin), default=len(text.text)))


def _offset(text: str, line: int, column: int) -> int:
    begin = 0
    for number, found in enumerate(_BREAK.finditer(text), start=2):
        if number > line:
            break
        begin = found.end()
    return min(begin + column - 1, len(text))


def _removed(text: Fragment, setting: Setting, around: Surroundings) -> tuple[Edit, ...]:
    """The line without its setting, or with the system's bundle; only where that is all that the line holds.

    What comes of it is read again: a change after which the file cannot be read, or has the finding still, is none.
    """
    begin = _offset(text.text, setting.line, 1)
    end = begin + len(next(iter(text.part(begin, len(text.text)).lines()), (0, ""))[1])
    line = text.text[begin:end]
    found = re.fullmatch(rf"(\s*['\"]?{re.escape(setting.key)}['\"]?\s*:)([^#\n]*?)(\s+#.*)?", line)
    candidates: list[tuple[int, int, str]] = []
    if found and around.bundle:
        candidates.append((begin + found.end(1), begin + found.end(2), f" {around.bundle}"))
    elif found and setting.column == 1:
        following = _BREAK.match(text.text, end)
        candidates.append((begin, following.end() if following else end, ""))
    if found:
        candidates.append((begin + found.end(1), begin + found.end(2), " true"))
    elif inside := re.search(rf"(['\"]?{re.escape(setting.key)}['\"]?\s*:\s*)([^\s,}}#]+)", line):
        candidates.append((begin + inside.start(2), begin + inside.end(2), "true"))
    return next((e for c in candidates if _holds(text.text, c) and (e := _edit(text, c))), ())


def _edit(text: Fragment, change: tuple[int, int, str]) -> tuple[Edit, ...]:
    start, end, new = change
    if start == end:  # an empty value
        return (Edit(start=text.at(start), end=text.at(start), new=new),)
    return text.edit(start, end, new)


def _holds(text: str, change: tuple[int, int, str]) -> bool:
    start, end, new = change
    again = read("", text[:start] + new + text[end:])
    wanted = (Verdict.ON, Verdict.BUNDLE, Verdict.TRUSTSTORE)
    return again.refused is None and all(judge(s.value).verdict in wanted for s in again.named("ssl_verify"))
