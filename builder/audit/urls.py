"""Addresses: plain http, dead mirrors, `pkgs/free`, credentials. Known hosts are data here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import SplitResult, urlsplit

from builder.audit.finding import Hit
from builder.audit.text import Fragment
from builder.masking import TOKEN

HTTPS_HOSTS: Final = (
    "mirrors.tuna.tsinghua.edu.cn",
    "pypi.tuna.tsinghua.edu.cn",
    "mirrors.ustc.edu.cn",
    "mirror.sjtu.edu.cn",
    "mirrors.sjtug.sjtu.edu.cn",
    "mirror.nju.edu.cn",
    "mirrors.bfsu.edu.cn",
    "mirrors.aliyun.com",
    "repo.huaweicloud.com",
    "mirrors.cloud.tencent.com",
    "repo.anaconda.com",
    "conda.anaconda.org",
    "prefix.dev",
)
"""Hosts known to answer over https: here `http://` becomes `https://` without a question."""

DEAD_HOSTS: Final = {
    "repo.continuum.io": "repo.anaconda.com",
    "conda.binstar.org": "conda.anaconda.org",
    "pypi.douban.com": "pypi.tuna.tsinghua.edu.cn",
    "pypi.hustunique.com": "pypi.tuna.tsinghua.edu.cn",
    "pypi.sdutlinux.org": "pypi.tuna.tsinghua.edu.cn",
    "pypi.mirrors.ustc.edu.cn": "mirrors.ustc.edu.cn/pypi",
    "registry.npm.taobao.org": "registry.npmmirror.com",
    "npm.taobao.org": "npmmirror.com",
    "dl.bintray.com": "its project's own page",
    "jcenter.bintray.com": "Maven Central",
}
"""Names that went out of service, and what took their place. Recalled, not measured: no such host can be asked here."""

_URL = re.compile(r"(?:sparse\+|git\+)?(?:https?|ftp)://[^\s'\"<>|;,\]\[(){}\\`]+", re.IGNORECASE)
_HOST = re.compile(r"(?:https?://(?:[^/@\s]*@)?(\[[^\]]*\]|[^/:?#\s]+))", re.IGNORECASE)
_TOKEN = re.compile(r"/t/([A-Za-z0-9][A-Za-z0-9-]{7,})(?=/|$)")
_FREE = re.compile(r"(?:^|/)pkgs/free/?$", re.IGNORECASE)


def split(url: str) -> SplitResult | None:
    """The parts of an address; None when it is none."""
    try:
        parts = urlsplit(re.sub(r"^(sparse|git)\+", "", url.strip(), flags=re.IGNORECASE))
        _ = parts.hostname, parts.port
    except ValueError:
        return None
    return parts if parts.scheme and parts.hostname else None


def is_plain(url: str) -> bool:
    """True for http:// to another machine; loopback is no network."""
    parts = split(url)
    return parts is not None and parts.scheme.lower() == "http" and not _is_loopback(parts.hostname or "")


def all_loopback(words: Iterable[str]) -> bool:
    """True where the addresses among the words are all of this very machine, and there is one."""
    hosts = [found[1] for word in words if (found := _HOST.match(word))]
    return bool(hosts) and all(_is_loopback(host.strip("[]")) for host in hosts)


def is_free(channel: str) -> bool:
    """True for the channel `pkgs/free`, under whatever host."""
    return bool(_FREE.search(channel.strip().split("?")[0])) or channel.strip() == "free"


def plain(text: Fragment, rule: str, wins: str = "") -> Iterator[Hit]:
    """Each plain-http address in the text, as that rule's finding; known hosts with the fix."""
    for found in _URL.finditer(text.text):
        if is_plain(found[0]):
            begin = found.start() + found[0].lower().index("http")
            known = (split(found[0]) or urlsplit("")).hostname in HTTPS_HOSTS
            edits = text.edit(begin, begin + 4, "https") if known else ()
            yield Hit(rule=rule, at=text.at(found.start()), seen=found[0], wins=wins, edits=edits)


def may_matter(text: str) -> bool:
    """False for a text in which `common` finds nothing: three searches for words instead of one of each line."""
    return "/t/" in text or ("://" in text and "@" in text) or any(host in text for host in DEAD_HOSTS)


def common(text: Fragment) -> Iterator[Hit]:
    """What is wrong with an address wherever it stands: credentials in it, or a mirror that is no more."""
    for found in _URL.finditer(text.text):
        if _has_secret(found[0]):
            yield Hit(rule="URL001", at=text.at(found.start()), seen=found[0])
        host = (split(found[0]) or urlsplit("")).hostname or ""
        if instead := DEAD_HOSTS.get(host):
            yield Hit(rule="URL002", at=text.at(found.start()), seen=found[0], wins=f"in its place: {instead}")


def _has_secret(url: str) -> bool:
    parts = split(url)
    if parts is None:
        return False
    password = parts.password or ""
    literal = bool(password) and not re.search(r"[$%{<*]", password) and password.strip("*xX") != ""
    return (
        literal
        or TOKEN.match(parts.username or "") is not None
        or bool(_TOKEN.search(parts.path) and "*" not in parts.path)
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
