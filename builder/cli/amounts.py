"""Bytes, items, rates and times as people read them: decimal, 1 GB is 10^9 bytes."""

from __future__ import annotations

from builder.progress import Unit

_SIZES = ("B", "kB", "MB", "GB", "TB")


def size_text(count: float) -> str:
    """Bytes as in `7.1 GB`."""
    for unit in _SIZES:
        if abs(count) < 999.5 or unit == _SIZES[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if abs(count) >= 99.95 or unit == "B" else f"{count:.1f} {unit}"


def amount_text(count: float, unit: Unit) -> str:
    """So many bytes or items."""
    return size_text(count) if unit == "bytes" else f"{count:.0f}"


def counted(count: int, word: str) -> str:
    """As in `1 file`, `2 files`."""
    return f"{count} {word}{'s' * (count != 1)}"


def rate_text(per_second: float, unit: Unit) -> str:
    """Bytes or items in a second."""
    return f"{size_text(per_second)}/s" if unit == "bytes" else f"{per_second:.1f}/s"


def time_text(seconds: float) -> str:
    """Seconds as in `3.2 s`, `1 min 05 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def summary(count: int, unit: Unit, seconds: float) -> str:
    """What a finished task did: `7.1 GB in 12 s (592 MB/s)`; only the time when nothing was counted."""
    if not count:
        return time_text(seconds)
    noun = "" if unit == "bytes" else " items" if count != 1 else " item"
    rate = f" ({rate_text(count / seconds, unit)})" if unit == "bytes" and seconds >= 0.1 else ""
    return f"{amount_text(count, unit)}{noun} in {time_text(seconds)}{rate}"
