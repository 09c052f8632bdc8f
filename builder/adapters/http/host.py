"""The host's side of HTTP: its proxies, its logins, and its words for what went wrong."""

from __future__ import annotations

import contextlib
import netrc
import os
import re
import ssl
import urllib.request
from urllib.parse import unquote, urlsplit, urlunsplit

from urllib3 import exceptions as fault

from builder.adapters.http.tls import HandshakeCutError, HandshakeError
from builder.errors import HostError
from builder.mirrors.transport import Unavailable


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL; None to go there directly. Raises HostError: see `usable`."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return usable(proxy, "the proxy settings of the environment")


def environment_names(url: str) -> bool:
    """Whether the environment has a proxy for the URL's own scheme, and not for all alone."""
    parts = urlsplit(url)
    bypassed = urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2])
    return bool(urllib.request.getproxies().get(parts.scheme)) and not bypassed


def usable(proxy: str, where: str) -> str:
    """The proxy with its scheme. Raises HostError for SOCKS and what is no URL."""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    with contextlib.suppress(ValueError):
        parts = urlsplit(proxy)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return proxy
    shown = f"{proxy.partition('://')[0]}://{proxy.rpartition('@')[2].rpartition('://')[2]}"
    raise HostError(
        "a SOCKS proxy cannot be used" if proxy.startswith("socks") else "this proxy cannot be used",
        where=where,
        seen=shown,
        remedy="name an HTTP proxy in HTTPS_PROXY, which goes before ALL_PROXY, or the host in NO_PROXY if it can be "
        "reached directly",
    )


def split_login(url: str) -> tuple[str, str | None]:
    """The URL without its `user:password@`, and that, decoded."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)), unquote(login) if at else None


def netrc_login(url: str) -> str | None:
    """`user:password` of the URL's host in the user's netrc file, as pip, uv and curl read it."""
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return f"{found[0]}:{found[2]}" if found else None


def unavailable(error: Exception, host: str | None) -> Unavailable:
    """What urllib3 says, in words of ours: its own name hosts, proxies and addresses."""
    inner = _innermost(error)
    for kind, cause, again in _CAUSES:
        if isinstance(error, kind):
            said = cause.format(reason=_reason(inner), waited=_waited(error))
            soon = again or isinstance(inner, HandshakeCutError)
            return Unavailable(cause=said, host=host, contact=False, again=soon)
    return Unavailable(cause=f"{type(error).__name__}", host=host, contact=False)


_CAUSES: tuple[tuple[type[Exception], str, bool], ...] = (
    (fault.NameResolutionError, "its name does not resolve", False),
    (fault.ProxyError, "the proxy does not let it through: {reason}", False),
    (fault.NewConnectionError, "no connection: {reason}", False),
    (fault.ConnectTimeoutError, "no connection{waited}", False),
    (fault.SSLError, "{reason}", False),
    (fault.ReadTimeoutError, "no answer{waited}", True),
    (fault.DecodeError, "sends what cannot be decoded", False),
    (fault.ProtocolError, "broke the connection", True),
    (OSError, "the connection failed: {reason}", True),
)
"""In this order: each names what its own subclasses below do not. The last column: may it go better soon?"""


def _waited(error: Exception) -> str:
    """How long urllib3 waited, which only its text tells, and for a body not even that."""
    found = re.search(r"timeout=(\d+(?:\.\d+)?)", str(error))
    return f" within {float(found[1]):g} s" if found else " any more"


def _innermost(error: BaseException) -> BaseException:
    while (deeper := _inside(error)) is not None:
        error = deeper
    return error


def _reason(inner: BaseException) -> str:
    """What the innermost cause says, without the names of hosts."""
    if isinstance(inner, OSError) and "Tunnel" in str(inner):
        return str(inner)
    text = str(getattr(inner, "strerror", None) or type(inner).__name__)
    return f"TLS failed: {text}" if isinstance(inner, ssl.SSLError) and not isinstance(inner, HandshakeError) else text


def _inside(error: BaseException) -> BaseException | None:
    held = (getattr(error, "original_error", None), error.__cause__, *error.args)
    return next((e for e in held if isinstance(e, BaseException)), None)
