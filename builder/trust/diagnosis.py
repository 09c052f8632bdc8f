"""What the doctor found: one cause, the evidence for it, and what cures it. Values and their making; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from builder.trust.causes import CAUSES, Cause
from builder.trust.certs import Cert
from builder.trust.clients import Affected, affected
from builder.trust.graph import Graph
from builder.trust.pins import PinVerdict
from builder.trust.reached import Reached, Target, Verdict
from builder.trust.remedies import Remedy
from builder.trust.rules import Judgement, Problem

VERIFIES = "verifies"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One certificate of the chain, for the table."""

    place: str
    """`sent 1`, `in the store`, `sent, not used`."""
    subject: str
    issuer: str
    not_before: str
    not_after: str
    edge: str
    """How its link to the next one verified."""


@dataclass(frozen=True, kw_only=True)
class StoreVerdict:
    """How one store judges the chain."""

    name: str
    where: str
    users: str
    cause: str
    decisive: bool
    anchors: int

    @property
    def verifies(self) -> bool:
        """Also for what only strict clients refuse."""
        return self.cause in (VERIFIES, "strict")


@dataclass(frozen=True, kw_only=True)
class CrossCheck:
    """What a verifier said, and whether that is what the cause lets one expect."""

    who: str
    verdict: Verdict
    agrees: bool
    library: bool = False
    """`x509.verification`, and not OpenSSL."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The answer to one question."""

    target: Target
    cause: str
    """An id of `causes.CAUSES`."""
    sentence: str
    reached: Reached
    evidence: tuple[str, ...] = ()
    chain: tuple[Row, ...] = ()
    stores: tuple[StoreVerdict, ...] = ()
    cross_checks: tuple[CrossCheck, ...] = ()
    also: tuple[str, ...] = ()
    """What is wrong besides, hardest first."""
    remedies: tuple[Remedy, ...] = ()
    clients: Affected | None = None
    issuer: Cert | None = None
    """The top of a path that no anchor ends: what unrelated hosts under interception share."""
    path: tuple[Cert, ...] = ()
    """From the host's own certificate as far up as it leads."""
    pin: PinVerdict | None = None
    """None: nobody pinned this host, or there is no chain."""

    @property
    def verifies(self) -> bool:
        """True when nothing is wrong at all."""
        return self.cause == VERIFIES

    @property
    def answered(self) -> bool:
        """False when nothing could be asked."""
        return CAUSES[self.cause].answered

    @property
    def alarm(self) -> bool:
        """True when the host is not what was pinned, whether its chain verifies or not."""
        return self.pin is not None and self.pin.alarm

    @property
    def not_looked_at(self) -> tuple[str, ...]:
        """What might be wrong as well: nobody looked."""
        pins = () if self.pin else ("pins, of which none is given for it",)
        return ("revocation (OCSP, CRLs)", *pins)


def only_dates(found: Diagnosis) -> bool:
    """True when the chain verifies, or would at some other time: the leaf, an intermediate or the root has expired."""
    return found.cause in (VERIFIES, "strict", "expired-leaf", "expired-intermediate", "expired-root")


def sentence_of(cause: str, target: Target, **fields: str) -> str:
    """The cause in a sentence; a field that nobody knows shows as `?`."""
    text = CAUSES[cause].sentence.format_map(_Fields({"host": target.host, "port": str(target.port), **fields}))
    begins = CAUSES[cause].sentence.startswith("{store}")
    return text[0].upper() + text[1:] if begins else text


def cure_of(cause: str, target: Target, **fields: str) -> str:
    """What the other side has to do; empty when it has nothing to do."""
    return CAUSES[cause].cure.format_map(_Fields({"host": target.host, "port": str(target.port), **fields}))


class _Fields(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def fields_of(problem: Problem, judgement: Judgement, *, store: str) -> dict[str, str]:
    """What the sentence of a problem needs."""
    leaf, cert = judgement.path.certs[0], problem.cert
    names = [*leaf.dns, *leaf.ips] or ([leaf.common_name] if leaf.common_name else [])
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return {
        "subject": cert.subject,
        "issuer": cert.issuer,
        "detail": problem.detail,
        "date": problem.detail,
        "names": shown or "no name at all",
        "store": store,
    }


def rows_of(graph: Graph, judgement: Judgement) -> tuple[Row, ...]:
    """The path, and what was sent without being of use."""
    path = judgement.path
    used = [_row(graph, cert, _edge_text(judgement, depth)) for depth, cert in enumerate(path.certs)]
    idle = [_row(graph, cert, "not used") for cert in graph.sent if cert not in path.certs]
    return (*used, *idle[:20])


def _edge_text(judgement: Judgement, depth: int) -> str:
    path = judgement.path
    if depth < len(path.edges):
        edge = path.edges[depth]
        ids = {True: ", key identifiers match", False: ", key identifiers differ", None: ""}[edge.same_key_id]
        return f"signature {edge.signature.value}{ids}"
    if path.loose:
        return f"signature {path.loose[0].signature.value} (key of {path.loose[0].issuer.subject})"
    ends = {p.cause for p in judgement.problems if p.cert == path.top}
    if path.top.self_issued:
        return "self-signed, unknown" if ends & {"self-signed", "root-sent-along"} else "trust anchor"
    return "issuer not found"


def _row(graph: Graph, cert: Cert, edge: str) -> Row:
    sent = f"sent {graph.sent.index(cert) + 1}" if cert in graph.sent else ""
    place = f"{sent}, in the store" if sent and cert in graph.anchors else sent or "in the store"
    if not sent and cert in graph.known and cert not in graph.anchors:
        place = "found elsewhere"
    return Row(
        place=place,
        subject=cert.subject,
        issuer=cert.issuer,
        not_before=f"{cert.not_before:%Y-%m-%d}",
        not_after=f"{cert.not_after:%Y-%m-%d}",
        edge=edge,
    )


def cross_check(who: str, verdict: Verdict, cause: Cause, *, library: bool = False) -> CrossCheck:
    """Whether a verdict is what the cause lets one expect; the cause stands in any case."""
    if library:
        return CrossCheck(who=who, verdict=verdict, agrees=verdict.ok is not cause.library, library=True)
    expected = verdict.ok if not cause.codes else not verdict.ok and verdict.code in cause.codes
    return CrossCheck(who=who, verdict=verdict, agrees=expected)


def named_clock(drift: float) -> str:
    """Seconds as people say them: `5 days`, `3 hours`, `12 minutes`."""
    seconds = abs(drift)
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} seconds"


def middle(drifts: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return sorted(drifts)[len(drifts) // 2] if drifts else None


def of_trouble(reached: Reached) -> Diagnosis:
    """Where there is no chain to judge."""
    trouble = reached.trouble
    assert trouble is not None  # noqa: S101 - the caller has looked
    fields = {"detail": trouble.detail, "proxy": reached.proxy or ""}
    cure = cure_of(trouble.cause, reached.target, **fields)
    kind = "network" if CAUSES[trouble.cause].side == "network" else "server"
    remedy = Remedy(kind=kind, what=cure, proof="")  # type: ignore[arg-type]
    return Diagnosis(
        target=reached.target,
        cause=trouble.cause,
        sentence=sentence_of(trouble.cause, reached.target, **fields),
        reached=reached,
        remedies=(remedy,) if cure else (),
        clients=affected(trouble.cause),
    )


def at_text(at: datetime) -> str:
    """A time as the sentences have it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
