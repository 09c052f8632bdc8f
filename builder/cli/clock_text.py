"""What was found about the clock, for people and for machines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from builder.adapters.tls.clock import ClockCheckup

BREAKS: Final = {
    True: (
        "TLS: certificates count as expired before they are, the short-lived ones first (OpenSSL code 10)",
        "apt: release files count as expired (`Release file ... is expired`)",
        "tokens and signed URLs: refused as too old by whoever checks them (cloud storage, registries' logins)",
        "make and incremental builds: what is written now lies in everybody else's future",
    ),
    False: (
        "TLS: certificates are not valid yet, first those renewed last (OpenSSL code 9)",
        "apt: release files are `not valid yet`",
        "tokens and signed URLs: not valid yet, or refused as too old",
        "make and incremental builds: files from elsewhere lie in the future",
    ),
}
"""By whether the clock is ahead."""


def show(found: ClockCheckup) -> None:
    """The verdict, what helps, and what it rests on."""
    from builder.cli.display import table

    print(verdict(found))
    if found.drift is not None and not found.right:
        print("What that breaks:")
        for line in BREAKS[found.drift > 0]:
            print(f"  {line}")
        print("To do:")
        for command in commands():
            print(f"  {command.where}: {command.text}")
    if found.spread > 240:
        print("The hosts disagree among themselves: one of them has a wrong clock, or a cache answered for it.")
    if found.told:
        print()
        told = [(t.host, f"{abs(t.ahead):.0f} s {'ahead' if t.ahead > 0 else 'behind'}") for t in found.told]
        table(("by the date of", "this clock is"), told)
    print()
    kernel = {True: "yes", False: "no", None: "it does not say"}[found.kernel]
    rows = [("the kernel (adjtimex)", kernel, "")]
    rows += [(s.tool, {True: "yes", False: "no", None: "cannot say"}[s.synchronised], s.said) for s in found.services]
    table(("synchronised?", "", "said"), rows)


def verdict(found: ClockCheckup) -> str:
    """One sentence."""
    from builder.trust.diagnosis import at_text, named_clock

    kept = any(s.synchronised for s in found.services) or found.kernel
    keeping = (
        "and it is kept so" if kept else "yet nothing that can be seen here keeps it so (in a container the host may)"
    )
    if found.drift is None:
        return "The clock could not be compared: no other host told its time."
    if found.right:
        return f"The clock is right within {max(1, round(abs(found.drift)))} s of {len(found.told)} hosts, {keeping}."
    side = "ahead" if found.drift > 0 else "behind"
    return f"The clock is {named_clock(found.drift)} {side}: it should be {at_text(found.true_time)}."


def commands() -> tuple[Any, ...]:
    """How to set it on this system."""
    from builder.adapters.tls.remedies import family_here
    from builder.trust.commands import to_set_clock

    return to_set_clock(family_here())


def document(found: ClockCheckup) -> dict[str, Any]:
    """For JSON."""
    return {
        "right": found.right,
        "verdict": verdict(found),
        "now": found.now.isoformat(),
        "ahead_seconds": found.drift,
        "spread_seconds": found.spread,
        "told": [dataclasses.asdict(t) for t in found.told],
        "kernel_synchronised": found.kernel,
        "services": [dataclasses.asdict(s) for s in found.services],
    }
