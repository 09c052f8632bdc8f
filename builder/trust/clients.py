"""Which clients a cause is about: a table that tests on this machine's own clients hold to be true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_EVERY = "every client"


@dataclass(frozen=True, kw_only=True)
class Affected:
    """Who refuses, who accepts all the same, and why."""

    refuse: tuple[str, ...]
    accept: tuple[str, ...] = ()
    why: str = ""


def affected(cause: str) -> Affected | None:
    """None for a cause that is not about certificates."""
    found = _table().get(cause)
    if found is None:
        return None
    refuse, accept = found.get("refuse", [_EVERY]), found.get("accept", [])
    return Affected(refuse=tuple(refuse), accept=tuple(accept), why=found.get("why", ""))


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - not on the path of `builder --help`

    text = resources.files("builder.data").joinpath("clients.yaml").read_text(encoding="utf-8")
    table: Mapping[str, Mapping[str, Any]] = YAML(typ="safe").load(text)
    return table
