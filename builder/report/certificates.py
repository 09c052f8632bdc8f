"""The trust anchors of an image by the time they have left, counted from the image's creation. Pure."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.report.words import day

if TYPE_CHECKING:
    from builder.models.lock import Lock

YEARS = (1, 2, 5)
"""How far ahead a reader wants to know what ends."""
MOST = 40
"""Years that a picture shows; those after it are one bar."""
FEW = 7
"""Years that all have room for their names, on a phone too."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """One certificate of the bundle."""

    name: str
    """Its common name; else its organizational unit or organization; else the whole subject."""
    subject: str
    sha256: str
    not_after: str
    days: int
    """From the image's creation to the certificate's end; negative when it had ended before."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How many certificates end in one year."""

    year: str
    label: str
    """The year where its place on the axis says it; empty between."""
    count: int
    left: float
    """Where the bar begins; percent, like the others."""
    width: float
    height: float
    soon: bool
    """Within the longest of YEARS."""


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """The bundle, for a page."""

    anchors: tuple[Anchor, ...]
    """The first to end comes first."""
    ended: int
    within: tuple[tuple[int, int], ...]
    """Years, and how many end within them, of those that had not ended."""
    bars: tuple[Bar, ...]


def certificates(lock: Lock) -> Certificates:
    """The anchors of the lock's bundle."""
    created = day(lock.created)
    found = (_anchor(c.subject, c.sha256, c.not_after, created) for c in lock.trust.certificates)
    anchors = tuple(sorted(found, key=lambda a: (a.not_after, a.subject, a.sha256)))
    return Certificates(
        anchors=anchors,
        ended=sum(a.days < 0 for a in anchors),
        within=tuple((years, sum(0 <= a.days <= _days(created, years) for a in anchors)) for years in YEARS),
        bars=_bars(anchors, created.year),
    )


def _anchor(subject: str, sha256: str, not_after: str, created: datetime.date) -> Anchor:
    days = (datetime.date.fromisoformat(not_after[:10]) - created).days
    return Anchor(name=common_name(subject), subject=subject, sha256=sha256, not_after=not_after[:10], days=days)


def common_name(subject: str) -> str:
    """What people call a certificate authority by, from a name as in RFC 4514."""
    parts = dict(re.findall(r"(?:^|[,+])(CN|OU|O)=((?:\\.|[^,+\\])*)", subject))
    for key in ("CN", "OU", "O"):
        if parts.get(key):
            return re.sub(r"\\(.)", r"\1", parts[key])
    return subject


def _days(created: datetime.date, years: int) -> int:
    try:
        return (created.replace(year=created.year + years) - created).days
    except ValueError:  # the 29th of February
        return (created.replace(year=created.year + years, day=28) - created).days


def _bars(anchors: tuple[Anchor, ...], first: int) -> tuple[Bar, ...]:
    """A bar for each year from the image's creation on; those that had ended before count as its first year."""
    if not anchors:
        return ()
    years = Counter(min(max(int(a.not_after[:4]), first), first + MOST) for a in anchors)
    last, most = max(years), max(years.values())
    width = 100 / (last - first + 1)
    return tuple(
        Bar(
            year=_year(year, first),
            label=_year(year, first) if _said(year, first, last) else "",
            count=years[year],
            left=round((year - first) * width, 3),
            width=round(width, 3),
            height=round(100 * years[year] / most, 2),
            soon=year - first <= YEARS[-1],
        )
        for year in range(first, last + 1)
    )


def _year(year: int, first: int) -> str:
    """`2030`; with a sign where the bar stands for all the years after it too."""
    return f"{year}+" if year == first + MOST else f"{year}"


def _said(year: int, first: int, last: int) -> bool:
    """Few years are all named; of many the first, and every fifth that has room beside it."""
    if last - first < FEW:
        return True
    return year == first or (year % 5 == 0 and year > first + 1)
