"""The host's side of HTTP: its proxies, its logins, and its words for what went wrong."""

from __future__ import annotations

import netrc
import os
import urllib.request
from urllib.parse import unquote, urlsplit, urlunsplit

from urllib3 import exceptions as fault

from builder.errors import HostError
from builder.mirrors.transport import Unavailable


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL; None to go there directly. Raises HostError for SOCKS."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise HostError(
            "this kind of proxy is not known",
            seen=f"{urlsplit(proxy).scheme}: in the proxy settings of the environment",
            remedy="name an HTTP proxy in HTTPS_PROXY and HTTP_PROXY",
        )
    return proxy


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
    for kind, cause, again in _CAUSES:
        if isinstance(error, kind):
            return Unavailable(cause=cause.format(_reason(error)), host=host, contact=False, again=again)
    return Unavailable(cause=f"{type(error).__name__}", host=host, contact=False)


_CAUSES: tuple[tuple[type[Exception], str, bool], ...] = (
    (fault.NameResolutionError, "its name does not resolve", False),
    (fault.ProxyError, "the proxy does not let it through: {}", False),
    (fault.NewConnectionError, "no connection: {}", False),
    (fault.ConnectTimeoutError, "no connection in time", False),
    (fault.SSLError, "its TLS is not trusted: {}", False),
    (fault.ReadTimeoutError, "went silent", True),
    (fault.DecodeError, "sends what cannot be decoded", False),
    (fault.ProtocolError, "broke the connection", True),
    (OSError, "the connection failed: {}", True),
)
"""In this order: each names what its own subclasses below do not. The last column: may it go better soon?"""


def _reason(error: BaseException) -> str:
    """The innermost cause, without the names of hosts."""
    inner = error
    while (deeper := _inside(inner)) is not None:
        inner = deeper
    text = getattr(inner, "verify_message", None) or getattr(inner, "strerror", None)
    if getattr(inner, "verify_message", None) is None and isinstance(inner, OSError) and "Tunnel" in str(inner):
        text = str(inner)
    return str(text or type(inner).__name__)


def _inside(error: BaseException) -> BaseException | None:
    held = (getattr(error, "original_error", None), error.__cause__, *error.args)
    return next((e for e in held if isinstance(e, BaseException)), None)
