"""The effective conda configuration: every file and variable that takes part, which one wins, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from builder.audit.conda_value import Judged, Verdict, judge
from builder.audit.condarc import NAMES, CondaRc

_FILES: Final = (".condarc", "condarc", "condarc.d/")

SEARCH_PATH: Final = (
    *(f"{folder}/{name}" for folder in ("/etc/conda", "/var/lib/conda", "$CONDA_ROOT") for name in _FILES),
    *(f"{folder}/{name}" for folder in ("$XDG_CONFIG_HOME/conda", "~/.config/conda", "~/.conda") for name in _FILES),
    "~/.condarc",
    *(f"$CONDA_PREFIX/{name}" for name in _FILES),
    "$CONDARC",
)
"""Where conda looks, in its order; the later wins (conda.base.constants.SEARCH_PATH of 25.9.1)."""


@dataclass(frozen=True, kw_only=True)
class Participant:
    """One place that sets a parameter."""

    where: str
    """A path with its line, or the name of a variable."""
    value: str
    final: bool = False
    wins: bool = False
    said: str = ""
    """Why it wins, or who beats it."""


@dataclass(frozen=True, kw_only=True)
class Effective:
    """What a parameter comes to."""

    name: str
    verdict: Verdict
    value: str
    path: str
    """The bundle's path for BUNDLE."""
    winner: str
    why: str
    participants: tuple[Participant, ...]


def variables_of(environment: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    """The CONDA_* variables that set this; conda folds the case of what follows the prefix."""
    wanted = NAMES.get(name, (name,))
    return tuple(
        (variable, value)
        for variable, value in environment.items()
        if variable.startswith("CONDA_") and variable.replace("CONDA_", "", 1).lower() in wanted
    )


def ssl_verify(
    files: Sequence[CondaRc], environment: Mapping[str, str], *, exists: Callable[[str], bool] | None = None
) -> Effective:
    """What verification comes to for conda, from files in the order of the search path and the environment."""
    if broken := _broken(files, environment):
        return broken
    found: list[tuple[Participant, object]] = [
        (Participant(where=f"{rc.path}:{s.line}", value=_shown(s.value), final=s.final), s.value)
        for rc in files
        for s in rc.named("ssl_verify")
    ]
    for variable, given in variables_of(environment, "ssl_verify"):
        text, important, _ = given.partition("!important")
        found.append((Participant(where=variable, value=given, final=bool(important)), text.strip()))
    if not found:
        why = "nothing sets it; conda's default is to verify"
        return _effective(Judged(Verdict.ON), value="true", winner="conda's default", why=why, participants=())
    finals = [i for i, (p, _) in enumerate(found) if p.final]
    best = finals[0] if finals else len(found) - 1
    winner, value = found[best]
    why = _reason(winner, found=len(found), final=bool(finals))
    told = tuple(
        Participant(
            where=p.where,
            value=p.value,
            final=p.final,
            wins=i == best,
            said=why if i == best else f"{winner.where} wins",
        )
        for i, (p, _) in enumerate(found)
    )
    judged = judge(value, variables=environment, exists=exists)
    return _effective(judged, value=winner.value, winner=winner.where, why=why, participants=told)


def shadow(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that requests prefers to any `ssl_verify`, even `false`, and its value."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if value := environment.get(name):
            return name, value
    return None


def _broken(files: Sequence[CondaRc], environment: Mapping[str, str]) -> Effective | None:
    for rc in files:
        if rc.refused and not rc.refused.ignored:
            place = f"{rc.path}:{rc.refused.line}"
            return _effective(Judged(Verdict.ERROR), value="", winner=place, why=rc.refused.reason, participants=())
        if len(rc.named("ssl_verify")) > 1:
            why = "ssl_verify and its alias verify_ssl in one file"
            return _effective(Judged(Verdict.ERROR), value="", winner=rc.path, why=why, participants=())
    names = [name for name, _ in variables_of(environment, "ssl_verify")]
    if len(names) > 1:
        why = "ssl_verify and its alias verify_ssl in the environment"
        return _effective(Judged(Verdict.ERROR), value="", winner=", ".join(names), why=why, participants=())
    return None


def _effective(
    judged: Judged, *, value: str, winner: str, why: str, participants: tuple[Participant, ...]
) -> Effective:
    return Effective(
        name="ssl_verify",
        verdict=judged.verdict,
        value=value,
        path=judged.path,
        winner=winner,
        why=why,
        participants=participants,
    )


def _reason(winner: Participant, *, found: int, final: bool) -> str:
    if final:
        mark = "!important" if winner.where.startswith("CONDA_") else "#!final"
        return f"{mark} ends the search, whatever comes later"
    if found == 1:
        return "nothing else sets it"
    if winner.where.startswith("CONDA_"):
        return "a variable beats every file"
    return "the last file of the search path wins"


def _shown(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
