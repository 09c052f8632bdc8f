"""Reads a page of a package index: JSON (PEP 691) or HTML (PEP 503)."""

from __future__ import annotations

import json
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from builder.mirrors.transport import Page, Unavailable

_NO_INDEX = "its index page is none: neither JSON (PEP 691) nor HTML with links (PEP 503)"


def project_of(filename: str) -> str:
    """The normalised name of the project that a wheel or an sdist belongs to."""
    try:
        return parse_wheel_filename(filename)[0]
    except InvalidWheelFilename:
        pass
    try:
        return parse_sdist_filename(filename)[0]
    except InvalidSdistFilename:
        return canonicalize_name(filename.partition("-")[0])


def files_of(page: Page) -> dict[str, str]:
    """The address of each file of a page, by file name. Raises Unavailable for what is no such page."""
    found = _from_json(page.text) if page.media_type.endswith("json") else _from_html(page)
    try:
        return {name: _joined(page.url, link) for name, link in found.items()}
    except ValueError:  # as of `https://[x/`
        raise Unavailable(cause="its index has a link that is no address") from None


def uploads_of(page: Page) -> dict[str, float]:
    """When each file of a JSON page was uploaded, seconds since 1970 (PEP 700); nothing where the page does not say."""
    try:
        listed = json.loads(page.text)["files"] if page.media_type.endswith("json") else []
        return {str(f["filename"]): _seconds(f["upload-time"]) for f in listed if f.get("upload-time")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _seconds(text: str) -> float:
    """ISO 8601, as an index writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _from_json(text: str) -> dict[str, str]:
    try:
        return {str(f["filename"]): str(f["url"]) for f in json.loads(text)["files"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unavailable(cause=_NO_INDEX) from None


def _from_html(page: Page) -> dict[str, str]:
    links = _Links()
    links.feed(page.text)
    if not links.found:
        raise Unavailable(cause=_NO_INDEX)
    return {unquote(link.partition("#")[0].partition("?")[0].rsplit("/", 1)[-1]): link for link in links.found}


def _joined(base: str, link: str) -> str:
    """The link made absolute, without its fragment, with the page's credentials when it is on the same host."""
    ours, theirs = urlsplit(base), urlsplit(urljoin(base, link))
    same = (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
    return urlunsplit(theirs._replace(fragment="", netloc=ours.netloc if same else theirs.netloc))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the target of every link."""
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.found.append(target)
