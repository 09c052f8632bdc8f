"""Texts without their passwords and tokens: reports and logs are read by many."""

from __future__ import annotations

import re
from typing import Final

TOKEN: Final = re.compile(r"(gh[pousr]_|github_pat_|glpat-|npm_)[A-Za-z0-9_-]{8,}")
"""What GitHub, GitLab and npm give out, by its beginning."""

_USERINFO = re.compile(r"(?<=://)([^/?#\s'\"]*)@")
_BARE = re.compile(r"\A([^/@:\s]*:[^/\s]*)@")
"""Where a person wrote no scheme."""
_CHANNEL = re.compile(r"/t/([A-Za-z0-9][A-Za-z0-9-]{7,})(?=/|$)")
_NPM = re.compile(r"(:_?(?:authToken|auth|password)\s*=\s*)[^\s$]+", re.IGNORECASE)
_LONG: Final = 20  # characters: no person's name, so a token that stands for one


def masked(text: str) -> str:
    """The text with `***` for what nobody is to read."""
    for pattern, new in ((_CHANNEL, "/t/***"), (_NPM, r"\1***"), (TOKEN, r"\1***")):
        text = pattern.sub(new, text)
    return re.sub(_BARE if "://" not in text else _USERINFO, lambda found: f"{_login(found[1])}@", text)


def _login(userinfo: str) -> str:
    """All up to the last `@` is no host: a password may contain one."""
    user, colon, _ = userinfo.partition(":")
    shown = "***" if len(user) >= _LONG else user
    return f"{shown}:***" if colon else shown
