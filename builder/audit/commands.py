"""Commands that skip verification: which program, which words. One entry a program."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from builder.audit import urls
from builder.audit.conda_value import Verdict, judge
from builder.audit.finding import Edit, Hit
from builder.audit.options import option_hits
from builder.audit.packagers import apt, dnf
from builder.audit.shell import Word
from builder.audit.text import Fragment
from builder.audit.variables import is_false, variable_hits
from builder.audit.words import Words, flags, hit, program, unwrapped, valued, without

_CURL_WITH_VALUE: Final = frozenset("AbcCdDeEFhHKmoPQrtTuUwxXyYz")
_CONDA: Final = ("conda", "mamba", "micromamba")
_PIP_INDEX: Final = ("-i", "--index-url", "--extra-index-url", "--index", "--default-index", "-f", "--find-links")


_RUNNING: Final = ("poetry", "pdm", "pipenv", "hatch", "rye", "pixi", "uv")
"""`poetry run COMMAND`."""

_ENGINES: Final = ("docker", "podman", "nerdctl", "kubectl")

_RUNNERS: Final = (
    *("find", "ssh", "retry", *_ENGINES),
    *("chroot", "gosu", "watch", "parallel", "flock", "srun"),
)


def command_hits(script: Fragment, words: Words) -> Iterator[Hit]:
    """What the command breaks, whatever stands before it (`sudo`, `env X=1`, `timeout 5`)."""
    words = unwrapped(words)
    if not words:
        return
    name = program(words)
    if name in _RUNNERS:  # the command that they run stands somewhere behind
        starts = (
            i for i in range(1, len(words)) if program(words[i:]) in PROGRAMS and _may_start(name, words[i - 1].text)
        )
        yield from command_hits(script, words[next(starts, len(words)) :])
    if name in _RUNNING and "run" in [w.text for w in words[1:3]]:
        inner = next((i for i in range(2, len(words)) if program(words[i:]) in (*PROGRAMS, "python")), len(words))
        yield from command_hits(script, words[inner:])
    if name == "python" and [w.text for w in words[1:3]] == ["-m", "pip"]:
        name, words = "pip", words[2:]
    if reader := PROGRAMS.get(name):
        yield from reader(script, words)


def _may_start(runner: str, before: str) -> bool:
    """Whether a command may begin behind that word: `docker run x pytest -k curl` names a test, and runs none."""
    if runner == "find":
        return before in ("-exec", "-execdir", "-ok", "-okdir")
    return runner not in _ENGINES or not before.startswith("-") or before == "--"


def _curl(script: Fragment, words: Words) -> Iterator[Hit]:
    if urls.all_loopback(w.text for w in words[1:]):
        return
    skip = False
    for word in words[1:]:
        if skip:
            skip = False
            continue
        # curl takes any beginning that is no other option's [7.88, measured]
        if word.text == "--proxy-insecure" or ("--insecure".startswith(word.text) and len(word.text) > 4):
            yield hit(script, "CURL001", (word,), without(script, (word,)), "a flag beats .curlrc and variables")
        elif re.fullmatch(r"-[A-Za-z0-9:#].*", word.text):
            index, skip = _cluster(word.text)
            if index:
                yield hit(script, "CURL001", (word,), _cut(script, word, index), "a flag beats .curlrc and variables")


def _cluster(text: str) -> tuple[int, bool]:
    """Where `k` stands among short options (0: nowhere), and whether the next word is the last one's value."""
    for i, letter in enumerate(text[1:], start=1):
        if letter == "k":
            return i, text[-1] in _CURL_WITH_VALUE
        if letter in _CURL_WITH_VALUE:
            return 0, i == len(text) - 1
    return 0, False


def _cut(script: Fragment, word: Word, index: int) -> tuple[Edit, ...]:
    if word.text == "-k":
        return without(script, (word,))
    at = word.fragment.text.find("k", index)
    return script.edit(word.start + at, word.start + at + 1) if word.fragment.text == word.text else ()


_CHECK_OFF = re.compile(r"check_?certificate\s*=\s*(off|0|no)", re.IGNORECASE)


def _wget(script: Fragment, words: Words) -> Iterator[Hit]:
    if urls.all_loopback(w.text for w in words[1:]):
        return
    for i, word in enumerate(words):
        # getopt takes any beginning that is no other option's [1.21, measured]
        if word.text.startswith("--no-ch") and "--no-check-certificate".startswith(word.text.partition("=")[0]):
            yield hit(script, "WGET001", (word,), without(script, (word,)))
        elif word.text in ("-e", "--execute") and _CHECK_OFF.fullmatch(" ".join(w.text for w in words[i + 1 : i + 2])):
            yield hit(script, "WGET001", words[i : i + 2], without(script, words[i : i + 2]))


def _conda(script: Fragment, words: Words) -> Iterator[Hit]:
    name, texts = program(words), [w.text for w in words]
    if len(texts) > 2 and texts[1] == "run":  # what follows is another command
        yield from command_hits(script, _inner(words))
        return
    if "config" in texts[1:3]:
        yield from _conda_config(script, words)
    elif name != "micromamba":
        for word in words[1:]:
            if word.text == "--insecure" or (found := re.fullmatch(r"-[CSdfmoqvy]*(k)[CSdfmoqvy]*", word.text)):
                at = found.start(1) if word.text != "--insecure" and found else 0
                yield hit(script, "CONDA006", (word,), _cut(script, word, at) if at else without(script, (word,)))
    if name != "conda":
        # no fix: without it the command would go online
        yield from (hit(script, "MAMBA001", (w,)) for w in words[1:] if w.text == "--offline")
        for option, value in valued(words, ("--ssl-verify",)):
            if value.text.strip("<>").lower() in ("false", "0", "no"):
                yield hit(script, "CONDA006", option, without(script, option))
    for _, value in valued(words, ("-c", "--channel")):
        yield from channel_hits(value)


def _inner(words: Words) -> Words:
    rest = list(words[2:])
    while rest and rest[0].text.startswith("-"):
        del rest[: 2 if rest[0].text in ("-n", "-p", "--name", "--prefix", "--cwd") else 1]
    return rest


def _conda_config(script: Fragment, words: Words) -> Iterator[Hit]:
    for i, word in enumerate(words):
        key, value = (words[i + 1], words[i + 2]) if i + 2 < len(words) else (None, None)
        if key is None or value is None:
            continue
        if word.text in ("--set", "set") and key.text in ("ssl_verify", "verify_ssl"):
            verdict = judge(value.text, variables=None).verdict
            if verdict is Verdict.OFF or value.text.lower() == "<false>":
                edits = script.edit(value.start, value.end, "true")
                yield hit(script, "CONDA001", words[i : i + 3], edits, "written into the .condarc that conda reads")
            elif verdict is Verdict.ERROR:
                yield hit(script, "CONDA002", words[i : i + 3])
        elif word.text in ("--add", "--append", "--prepend", "--set"):
            yield from channel_hits(value.fragment) if "channel" in key.text else ()


def channel_hits(channel: Fragment) -> Iterator[Hit]:
    """What is wrong with a channel's name or address."""
    yield from urls.plain(channel, "CONDA010")
    if urls.is_free(channel.text):
        yield Hit(rule="CONDA011", at=channel.at(0), seen=channel.text)
    if channel.text.strip() == "defaults" or re.search(r"/pkgs/(main|r|msys2)/?$", channel.text):
        yield Hit(rule="CONDA012", at=channel.at(0), seen=channel.text)


def _pipx(script: Fragment, words: Words) -> Iterator[Hit]:  # noqa: ARG001 - as every reader
    for _, value in valued(words, ("--pip-args",)):
        yield from option_hits("pip_args", value.text.strip("'\""), value, "")


def _pip(script: Fragment, words: Words) -> Iterator[Hit]:
    for option, value in valued(words, ("--trusted-host",)):
        yield hit(script, "PIP001", option, without(script, option), "a flag beats pip.conf and PIP_TRUSTED_HOST")
        _ = value
    for _, value in valued(words, _PIP_INDEX):
        yield from urls.plain(value, "PIP002")
    texts = [w.text for w in words]
    if texts[1:3] == ["config", "set"] or texts[1:2] == ["config"]:
        for i, text in enumerate(texts[:-1]):
            if re.fullmatch(r"[\w-]+\.trusted[-_]host", text):
                yield hit(script, "PIP001", words[i : i + 2])
            elif re.fullmatch(r"[\w-]+\.(extra[-_])?index[-_]url", text):
                yield from urls.plain(words[i + 1].fragment, "PIP002")


def _uv(script: Fragment, words: Words) -> Iterator[Hit]:
    for option, _ in valued(words, ("--allow-insecure-host", "--trusted-host")):
        yield hit(script, "UV001", option, without(script, option))
    for _, value in valued(words, _PIP_INDEX):
        yield from urls.plain(value, "PIP002")


_SSL_VERIFY = re.compile(r"http\.(\S+\.)?sslverify", re.IGNORECASE)


def _git(script: Fragment, words: Words) -> Iterator[Hit]:
    if any(re.match(r"--(get|unset)", w.text) for w in words):
        return
    for i, word in enumerate(words[:-1]):
        after = words[i + 1]
        key, _, value = after.text.partition("=")
        if word.text in ("-c", "--config") and _SSL_VERIFY.fullmatch(key) and is_false(value):
            edits = without(script, words[i : i + 2])
            yield hit(script, "GIT001", words[i : i + 2], edits, "-c beats every gitconfig")
        elif _SSL_VERIFY.fullmatch(word.text) and is_false(after.text) and "config" in [w.text for w in words[:i]]:
            edits = script.edit(after.start, after.end, "true")
            yield hit(script, "GIT001", words[i : i + 2], edits)


_STRICT = re.compile(r"(?:--)?(strict-ssl|enableStrictSsl)(?:=(\S*))?", re.IGNORECASE)


def _npm(script: Fragment, words: Words) -> Iterator[Hit]:
    for i, word in enumerate(words[1:], start=1):
        found = _STRICT.fullmatch(word.text)
        after = words[i + 1] if i + 1 < len(words) else None
        if word.text == "--no-strict-ssl":
            yield hit(script, "NPM001", (word,), without(script, (word,)))
        elif found and found[2] is not None and is_false(found[2]):
            yield hit(script, "NPM001", (word,), without(script, (word,)) if word.text.startswith("--") else ())
        elif found and found[2] is None and after and is_false(after.text):
            yield hit(script, "NPM001", (word, after), script.edit(after.start, after.end, "true"))
        elif word.text in ("registry", "--registry") and after:
            yield from urls.plain(after.fragment, "NPM002")
        elif word.text.startswith(("--registry=", "registry=")):
            yield from urls.plain(word.fragment, "NPM002")


def _containers(script: Fragment, words: Words) -> Iterator[Hit]:
    for word in words[1:]:
        if re.fullmatch(r"--(src-|dest-)?tls-verify=(false|0)|--insecure(-registry(=.*)?)?", word.text):
            yield hit(script, "DOCKER001", (word,))
    for option, value in valued(words, ("-e", "--env", "--build-arg")):
        name, _, text = value.text.partition("=")
        for found in variable_hits(name, text, value):
            yield Hit(rule=found.rule, at=found.at, seen=" ".join(w.text for w in option), wins=found.wins)


def _maven(script: Fragment, words: Words) -> Iterator[Hit]:
    for word in words[1:]:
        if re.fullmatch(r"-Dmaven\.wagon\.http\.ssl\.(insecure|allowall)=true", word.text):
            yield hit(script, "MAVEN001", (word,), without(script, (word,)))


def _go(script: Fragment, words: Words) -> Iterator[Hit]:
    yield from flags(script, words, "GO001", ("-insecure",))
    yield from _set(script, words)


def _set(script: Fragment, words: Words) -> Iterator[Hit]:
    """`go env -w GOINSECURE=...`, `setenv`, `ENV`-like words."""
    for word in words[1:]:
        name, equals, value = word.text.partition("=")
        if equals:
            yield from variable_hits(name, value, script.part(word.start, word.end))


_UNVERIFIED: Final = {
    "aws": re.compile(r"--no-verify-ssl"),
    "az": re.compile(r"--disable-connection-verification"),
    "aria2c": re.compile(r"--check-certificate=false"),
    "gcloud": re.compile(r"--no-verify-ssl"),
    **dict.fromkeys(("helm", "kubectl", "oc"), re.compile(r"--insecure-skip-tls-verify(=true)?")),
    **dict.fromkeys(("http", "https"), re.compile(r"--verify=(no|false)")),
    "ansible-galaxy": re.compile(r"--ignore-certs|-c"),
}
"""Clients of one such flag."""


def _unverified(script: Fragment, words: Words) -> Iterator[Hit]:
    pattern = _UNVERIFIED[program(words)]
    for word in words[1:]:
        if pattern.fullmatch(word.text):
            yield hit(script, "TLS001", (word,), without(script, (word,)))


_Reader = Callable[[Fragment, Words], Iterator[Hit]]

PROGRAMS: Final[dict[str, _Reader]] = {
    "curl": _curl,
    "wget": _wget,
    **dict.fromkeys(_CONDA, _conda),
    "pip": _pip,
    "uv": _uv,
    "uvx": _uv,
    "git": _git,
    **dict.fromkeys(("npm", "yarn", "pnpm", "npx"), _npm),
    **dict.fromkeys(("apt", "apt-get", "aptitude"), apt),
    **dict.fromkeys(("dnf", "yum", "microdnf", "tdnf"), dnf),
    **dict.fromkeys(("docker", "podman", "skopeo", "buildah", "dockerd", "nerdctl"), _containers),
    **dict.fromkeys(("mvn", "mvnw", "mvnd"), _maven),
    "go": _go,
    "pipx": _pipx,
    **dict.fromkeys(_UNVERIFIED, _unverified),
}
