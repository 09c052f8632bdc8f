"""Remedies for one case: each change is applied to the same connection, and offered only when that verifies."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from builder.adapters.tls.case import DATES, ENDS, NAMES, Case
from builder.adapters.tls.probe import attempt
from builder.adapters.tls.stores import find_condas
from builder.adapters.tls.verifiers import verdict_at
from builder.trust import commands
from builder.trust.causes import CAUSES
from builder.trust.certs import Cert
from builder.trust.diagnosis import VERIFIES, at_text, cure_of
from builder.trust.remedies import Change, Kind, Remedy, additions, other_names

_BUDGET: Final = 8.0
"""Seconds after which nothing further is tried."""
_RELEASE: Final = Path("/etc/os-release")


@dataclass(frozen=True)
class Trial:
    """Tries what might help."""

    case: Case

    def all(self, cause: str, fields: dict[str, str]) -> Iterator[Remedy]:
        """What the server's side has to do, and the smallest change here that helps."""
        if cause == VERIFIES:
            return
        if cause == "captive-portal":
            yield Remedy(kind="network", what=cure_of(cause, self.case.dial.target, **fields), proof="")
            return
        offered = next((r for change in self._changes(cause) if (r := self._tried(change))), None)
        cure = cure_of(cause, self.case.dial.target, **fields)
        if cure and not (offered and CAUSES[cause].side == "client"):
            kind: Kind = "here" if CAUSES[cause].side == "client" else "server"
            yield Remedy(kind=kind, what=cure, proof=self._proof_of_cure(cause, offered))
        if offered:
            yield offered

    def _changes(self, cause: str) -> Iterator[Change]:
        name = self.case.dial.target.host
        if cause.startswith("clock"):
            yield Change(kind="clock", at=self.case.right_time)
        elif cause in NAMES:
            yield from other_names(self.case.sent[0], name)
        elif cause in ENDS | {"expired-root", "expired-intermediate", "missing-intermediate", "interception"}:
            good = (s for s, _, j in self.case.judgements if j.verifies and s != self.case.store)
            yield from (Change(kind="store", store=s.where) for s in good)
            yield from additions(self.case.known, self.case.sent[0], name=name, at=self.case.now)

    def _tried(self, change: Change) -> Remedy | None:
        """The remedy of a change that makes the same connection verify; None when it does not."""
        if time.monotonic() - self.case.begun > _BUDGET:
            return None
        anchors, name = self.case.store.anchors.ders, self.case.dial.target.host
        if change.kind == "clock" and change.at:
            done = verdict_at(self.case.sent, anchors, name=name, at=change.at)
        elif change.kind == "store":
            done = attempt(self.case.dial, next(s for s in self.case.stores if s.where == change.store).anchors.ders)
        else:
            done = attempt(self.case.dial, [*anchors, *(c.der for c in change.add)], name=change.name)
        return self._remedy(change) if done.ok else None

    def _remedy(self, change: Change) -> Remedy:
        family, conda = family_here(), bool(find_condas())
        same = "tried: with it, the same connection verifies"
        match change.kind:
            case "clock":
                at = change.at or self.case.now
                what = f"set the clock to {at_text(at)}"
                proof = f"tried: the same chain verifies at {at_text(at)}"
                return Remedy(kind="clock", what=what, proof=proof, commands=commands.to_set_clock(family))
            case "name":
                what = f"use the name {change.name}, and see that it leads to {self.case.reached.address}"
                return Remedy(kind="name", what=what, proof="tried: by that name, the same server verifies")
            case "store":
                use = commands.to_use_system(str(change.store), conda=conda)
                what = f"use {change.store}, which has the root"
                return Remedy(kind="store", what=what, proof=same, commands=use)
        return Remedy(
            kind="trust",
            what=self._what_to_trust(change.add),
            proof=same,
            add=change.add,
            commands=commands.to_trust(change.add, str(self.case.dial.target), family, conda=conda),
        )

    def _what_to_trust(self, add: tuple[Cert, ...]) -> str:
        def one(cert: Cert) -> str:
            kind = "intermediate" if not cert.self_issued else "certificate" if cert == self.case.sent[0] else "root"
            return f"the {kind} {cert.subject} (SHA-256 {cert.sha256})"

        held = [s.name for s in self.case.all_stores if all(c in s.anchors for c in add)]
        if held:
            return f"trust {' and '.join(map(one, add))}, which {held[0]} has"
        unknown = any(c.self_issued for c in add)
        owner = f"those who run {self.case.dial.target.host}, or the proxy,"
        compare = f", once {owner} have confirmed that fingerprint by another way" if unknown else ""
        return f"trust {' and '.join(map(one, add))}{compare}"

    def _proof_of_cure(self, cause: str, offered: Remedy | None) -> str:
        """What shows that the cure is enough."""
        if cause in DATES:
            at = self._good_time()
            done = (
                verdict_at(self.case.sent, self.case.store.anchors.ders, name=self.case.dial.target.host, at=at)
                if at
                else None
            )
            proof = f"tried: at {at_text(at)} the same chain verifies, so nothing else is wrong" if at else ""
            return proof if done and done.ok else ""
        if cause == "missing-intermediate" and offered:
            return "tried: with it, the same connection verifies"
        others = [p for p in self.case.judgement.problems if p.cause != cause]
        ends = cause in ENDS | {"missing-intermediate"}
        return "" if others or ends else "judged: nothing else is wrong with the chain"

    def _good_time(self) -> datetime | None:
        """A moment at which every certificate of the path is valid."""
        certs = self.case.judgement.path.certs
        begin, end = max(c.not_before for c in certs), min(c.not_after for c in certs)
        return begin + (end - begin) / 2 if begin < end else None


def family_here() -> commands.Family:
    """Which family of systems this one is of."""
    try:
        lines = _RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    pairs = (line.partition("=") for line in lines if "=" in line)
    return commands.family_of({key: value.strip("\"'") for key, _, value in pairs}, sys.platform)
