"""How long certificates have left, and when that is too little: in days and in share of lifetime. Pure.

Leaf, intermediate and root are judged apart. A leaf lives for 64 days (Let's Encrypt from 2027-02) or 47 (CA/Browser
Forum from 2029), so that "30 days" would be most of its life: the share that is left tells a renewal that failed. A
root lives for decades, and its successor has to be in every image before it ends: there the days count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from builder.trust.certs import Cert

_SPAN: Final = re.compile(r"(\d+)\s*([dwmy]?)")
_DAYS: Final = {"": 1, "d": 1, "w": 7, "m": 30, "y": 365}


class Role(str, Enum):
    """What a certificate is in its chain."""

    LEAF = "leaf"
    INTERMEDIATE = "intermediate"
    ROOT = "root"


class State(str, Enum):
    """How a certificate stands in time."""

    EXPIRED = "expired"
    NOT_YET = "not yet valid"
    DUE = "due"
    FINE = "fine"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """When a certificate is due: with fewer days left than this, or a smaller share of its lifetime."""

    days: int
    share: float
    within: int | None = None
    """Days from which on the share no longer counts: a leaf of ten years has time enough with two left."""


LIMITS: Final[Mapping[Role, Limit]] = {
    # ACME clients renew at a third of 45 to 90 days; at a quarter that has failed for a while.
    Role.LEAF: Limit(days=3, share=1 / 4, within=30),
    Role.INTERMEDIATE: Limit(days=60, share=1 / 20),
    Role.ROOT: Limit(days=365, share=0.0),
}
"""Unless a user says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """One certificate, judged."""

    certificate: Cert
    role: Role
    state: State
    days: int
    """Left; negative when it has expired."""
    share: float
    """Of the lifetime that is left, 0 to 1."""
    why: str
    """What decided, in words; empty when it is fine."""


def role_of(certificate: Cert) -> Role:
    """Root: issued by itself and a CA; leaf: no CA; else intermediate."""
    if not certificate.ca:
        # Version 1 has no extensions, so that an old root can only be told by its being self-issued.
        return Role.ROOT if not certificate.version_3 and certificate.self_issued else Role.LEAF
    return Role.ROOT if certificate.self_issued else Role.INTERMEDIATE


def judge(certificate: Cert, *, at: datetime, limits: Mapping[Role, Limit] = LIMITS) -> Expiry:
    """How one certificate stands at a moment (aware, UTC)."""
    role = role_of(certificate)
    life = (certificate.not_after - certificate.not_before).total_seconds()
    left = (certificate.not_after - at).total_seconds()
    days, share = int(left // 86400), min(max(left / life, 0.0), 1.0) if life > 0 else 0.0
    state, why = _state(certificate, at, days, share, limits[role])
    return Expiry(certificate=certificate, role=role, state=state, days=days, share=share, why=why)


def judged(certificates: Iterable[Cert], *, at: datetime, limits: Mapping[Role, Limit] = LIMITS) -> tuple[Expiry, ...]:
    """Every certificate once, the one that ends first in front."""
    found = (judge(c, at=at, limits=limits) for c in dict.fromkeys(certificates))
    return tuple(sorted(found, key=lambda e: (e.certificate.not_after, e.certificate.sha256)))


def limits_with(days: int | None = None, share: float | None = None) -> dict[Role, Limit]:
    """The limits, with a user's own number of days or share for every role."""
    return {
        role: Limit(
            days=limit.days if days is None else days,
            share=limit.share if share is None else share,
            within=limit.within if share is None else None,
        )
        for role, limit in LIMITS.items()
    }


def days_of(text: str) -> int:
    """Days that a text such as 60d, 8w, 3m or 1y says. Raises ValueError."""
    found = _SPAN.fullmatch(text.strip().lower())
    if not found:
        raise ValueError(f"{text!r} is no span of time: 60d, 8w, 3m, 1y")
    return int(found[1]) * _DAYS[found[2]]


def _state(certificate: Cert, at: datetime, days: int, share: float, limit: Limit) -> tuple[State, str]:
    if at >= certificate.not_after:
        return State.EXPIRED, f"ended on {certificate.not_after:%Y-%m-%d}"
    if at < certificate.not_before:
        return State.NOT_YET, f"begins on {certificate.not_before:%Y-%m-%d}"
    if days < limit.days:
        return State.DUE, f"fewer than {limit.days} days left"
    if share < limit.share and (limit.within is None or days < limit.within):
        return State.DUE, f"less than {limit.share:.0%} of its lifetime left"
    return State.FINE, ""
