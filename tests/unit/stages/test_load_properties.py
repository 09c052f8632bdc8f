"""Whatever a recipe's text is: a recipe comes out, or faults with their places, and nothing else."""

from __future__ import annotations

import json
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from builder.errors import Fault, RecipeError
from builder.models.recipe import Recipe
from builder.stages import yamltext
from builder.stages.load import parse_recipe

CHECKS = {"trust": {}, "python": {"version": lambda v: None if isinstance(v, str) else "has to be a text"}}


def outcome(text: str | bytes) -> Recipe | tuple[Fault, ...]:
    try:
        return parse_recipe(text, "r.yaml", bases={"b"}, checks=CHECKS)
    except RecipeError as error:
        return error.faults


def read_or_refuse(text: str | bytes) -> None:
    found = outcome(text)
    if not isinstance(found, Recipe):
        assert found
        assert all(f.what and f.where and f.where.startswith("r.yaml:") for f in found)


@given(st.binary(max_size=400))
@example(b"\xff\xfe")
@example(b"- " * 30_000)
@example(b"[" * 60_000)
@example(b"{a: " * 60_000)
@example(b"%YAML 9.9\n---\na")
@example(b"name: " + b"9" * 5000)
@example(b"name: 1e999")
@example(b'"\\ud800"')
def test_no_bytes_crash_it(data):
    read_or_refuse(data)


WORDS = [
    "name",
    "base",
    "checks",
    "pip",
    "packages",
    "apt",
    "trust",
    "python",
    "with",
    "check",
    "timeout",
    "cuda",
    "tags",
    "null",
    "true",
    "3.9",
    "a",
    "b",
]
SIGNS = [*"[]{},:?-&*!|>'\"%@`#~", "\n", "  ", ": ", "- ", "\t", "&a", "*a", "<<", "---\n", "...\n", "!!str "]
YAMLISH = st.lists(st.sampled_from([*SIGNS, *WORDS]), max_size=60).map("".join)


@settings(max_examples=300, deadline=None)
@given(YAMLISH)
def test_no_text_crashes_it(text):
    read_or_refuse(text)


@settings(max_examples=100, deadline=None)
@given(YAMLISH)
def test_python_s_own_parser_is_as_safe(text):
    with patch.object(yamltext, "YAML", lambda typ: YAML(typ=typ, pure=True)):
        read_or_refuse(text)


KEYS = ["packages", "mirrors", "roots", "extra", "check", "with", "skip", "timeout", "trust", "python", "runtime", "a"]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(Recipe.model_fields)), VALUES))
def test_no_values_crash_it(value):
    read_or_refuse(json.dumps(value))
