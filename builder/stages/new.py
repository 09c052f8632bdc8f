"""new: a name, a base and a purpose -> the text of a commented recipe."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from jinja2 import Environment, StrictUndefined

from builder.errors import RecipeError
from builder.models.recipe import NAME_PATTERN
from builder.models.words import PATTERNS
from builder.stages.yamltext import resolve

if TYPE_CHECKING:
    from builder.models.catalog import BaseEntry, Catalog

Purpose = Literal["training", "deployment"]

_CONDAS_PYTHON = "3.9"
"""Where the base brings none."""


def starter(name: str, *, base: str, catalog: Catalog, purpose: Purpose = "training") -> str:
    """A recipe to start from, every key explained. Raises RecipeError for a bad name or an unknown base."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise RecipeError("no name for a recipe", seen=name, remedy=f"use {PATTERNS[NAME_PATTERN]}")
    entry = _entry(base, catalog)
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - YAML
    environment.filters["scalar"] = _scalar
    template = environment.from_string(
        files("builder.templates").joinpath("recipe.yaml.j2").read_text(encoding="utf-8")
    )
    own = next(iter(entry.python), None)
    text = template.render(
        name=name, base=base, summary=entry.summary, python=own or _CONDAS_PYTHON, conda=own is None, purpose=purpose
    )
    return text.rstrip("\n") + "\n"


def _entry(base: str, catalog: Catalog) -> BaseEntry:
    if base in catalog.bases:
        return catalog.bases[base]
    known = ", ".join(catalog.bases)
    raise RecipeError("no such base", seen=base, remedy=f"one of {known}; `builder new --list-bases` describes them")


def _scalar(text: str) -> str:
    """The text as YAML reads it back: `123` and `null` are names too, in quotes."""
    return text if isinstance(resolve(text), str) else f'"{text}"'
