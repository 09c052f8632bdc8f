"""This machine's clock: what keeps it, how far it is from other hosts', and whether the kernel calls it right."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from builder.adapters.tls.neighbours import ask_all, compare
from builder.trust.diagnosis import middle

TOLERANCE: Final = 120.0
"""Seconds; an HTTP date is cut to whole ones, and a cache may hold an answer for a while."""
_UNSYNCHRONISED: Final = 0x0040
_ERROR: Final = 5
_NTP: Final = (
    ("chronyc", ("-n", "tracking"), r"Leap status\s*: Normal"),
    ("timedatectl", ("show", "--property=NTPSynchronized", "--value"), r"^yes"),
    ("ntpq", ("-c", "rv 0 leap"), r"leap=0[01 ]|leap_none"),
)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one host's Date says of our clock."""

    host: str
    ahead: float
    """Seconds that ours is ahead."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What one of the tools for NTP said."""

    tool: str
    synchronised: bool | None
    """None when it could not say."""
    said: str


@dataclass(frozen=True, kw_only=True)
class ClockCheckup:
    """Everything about the clock."""

    now: datetime
    told: tuple[Told, ...]
    drift: float | None
    """The median of what was told; None when nobody answered."""
    spread: float
    """Between the dates themselves: a large one means that some other host's clock is wrong."""
    services: tuple[Service, ...]
    kernel: bool | None
    """Whether the kernel holds the clock for synchronised; None where it does not say."""

    @property
    def right(self) -> bool:
        """Within two minutes of the others."""
        return self.drift is not None and abs(self.drift) <= TOLERANCE

    @property
    def true_time(self) -> datetime:
        """What the clock should say, by the others."""
        return self.now - timedelta(seconds=self.drift or 0.0)


def examine(against: tuple[str, ...] | None) -> ClockCheckup:
    """Compares with these hosts, or with those that this host's clients are configured with. About 2 s."""
    told = tuple(
        Told(host=r.target.host, ahead=round(r.drift, 1))
        for r in (compare(4.0) if against is None else ask_all(against, 3.0))
        if r.drift is not None
    )
    drifts = [t.ahead for t in told]
    return ClockCheckup(
        now=datetime.now(timezone.utc),
        told=told,
        drift=middle(drifts),
        spread=max(drifts) - min(drifts) if drifts else 0.0,
        services=tuple(_ask(*row) for row in _NTP if shutil.which(row[0])),
        kernel=kernel_synchronised(),
    )


def kernel_synchronised() -> bool | None:
    """By adjtimex(2), which only reads when it is given an empty request: neither TIME_ERROR nor STA_UNSYNC."""
    if not sys.platform.startswith("linux"):
        return None
    request = (ctypes.c_long * 64)()  # struct timex, 208 bytes
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(request)
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    status = ctypes.c_int.from_buffer(request, 5 * ctypes.sizeof(ctypes.c_long)).value
    return state != _ERROR and not status & _UNSYNCHRONISED


def _ask(tool: str, arguments: tuple[str, ...], good: str) -> Service:
    try:
        done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=3, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Service(tool=tool, synchronised=None, said=type(error).__name__)
    said = (done.stdout if not done.returncode else done.stderr).strip().partition("\n")[0]
    if done.returncode:
        return Service(tool=tool, synchronised=None, said=said)
    return Service(tool=tool, synchronised=bool(re.search(good, done.stdout, re.MULTILINE)), said=said)
