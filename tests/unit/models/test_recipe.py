"""The recipe: its schema, what a lock depends on."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from builder.models.recipe import Recipe, schema_text
from builder.models.words import PATTERNS

ROOT = Path(__file__).parents[3]
LEAST = {"name": "a", "base": "b", "checks": ["trust"]}


def recipe(**more) -> Recipe:
    return Recipe.model_validate_json(json.dumps({**LEAST, **more}))


def fits(value: object) -> bool:
    return jsonschema.Draft202012Validator(json.loads(schema_text())).is_valid(value)


def test_the_committed_schema_is_current():
    path = ROOT / "builder" / "data" / "recipe.schema.json"
    assert path.read_text() == schema_text(), "run: builder schema > builder/data/recipe.schema.json"


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_schema_takes_our_recipes(path):
    assert fits(YAML(typ="safe").load(path))


@pytest.mark.parametrize(
    "more",
    [
        {"apt": ["git"]},
        {"apt": {"packages": ["git"]}},
        {
            "checks": [
                "trust",
                {"python": {"version": "3.9", "timeout": 3}},
                {"check": "a", "with": {"b": 1}, "skip": "c"},
            ]
        },
        {"conda": None},
    ],
)
def test_the_schema_and_the_model_take_short_and_long_forms(more):
    assert fits({**LEAST, **more})
    assert recipe(**more)


@pytest.mark.parametrize(
    "more",
    [
        {"apt": "git"},
        {"checks": []},
        {"checks": [{"python": {"timeout": "3"}}]},
        {"checks": [{"python": {}, "trust": {}}]},
        {"checks": [{"check": "a", "wiht": {}}]},
        {"pip": {"package": []}},
        {"python": 3.9},
        {"name": "A"},
    ],
)
def test_the_schema_and_the_model_refuse_the_same(more):
    assert not fits({**LEAST, **more})
    with pytest.raises(ValueError, match="validation error"):
        recipe(**more)


def test_every_pattern_has_words():
    patterns = set(_values(json.loads(schema_text()), "pattern"))
    assert patterns == set(PATTERNS)


def _values(node, key):
    if isinstance(node, dict):
        yield from ([node[key]] if isinstance(node.get(key), str) else [])
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _values(child, key)


@pytest.mark.parametrize(
    "more",
    [
        {"checks": ["python"]},
        {"tags": ["x:1"]},
        {"budget": {"size": "1GB"}},
        {"pip": {"mirrors": ["tuna"]}},
        {"apt": {"mirrors": ["tuna"]}},
        {"purpose": "deployment"},
        {"version": "2"},
    ],
)
def test_a_lock_does_not_depend_on(more):
    assert recipe(**more).inputs_digest() == recipe().inputs_digest()


@pytest.mark.parametrize(
    "more",
    [
        {"base": "c"},
        {"python": "3.11"},
        {"pip": {"packages": ["onnx"]}},
        {"apt": ["git"]},
        {"trust": {"roots": "distribution"}},
    ],
)
def test_a_lock_depends_on(more):
    assert recipe(**more).inputs_digest() != recipe().inputs_digest()


def test_a_lock_depends_on_the_text_of_the_site_s_roots():
    assert recipe().inputs_digest(("a",)) != recipe().inputs_digest(("b",)) != recipe().inputs_digest()


def test_what_is_not_built_yet_is_refused():
    with pytest.raises(ValidationError, match="pins cannot be built yet"):
        recipe(trust={"pins": ["a.example"]})
