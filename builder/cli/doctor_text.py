"""A diagnosis for people, and for machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.trust.diagnosis import CrossCheck, Diagnosis
    from builder.trust.pins import PinVerdict
    from builder.trust.remedies import Remedy


def show(found: Diagnosis) -> None:
    """The sentence, what to do, who is affected, and what was seen."""
    from builder.cli.display import table
    from builder.trust.pins import sentences

    print(found.sentence)
    for line in found.also:
        print(f"  besides: {line}")
    for line in sentences(found.pin) if found.pin else ():
        print(line)
    for number, remedy in enumerate(found.remedies, start=1):
        _show_remedy(remedy, "To do: " if len(found.remedies) == 1 else f"To do, {number}: ")
    for line in _clients(found):
        print(line)
    print()
    for line in found.evidence:
        print(line)
    if found.chain:
        print()
        rows = [(r.place, r.subject, r.issuer, r.not_before, r.not_after, r.edge) for r in found.chain]
        table(("", "certificate", "issuer", "from", "until", "link to its issuer"), rows)
    if found.stores:
        print()
        stores = [
            (s.name, _verdict_of(s.cause), str(s.anchors), s.users if s.decisive else "nobody here")
            for s in found.stores
        ]
        table(("store", "verdict", "anchors", "used by"), stores, right=("anchors",))
    if found.cross_checks:
        print()
        checks = [(c.who, _said(c), "agrees" if c.agrees else "differs: see the chain") for c in found.cross_checks]
        table(("cross-check", "says", ""), checks)
    if found.chain:
        print(f"\nNot looked at: {'; '.join(found.not_looked_at)}.")


def show_many(found: tuple[Diagnosis, ...]) -> None:
    """A line for each host; then each cause once, with its evidence."""
    from builder.cli.display import table

    causes = [f"{d.cause}, not as pinned" if d.alarm else d.cause for d in found]
    styles = dict.fromkeys(causes, "red") | {"verifies": "green"}
    proxies = any(d.reached.proxy for d in found)
    rows = [(str(d.target), c, d.reached.proxy or "none") for d, c in zip(found, causes, strict=True)]
    table(("host", "cause", "proxy"), rows, styles=styles) if proxies else table(
        ("host", "cause"), [row[:2] for row in rows], styles=styles
    )
    said: set[tuple[str, str]] = set()
    for one in found:
        issuer = one.issuer.subject if one.issuer else str(one.target)
        same = (one.cause, issuer if one.cause == "interception" else str(one.target))
        if (one.verifies and not one.alarm) or same in said:
            continue
        said.add(same)
        print()
        show(one)


def document(found: Diagnosis) -> dict[str, Any]:
    """The same as values for JSON; certificates as PEM."""
    reached = found.reached
    return {
        "host": found.target.host,
        "port": found.target.port,
        "cause": found.cause,
        "verifies": found.verifies,
        "answered": found.answered,
        "sentence": found.sentence,
        "also": list(found.also),
        "address": reached.address,
        "proxy": reached.proxy,
        "tls": reached.version,
        "http": reached.status,
        "clock_ahead_seconds": reached.drift,
        "evidence": list(found.evidence),
        "chain": [dataclasses.asdict(row) for row in found.chain],
        "stores": [dataclasses.asdict(store) for store in found.stores],
        "cross_checks": [dataclasses.asdict(check) for check in found.cross_checks],
        "remedies": [_remedy(remedy) for remedy in found.remedies],
        "clients": found.clients and dataclasses.asdict(found.clients),
        "pin": pin_document(found.pin) if found.pin else None,
        "not_looked_at": list(found.not_looked_at),
    }


def pem_of(found: Diagnosis) -> str:
    """What a remedy would have trusted; empty when none does."""
    return "".join(c.pem for r in found.remedies for c in r.add)


def pin_document(verdict: PinVerdict) -> dict[str, Any]:
    """What was pinned, what was seen, and whether that is an alarm."""
    return {**dataclasses.asdict(verdict), "pin": verdict.pin.model_dump(mode="json"), "alarm": verdict.alarm}


def _remedy(remedy: Remedy) -> dict[str, Any]:
    commands = [dataclasses.asdict(command) for command in remedy.commands]
    pem = "".join(c.pem for c in remedy.add)
    return {"kind": remedy.kind, "what": remedy.what, "proof": remedy.proof, "pem": pem, "commands": commands}


def _show_remedy(remedy: Remedy, begin: str) -> None:
    whose = {"server": "those who run the server: ", "network": ""}.get(remedy.kind, "here: ")
    print(f"{begin}{whose}{remedy.what}")
    if remedy.proof:
        print(f"  {remedy.proof}")
    width = max((len(c.where) for c in remedy.commands), default=0)
    for command in remedy.commands:
        print(f"    {command.where:<{width}}  {command.text}")


def _clients(found: Diagnosis) -> Iterator[str]:
    if (clients := found.clients) is None or found.verifies:
        return
    yield f"Refused by: {', '.join(clients.refuse)}"
    if clients.accept:
        yield f"Accepted all the same by: {', '.join(clients.accept)}"
    if clients.why:
        yield f"  {clients.why}"


def _verdict_of(cause: str) -> str:
    return (
        "verifies"
        if cause == "verifies"
        else f"refuses: {cause}"
        if cause != "strict"
        else "verifies, but not strictly"
    )


def _said(check: CrossCheck) -> str:
    if check.verdict.ok:
        return "accepts"
    code = f" {check.verdict.code}" if check.verdict.code else ""
    return f"refuses{code}: {check.verdict.text[:90]}"
