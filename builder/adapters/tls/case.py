"""One presented chain: judged with every store, and what other hosts tell of it. Names the one cause."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.adapters.tls.dial import Dial
from builder.adapters.tls.neighbours import ask_all, compare, fetch_issuers
from builder.adapters.tls.probe import plain_answer, portal_of
from builder.adapters.tls.stores import Store, bundle_store, find_stores
from builder.adapters.tls.together import Asked, together
from builder.trust.certs import Cert, read
from builder.trust.diagnosis import VERIFIES, StoreVerdict, fields_of, middle, named_clock, sentence_of
from builder.trust.graph import Graph
from builder.trust.names import unrelated
from builder.trust.reached import Reached, Target
from builder.trust.rules import Judgement, Problem, judge

if TYPE_CHECKING:
    from builder.models.pin import Pin

WRONG_CLOCK: Final = 120.0
"""Seconds; HTTP dates are cut to whole ones, and a cache may hold an answer for a while."""
ENDS: Final = frozenset(
    ("unknown-root", "root-sent-along", "self-signed", "bad-signature", "anchor-without-issuer", "pinned-leaf")
)
DATES: Final = frozenset(("expired-leaf", "expired-intermediate", "expired-root", "not-yet-valid"))
NAMES: Final = frozenset(("host-mismatch", "ip-mismatch"))


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to ask."""

    bundle: Path | None = None
    """Judge with this store alone."""
    try_files: tuple[Path, ...] = ()
    """Certificates that might be the remedy."""
    against: tuple[str, ...] | None = None
    """Hosts to compare with; None: the configured ones."""
    address: str | None = None
    http_port: int = 80
    stores: tuple[Store, ...] | None = None
    """Instead of this host's, as those of an image."""
    seek: bool = False
    """Whether this host's stores are looked through for what may help all the same."""
    also: tuple[Path, ...] = ()
    """Bundles besides these, as `ssl_verify` of a .condarc names one."""
    pins: tuple[Pin, ...] = ()
    """What is known of hosts beforehand; those of others are passed over."""
    proxies: Mapping[Target, str] = field(default_factory=dict)
    """The proxies of hosts that have one of their own, as `proxy_servers` of a .condarc names it."""


@dataclass(kw_only=True)
class Case:
    """One chain, judged with every store; what is asked beyond it is asked once."""

    dial: Dial
    reached: Reached
    sent: tuple[Cert, ...]
    stores: tuple[Store, ...]
    about: tuple[Store, ...] = ()
    """Those of them that the question is about; empty for all."""
    options: Options
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    begun: float = field(default_factory=time.monotonic)

    # what the stores say

    @cached_property
    def judgements(self) -> tuple[tuple[Store, Graph, Judgement], ...]:
        """Of every store."""

        def one(store: Store) -> tuple[Store, Graph, Judgement]:
            graph = Graph(sent=self.sent, anchors=store.anchors)
            return store, graph, judge(graph, self.sent[0], name=self.dial.target.host, at=self.now)

        return tuple(one(store) for store in self.stores)

    @cached_property
    def chosen(self) -> tuple[Store, Graph, Judgement]:
        """The first store that counts and refuses, of those that the question is about; else the first of them."""
        among = [j for j in self.judgements if j[0] in self.about] or self.judgements
        refusing = (j for j in among if j[0].decisive and not j[2].verifies)
        return next(refusing, among[0])

    @property
    def store(self) -> Store:
        """The store that the diagnosis is about."""
        return self.chosen[0]

    @property
    def graph(self) -> Graph:
        """What was sent, and that store."""
        return self.chosen[1]

    @property
    def judgement(self) -> Judgement:
        """Its judgement."""
        return self.chosen[2]

    @property
    def causes(self) -> set[str]:
        """Every cause on the best path."""
        return {p.cause for p in self.judgement.problems}

    @property
    def unanchored(self) -> bool:
        """True when no trust anchor ends the path."""
        return bool(self.causes & ENDS)

    def store_verdicts(self, cause: str) -> Iterator[StoreVerdict]:
        """A line for each store; `cause` is what the first problem of ours was refined to."""
        for store, _, judgement in self.judgements:
            first = _first(judgement)
            if first in ENDS and self._missing(store):
                first = "missing-intermediate"
            elif first == _first(self.judgement) and cause != "missing-intermediate":
                first = cause
            yield StoreVerdict(
                name=store.name,
                where=store.where,
                users=store.users,
                cause=first,
                decisive=store.decisive,
                anchors=len(store.anchors.ders),
            )

    # what others say

    @cached_property
    def more(self) -> Asked:
        """Issuers by URL, time and issuers of other hosts, a login page: each asked only where it may matter."""
        ends, causes = bool(self.causes & ENDS), self.causes
        drift = abs(self.reached.drift or 0) > WRONG_CLOCK
        expired = bool(causes & {"expired-intermediate", "expired-root"})
        nothing: Callable[[], object] = lambda: None  # noqa: E731
        calls = [
            functools.partial(self._fetch) if ends or expired else nothing,
            self._neighbours if ends or drift or causes & DATES else nothing,
            functools.partial(plain_answer, self.dial, self.options.http_port) if ends or causes & NAMES else nothing,
        ]
        return Asked(calls)

    def _fetch(self) -> tuple[Cert, ...]:
        path = self.judgement.path
        below = {c for c in path.certs if c.issuer_urls}
        found = together([functools.partial(fetch_issuers, c) for c in below], 1.6)
        return tuple(c for certs in found for c in certs or ())

    def _neighbours(self) -> tuple[Reached, ...]:
        against = self.options.against
        # A date needs witnesses; an unknown issuer is told without them, only less well.
        return compare(1.2 if self.causes & DATES else 0.9) if against is None else ask_all(against)

    @cached_property
    def answers(self) -> tuple[tuple[Cert, ...], tuple[Reached, ...], tuple[str, str] | None]:
        """Issuers by URL, other hosts, and what port 80 says."""
        issuers, neighbours, answer = self.more.answers(1.8)
        return issuers or (), neighbours or (), answer  # type: ignore[return-value]

    @cached_property
    def neighbours_there(self) -> tuple[Reached, ...]:
        """Other hosts that answered."""
        return tuple(r for r in self.answers[1] if r.target != self.dial.target)

    @cached_property
    def known(self) -> Graph:
        """The graph with every certificate that might help: by URL, of other stores, of files that were named."""
        tried = [c for path in self.options.try_files for der in bundle_store(path).ders if (c := read(der))]
        issuers = {c.issuer_key for c in (*self.sent, *self.answers[0], *tried)}
        others = [c for s in self.all_stores for key in issuers for c in s.anchors.named(key)]
        known = tuple(dict.fromkeys((*tried, *self.answers[0], *others)))
        return Graph(sent=self.sent, anchors=self.store.anchors, known=known)

    @cached_property
    def drift(self) -> float | None:
        """How far ahead our clock is, by the median of all dates."""
        drifts = [r.drift for r in (self.reached, *self.neighbours_there) if r.drift is not None]
        return middle(drifts)

    # the cause

    def named(self) -> tuple[str, dict[str, str]]:
        """The one cause, and the fields of its sentence."""
        problems = self.judgement.problems or self.judgement.strict
        if not problems:
            return VERIFIES, {}
        problem = problems[0]
        fields = fields_of(problem, self.judgement, store=self.store.name)
        return self._refined(problem, fields)

    def _refined(self, problem: Problem, fields: dict[str, str]) -> tuple[str, dict[str, str]]:
        """The cause behind the first problem, by what others say."""
        cause = problem.cause
        if cause in ENDS | NAMES and (portal := portal_of(self.dial.target.host, self.answers[2])):
            return "captive-portal", {"detail": portal}
        if cause in ENDS and (missing := self._missing(self.store)):
            return "missing-intermediate", {**fields, "missing": missing[-1].subject}
        if cause in ENDS and (hosts := self._same_issuer(problem.cert)):
            return "interception", {**fields, "hosts": ", ".join((self.dial.target.host, *hosts))}
        if cause in DATES and self._clock_explains():
            drift = self.drift or 0.0
            return "clock-ahead" if drift > 0 else "clock-behind", {**fields, "drift": named_clock(drift)}
        return cause, fields

    def _missing(self, store: Store) -> tuple[Cert, ...]:
        """The intermediates between what was sent and a trust anchor of the store, if they alone are lacking."""
        graph = Graph(sent=self.sent, anchors=store.anchors, known=self.known.known)
        path = judge(graph, self.sent[0], name=self.dial.target.host, at=self.now).path
        top = path.top
        if not (top.self_issued and top in store.anchors):
            return ()
        return tuple(c for c in path.certs if c not in self.sent and c not in store.anchors)

    def _same_issuer(self, top: Cert) -> list[str]:
        """Unrelated hosts for whom the same unknown issuer vouches."""
        mine = top.subject_key if top.self_issued else top.issuer_key
        hosts = []
        for other in self.neighbours_there:
            certs = tuple(c for der in other.chain if (c := read(der)))
            if not certs or not unrelated(other.target.host, self.dial.target.host):
                continue
            graph = Graph(sent=certs, anchors=self.store.anchors)
            end = judge(graph, certs[0], name=other.target.host, at=self.now)
            last = end.path.top
            if {p.cause for p in end.problems} & ENDS and mine in (last.subject_key, last.issuer_key):
                hosts.append(other.target.host)
        return hosts

    def _clock_explains(self) -> bool:
        if self.drift is None or abs(self.drift) < WRONG_CLOCK:
            return False
        then = judge(self.graph, self.sent[0], name=self.dial.target.host, at=self.right_time)
        return not {p.cause for p in then.problems} & DATES

    @property
    def right_time(self) -> datetime:
        """What our clock should say, by the others."""
        return self.now - timedelta(seconds=self.drift or 0.0)

    def also(self, cause: str) -> Iterator[str]:
        """What is wrong besides, in sentences."""
        rest = (self.judgement.problems or self.judgement.strict)[1:]
        for problem in rest:
            if cause.startswith("clock") and problem.cause in DATES:
                continue
            fields = fields_of(problem, self.judgement, store=self.store.name)
            yield sentence_of(problem.cause, self.dial.target, **fields)
        if self.judgement.problems and self.judgement.strict:
            strict = self.judgement.strict[0]
            yield f"{strict.cert.subject} lacks {strict.detail}, which Python 3.13 and newer ask for."

    @cached_property
    def all_stores(self) -> tuple[Store, ...]:
        """Every store that is here, also when one alone is to judge."""
        return tuple({*self.stores, *(find_stores() if self.options.stores is None or self.options.seek else ())})


def _first(judgement: Judgement) -> str:
    """The first problem of a judgement, by its cause."""
    found = judgement.problems or judgement.strict
    return found[0].cause if found else VERIFIES
