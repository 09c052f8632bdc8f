"""What a recipe says of conda and no type can judge: channels under Anaconda's terms, match specs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from builder.conda.specs import spec_fault
from builder.stages.faults import Faults
from builder.stages.yamltext import Document, Path

_SHORT: Final = {"main": "pkgs/main", "r": "pkgs/r", "msys2": "pkgs/msys2", "defaults": "pkgs/main, pkgs/r"}
"""What people call Anaconda's channels. The names are conda's own, and mean other things to its mirrors."""
_ANACONDA: Final = frozenset({"anaconda", *_SHORT})
"""Channels under Anaconda's terms of service, with their labels; so is all that is below `pkgs/`."""
_DEAD: Final = frozenset({"free", "pkgs/free"})

_TERMS: Final = (
    "use `channels: [conda-forge]` with `installer: miniforge`, which need no licence; or, if your organisation has "
    "accepted them, say so under `conda:` by three lines: `accept_terms: true`, `accepted_by: NAME` and "
    '`accepted_on: "2026-11-23"`'
)


def conda_faults(document: Document, faults: Faults) -> None:
    """Adds the faults of `conda`; looked up in the text, so that a recipe with other faults has these told as well."""
    recipe = document.value if isinstance(document.value, dict) else {}
    conda = recipe.get("conda")
    if not isinstance(conda, dict):
        return
    accepted = conda.get("accept_terms") is True
    if accepted:
        _who_and_when(conda, faults)
    for path, channel in _texts(conda, "channels"):
        _channel(channel, path, faults, accepted=accepted)
    for path, spec in _texts(conda, "packages"):
        if wrong := spec_fault(spec):
            what, remedy = wrong
            faults.add(what, path, remedy=remedy)


def _texts(conda: dict[str, Any], key: str) -> Iterator[tuple[Path, str]]:
    listed = conda.get(key)
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, str):
            yield ("conda", key, index), entry


def _who_and_when(conda: dict[str, Any], faults: Faults) -> None:
    """Consent that nobody gave is none."""
    lacks = [key for key in ("accepted_by", "accepted_on") if not conda.get(key)]
    if lacks:
        what = f"terms are accepted by somebody on some day: {' and '.join(f'`{key}`' for key in lacks)} missing"
        remedy = 'add `accepted_by: NAME` and `accepted_on: "2026-11-23"`, or remove `accept_terms`'
        faults.add(what, ("conda", "accept_terms"), remedy=remedy)


def _channel(channel: str, path: Path, faults: Faults, *, accepted: bool) -> None:
    if channel in _DEAD:
        what = f"the channel {channel} is dead: nothing was added to it since 2017"
        faults.add(what, path, remedy="remove it; what it had is in conda-forge")
    elif _is_anacondas(channel) and not accepted:
        faults.add(
            f"the channel {channel} is under Anaconda's terms of service, not accepted here", path, remedy=_TERMS
        )
    elif (short := channel.partition("/label/")[0]) in _SHORT:
        faults.add(f"{channel} is no channel's name", path, remedy=f"write {_SHORT[short]}")


def _is_anacondas(channel: str) -> bool:
    return channel.startswith("pkgs/") or channel.partition("/label/")[0] in _ANACONDA
