"""The ways to break an image that its checks have to catch: `builder/data/mutations.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from builder.models.mutation import Mutation

SPELLINGS = "spellings"
"""A key of an entry: one mutation for each; $SPELLING is one of them, in the script and in the variables' values."""


@cache
def mutations() -> tuple[Mutation, ...]:
    """Every mutation, in the file's order; one with `spellings` once for each."""
    from ruamel.yaml import YAML  # not on the path of `builder --help`

    text = files("builder.data").joinpath("mutations.yaml").read_text(encoding="utf-8")
    return tuple(one for entry in YAML(typ="safe", pure=True).load(text) for one in _spelled(entry))


def _spelled(entry: dict[str, object]) -> list[Mutation]:
    spellings = entry.pop(SPELLINGS, None)
    if not isinstance(spellings, dict):
        return [_made(entry)]
    return [_made({**entry, "name": f"{entry['name']}-{name}"}, spelling=str(text)) for name, text in spellings.items()]


def _made(entry: dict[str, object], spelling: str | None = None) -> Mutation:
    needs, variables = entry.get("needs", []), entry.get("variables", {})
    assert isinstance(needs, list)
    assert isinstance(variables, dict)
    values = {
        name: value if spelling is None else value.replace("$SPELLING", spelling) for name, value in variables.items()
    }
    script = str(entry.get("script", ":\n"))
    told = script if spelling is None else f"SPELLING={_quoted(spelling)}\n{script}"
    return Mutation.model_validate(
        {**entry, "needs": tuple(needs), "variables": tuple(sorted(values.items())), "script": told}
    )


def _quoted(text: str) -> str:
    """For the shell."""
    return "'" + text.replace("'", "'\\''") + "'"
