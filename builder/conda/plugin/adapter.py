"""The adapter for `requests`: asks the mirrors of a channel in turn."""

from __future__ import annotations

import errno
import functools
import io
import logging
import re
from collections.abc import Callable
from threading import Lock
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import SSLError

from .index import fault

CONNECT, SILENCE = 3.0, 10.0
"""Seconds that a mirror has to connect and to send something, while there is another one to ask."""

REDIRECTS = 5
GONE = (404, 410)
FINE = (200, 206, 304)
NOT_OURS = (407, 416)
"""The proxy wants a password; the file is already whole: conda's own business."""

PACKAGES = (".conda", ".tar.bz2")
NEEDED = ("/repodata.json", *PACKAGES)
"""What is missing only if every mirror says so: of a platform without repodata.json conda makes an empty channel, and
installs something older from the next one. Other indexes are options, of which conda takes what there is."""

NOTICES = "/notices.json"
"""News of a channel: conda goes on without."""

OWN = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EFBIG, errno.ENOENT)
"""What this machine's own disk says, which no mirror mends."""

SHARED = {"user-agent", "accept", "accept-encoding", "connection", "range", "if-match", "if-none-match"}
SHARED |= {"if-range", "if-modified-since", "if-unmodified-since", "cache-control"}
"""The headers that another host gets as well: none that could name the user."""

log = logging.getLogger("builder_failover")


class MirrorError(NoConnection):
    """A mirror answered, and not with the file."""


class Mirrors:
    """Which roots are the same channel, and what this process has seen of them; shared by all threads."""

    def __init__(self, channels: dict[str, list[str]]) -> None:
        for root in (root for roots in channels.values() for root in roots):
            if not root.startswith("https://"):
                raise ValueError(f"a mirror is asked over https alone, not {root}")
        self.peers = {root: roots for roots in channels.values() if len(roots) > 1 for root in roots}
        self._failed: dict[str, None] = {}  # in order of failure
        self._bad: set[tuple[str, str]] = set()
        self._gave: dict[str, str] = {}
        self._gave_up = False
        self._lock = Lock()

    def candidates(self, root: str, url: str) -> list[str]:
        """Who to ask for a file: the root that was asked for, then its peers; those that failed before last."""
        order = [root, *(peer for peer in self.peers[root] if peer != root)]
        order = [r for r in order if (r, url) not in self._bad] or order
        failed = list(self._failed)
        return sorted(order, key=lambda r: failed.index(r) + 1 if r in failed else 0)

    def failed(self, root: str, why: str, *, last: bool = False) -> None:
        """To be asked last from now on; said once."""
        with self._lock:
            known = root in self._failed
            self._failed[root] = None
        if not known:
            log.warning("%s failed (%s)%s", root, why, "" if last else ": asking the next mirror")

    def gave_up(self, why: str) -> None:
        """None of them is left; said once. conda shows little of an error that it is given."""
        with self._lock:
            known, self._gave_up = self._gave_up, True
        if not known:
            log.error("%s", why)

    def has_failed(self, root: str) -> bool:
        """Whether it is among those that are asked last."""
        return root in self._failed

    def gave(self, url: str, root: str) -> None:
        """A mirror has begun to send a package."""
        self._gave[url] = root

    def blame(self, url: str, why: str) -> bool:
        """The package that was sent last was bad: whether another mirror can be asked for it."""
        root = self._gave.pop(url, None)
        if root is None:
            return False
        self.failed(root, why)
        self._bad.add((root, url))
        return any((peer, url) not in self._bad for peer in self.peers[root])


class FailoverAdapter(BaseAdapter):
    """Asks the mirrors of one root in turn, each by conda's own adapter."""

    def __init__(self, root: str, session: Session, mirrors: Mirrors) -> None:
        super().__init__()
        self.root, self.session, self.mirrors = root, session, mirrors
        self.patient = session.get_adapter(root)
        self.brisk = _without_retries(self.patient)

    def close(self) -> None:
        """conda's own adapter is closed by its session."""

    def send(self, request: PreparedRequest, **given: Any) -> Response:  # type: ignore[override]
        """The first good answer; a 404 when nobody has the file; else a ConnectionError that lists every mirror.

        given: what requests passes to every adapter: stream, timeout, verify, cert, proxies.
        """
        if request.method not in ("GET", "HEAD"):
            return self.patient.send(request, **given)
        asked = str(request.url)
        path = asked[len(self.root) :]
        needed = path.endswith(NEEDED)
        missing, refused, seen = None, None, dict[str, Exception]()
        candidates = self.mirrors.candidates(self.root, asked)
        for root in candidates:
            if missing is not None and not needed and self.mirrors.has_failed(root):
                continue
            try:
                last = root == candidates[-1] and missing is None
                response = self._asked(request, root + path, given, patient=last)
            except (OSError, ValueError) as error:  # every RequestException is an OSError
                seen[root], refused = error, _refusal(error, refused)
                self.mirrors.failed(root, _short(error), last=root == candidates[-1])
                continue
            if response.status_code not in GONE:
                self.mirrors.gave(asked, root)
                return response
            missing = response
        if missing is not None and not (needed and seen):
            return missing
        if refused is not None and not needed:  # conda then asks for the plain index, as it would alone
            return refused
        raise self._nobody(request, path, candidates, seen)

    def _nobody(
        self, request: PreparedRequest, path: str, asked: list[str], seen: dict[str, Exception]
    ) -> NoConnection:
        """No mirror gave the file, and why each did not. A matter of TLS where all of them failed by it: conda tells
        that by another error, which is no invitation to try again."""
        said = "; ".join(f"{root}: {_short(seen[root]) if root in seen else 'HTTP 404'}" for root in asked)
        text = f"no mirror gave {path}: {said}"
        if path != NOTICES:
            self.mirrors.gave_up(text)
        by_tls = all(isinstance(seen.get(root), SSLError) for root in asked)
        return (SSLError if by_tls else NoConnection)(text, request=request)

    def _asked(self, request: PreparedRequest, url: str, given: dict[str, Any], *, patient: bool) -> Response:
        """One mirror's answer, its redirects followed; raises OSError or ValueError when it is of no use."""
        ask = self.patient if patient else self.brisk
        for _ in range(REDIRECTS):
            response = ask.send(_moved(request, url), **self._settings(request, url, given, patient=patient))
            target = response.headers.get("Location") if response.is_redirect else None
            if target is None:
                return _checked(response, request.method)
            response.close()
            url = urljoin(url, target)
            if not url.startswith("https://"):
                raise MirrorError(f"redirects to {urlsplit(url).scheme}, which is not asked")
        raise MirrorError("redirects without end")

    def _settings(self, request: PreparedRequest, url: str, given: dict[str, Any], *, patient: bool) -> dict[str, Any]:
        """What conda asked with; the proxy is chosen again for another host, the time is short while others wait."""
        settings = {**given, "stream": True}
        if urlsplit(url).netloc != urlsplit(request.url).netloc:
            settings["proxies"] = self.session.merge_environment_settings(url, {}, None, None, None)["proxies"]
        if not patient:
            connect, read = given["timeout"] if isinstance(given["timeout"], tuple) else (given["timeout"],) * 2
            settings["timeout"] = (min(connect or CONNECT, CONNECT), min(read or SILENCE, SILENCE))
        return settings


def _without_retries(adapter: BaseAdapter) -> BaseAdapter:
    """The same adapter (its connections, its TLS settings), which does not wait to try again."""
    same = object.__new__(type(adapter))
    same.__dict__.update(adapter.__dict__, max_retries=HTTPAdapter().max_retries)
    return same


def _moved(request: PreparedRequest, url: str) -> PreparedRequest:
    """The request for another address; what may name the user stays with the host that it was meant for."""
    moved = request.copy()
    moved.url = url
    if urlsplit(url).netloc != urlsplit(request.url).netloc:
        for name in [name for name in moved.headers if name.lower() not in SHARED]:
            del moved.headers[name]
    return moved


def _refusal(error: Exception, earlier: Response | None) -> Response | None:
    """The last word of a mirror that it does not give this file (403 and the like), not that it is in trouble."""
    said = error.response if isinstance(error, MirrorError) else None
    return said if said is not None and 400 <= said.status_code < 429 else earlier


def _checked(response: Response, method: str | None) -> Response:
    """The answer, if it can be the file or says that there is none."""
    status = response.status_code
    if status in NOT_OURS or status in GONE:
        return response
    try:
        if status not in FINE:
            raise MirrorError(f"HTTP {status}", response=response)
        if status != 304 and "html" in response.headers.get("Content-Type", "").lower():
            raise MirrorError("a page of HTML")
        path = urlsplit(response.url).path
        if method == "GET" and status != 304 and not path.endswith(PACKAGES):
            _read(response, path)
    except BaseException:
        response.close()
        raise
    return response


def _read(response: Response, path: str) -> None:
    """Reads an index whole, as conda does: no hash is known of it, so that it has to arrive in one piece."""
    body = response.content
    length = response.headers.get("Content-Length")
    if length and str(response.raw.tell()) != length:
        raise MirrorError(f"{response.raw.tell()} of {length} bytes")
    if response.status_code == 200 and (why := fault(body, path)):
        raise MirrorError(why)
    response.raw = io.BytesIO(body)  # conda 26 reads .zst from here


def _short(error: BaseException) -> str:
    """An error's reason in one line, without the layers around it and urllib3's name of the connection."""
    while getattr(error, "args", None) and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _short(reason)
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"^\S*HTTPSConnection.*?[)>]: ", "", first)


def mount(session: Session, mirrors: Mirrors) -> None:
    """Puts a session's requests to the mirrors' addresses, and no others, through the adapter."""
    if isinstance(session.get_adapter("https://"), HTTPAdapter):  # offline conda has another, which refuses
        adapters = [FailoverAdapter(root, session, mirrors) for root in mirrors.peers]
        for adapter in adapters:
            session.mount(adapter.root + "/", adapter)


def _is_own(error: BaseException) -> bool:
    """Whether it is about this machine's disk."""
    return any(getattr(one, "errno", None) in OWN for one in (error, error.__cause__, error.__context__))


def fetched_again(
    download: Callable[..., None], mirrors: Mirrors, errors: tuple[type[BaseException], ...]
) -> Callable[..., None]:
    """conda's download of one package, tried again while another mirror has not been found wanting."""

    @functools.wraps(download)
    def download_inner(url: str, *rest: Any, **named: Any) -> None:
        while True:
            try:
                return download(url, *rest, **named)
            except errors as error:
                if _is_own(error) or not mirrors.blame(url, _short(error)):
                    raise

    return download_inner
