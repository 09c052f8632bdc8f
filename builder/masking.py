"""What may not be shown: logins and tokens in addresses. A log and a report are read by many."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"/t/[A-Za-z0-9][A-Za-z0-9-]{7,}(?=/|$|[\s'\"])")
_LOGIN = re.compile(r"(?<![^/\s'\"])([^/@:\s'\"]*):([^/\s'\"]*)@(?=[\w.\[*-])")
_NAME_ALONE = re.compile(r"(?<=://)[^/@:\s'\"]{20,}@")


def masked(text: str) -> str:
    """The text without the passwords and tokens of the addresses in it."""
    text = _LOGIN.sub(r"\1:***@", text)
    return _TOKEN.sub("/t/***", _NAME_ALONE.sub("***@", text))
