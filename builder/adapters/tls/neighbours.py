"""Other hosts, for comparison: what time they think it is, and who vouches for them. Never a list of our own: the
package index, the apt roots and the conda mirrors that this host's clients and the table of mirrors name.
"""

from __future__ import annotations

import functools
import ipaddress
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from builder.adapters.tls.dial import Dial, resolve
from builder.adapters.tls.probe import plain_reach, reach
from builder.adapters.tls.together import together
from builder.trust.certs import Cert, read, split_pem
from builder.trust.reached import Reached, Target

CONDA_HOSTS: Final = ("https://conda.anaconda.org", "https://mirrors.tuna.tsinghua.edu.cn")
_ASK: Final = 1.5
_FETCH: Final = 1.5
_LONGEST: Final = 200_000


def compare(seconds: float = 1.7) -> tuple[Reached, ...]:
    """The hosts that this host's clients are configured with, as many as answer in that time."""
    from builder.adapters.clients import HostClients  # noqa: PLC0415 - not where nothing is wrong

    clients = HostClients()
    calls: list[Callable[[], tuple[Reached, ...]]] = [
        lambda: ask_all(CONDA_HOSTS, seconds),
        lambda: ask_all([clients.pypi_index()], seconds),
        lambda: ask_all(clients.apt_roots("debian"), seconds),
    ]
    found = [reached for some in together(calls, seconds) for reached in some or ()]
    return tuple({r.target.host: r for r in found}.values())


def ask_all(urls: Sequence[str], seconds: float = _ASK) -> tuple[Reached, ...]:
    """Each asked at once; those that answer in time. http:// ones tell the time alone."""
    found = together(
        [functools.partial(ask, url) for url in urls if "://" not in url or url.startswith("http")], seconds
    )
    return tuple(r for r in found if r and (r.chain or r.drift is not None))


def ask(url: str) -> Reached:
    """One of them. Raises RecipeError for what is no URL."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    secure = parts.scheme != "http"
    target = Target(host=Target.of(url).host, port=parts.port or (443 if secure else 80))
    dial = Dial(target, timeout=_ASK)
    return reach(dial) if secure else plain_reach(dial)


def fetch_issuers(top: Cert) -> tuple[Cert, ...]:
    """The certificates above one, by the URLs in it and in those found, at most three steps up."""
    found: list[Cert] = []
    for _ in range(3):
        more = [c for url in top.issuer_urls[:2] for c in _fetch(url) if c not in found]
        if not more:
            break
        found += more
        top = more[0]
        if top.self_issued:
            break
    return tuple(found)


class _Stay(urllib.request.HTTPRedirectHandler):
    """The URL is a stranger's: where it leads on to is nobody's business."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere."""


def _fetch(url: str) -> tuple[Cert, ...]:
    """Certificates of a plain http URL; they count by their signatures alone. Nothing of a link-local address."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return ()
    if any(ipaddress.ip_address(a.partition("%")[0]).is_link_local for a in resolve(parts.hostname, parts.port or 80)):
        return ()
    with urllib.request.build_opener(_Stay).open(url, timeout=_FETCH) as answer:
        data = answer.read(_LONGEST)
    return tuple(c for der in split_pem(data)[:20] if (c := read(der)))
