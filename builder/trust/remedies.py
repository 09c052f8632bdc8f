"""Changes that might make a chain verify, smallest first; each is offered only once it was tried. Pure.

None of them weakens verification: what can change is a trust anchor, a name, the clock.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from builder.trust.certs import Cert
from builder.trust.graph import Graph
from builder.trust.rules import judge

_MOST: Final = 5
Kind = Literal["trust", "store", "name", "clock", "here", "server", "network"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing to try."""

    kind: Kind
    add: tuple[Cert, ...] = ()
    name: str | None = None
    at: datetime | None = None
    store: str | None = None
    """Where the store is that is to be used instead."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to type, and where it is for."""

    where: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A change that was tried and makes it verify; or what others have to do, with what shows that it is enough."""

    kind: Kind
    what: str
    proof: str
    add: tuple[Cert, ...] = ()
    commands: tuple[Command, ...] = ()


def additions(graph: Graph, leaf: Cert, *, name: str, at: datetime) -> Iterator[Change]:
    """Certificates that lead to a path without any fault once they are trusted; fewest first."""
    sets: dict[tuple[Cert, ...], None] = {}
    for path in graph.paths(leaf):
        new = [c for c in path.certs if c not in graph.sent and c not in graph.anchors]
        if path.top.self_issued and path.top not in graph.anchors:
            new = [*dict.fromkeys([*new, path.top])]
        if new:
            sets[tuple(new)] = None
    for new_set in sorted(sets, key=len)[:_MOST]:
        changed = Graph(sent=graph.sent, anchors=graph.anchors.plus(new_set))
        if judge(changed, leaf, name=name, at=at).verifies:
            yield Change(kind="trust", add=new_set)


def other_names(leaf: Cert, name: str) -> Iterator[Change]:
    """Names that the certificate is for, the nearest first; a wildcard is none."""
    names = [n for n in (*leaf.dns, *leaf.ips) if not n.startswith("*")]
    near = sorted(names, key=lambda n: -difflib.SequenceMatcher(None, n, name).ratio())
    yield from (Change(kind="name", name=n) for n in near[:_MOST])
