"""The ways to break an image that its checks have to catch: `builder/data/mutations.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from builder.models.mutation import Mutation

SPELLINGS = "spellings"
"""A key of an entry: one mutation for each; $SPELLING is one of them."""


@cache
def mutations() -> tuple[Mutation, ...]:
    """Every mutation, in the file's order; one with `spellings` once for each."""
    from ruamel.yaml import YAML  # not on the path of `builder --help`

    text = files("builder.data").joinpath("mutations.yaml").read_text(encoding="utf-8")
    return tuple(one for entry in YAML(typ="safe", pure=True).load(text) for one in _spelled(entry))


def _spelled(entry: dict[str, object]) -> list[Mutation]:
    spellings = entry.pop(SPELLINGS, None)
    needs = entry.pop("needs", [])
    plain = {**entry, "needs": tuple(needs) if isinstance(needs, list) else ()}
    if not isinstance(spellings, dict):
        return [Mutation.model_validate(plain)]
    return [
        Mutation.model_validate(
            {**plain, "name": f"{entry['name']}-{name}", "script": f"SPELLING={_quoted(str(text))}\n{entry['script']}"}
        )
        for name, text in spellings.items()
    ]


def _quoted(text: str) -> str:
    """For the shell."""
    return "'" + text.replace("'", "'\\''") + "'"
