"""Amounts, days and lists as a page says them; and any text made safe to show."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

_UNITS = ("B", "kB", "MB", "GB", "TB")

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Controls, and what turns the direction of a line around: nobody sees them, and they make a text lie."""


def shown(text: str) -> str:
    """The text with each character that is not seen replaced by one that is."""
    return _HIDDEN.sub(_picture, text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\u27e8U+{code:04X}\u27e9"


def size_text(count: float) -> str:
    """Bytes as in `7.1 GB`; 1 GB is 10^9 bytes."""
    for unit in _UNITS:
        if abs(count) < 999.5 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if abs(count) >= 99.95 or unit == "B" else f"{count:.1f} {unit}"


def change_text(count: int) -> str:
    """Bytes more or less, as in `+7.1 GB`; no difference is said in words."""
    sign = "+" if count > 0 else "\u2212"
    return f"{sign}{size_text(abs(count))}" if count else "none"


def day(seconds: int) -> datetime.date:
    """The day (UTC) of a time in seconds since 1970."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date()


def listed(words: Sequence[str], *, most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 4 more`."""
    if len(words) > most:
        words = (*words[: most - 1], f"{len(words) - most + 1} more")
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def counted(count: int, noun: str) -> str:
    """`no checks`, `1 check`, `1,200 checks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else f"no {noun}s"


def short(digest: str) -> str:
    """The first twelve digits, as engines show them."""
    return digest.removeprefix("sha256:")[:12]
