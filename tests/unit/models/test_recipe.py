"""The recipe: its schema, what a lock depends on."""

from __future__ import annotations

import base64
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


A, B = "a" * 64, "b" * 64


def test_a_pin_is_a_root_a_backup_and_a_key():
    key = "q" * 43 + "="
    pin = {"host": "mirror.site:8443", "root": A, "backup": B, "key": key}
    (found,) = recipe(trust={"pins": [pin]}).trust.pins
    assert found.key_sha256 == base64.b64decode(key).hex()
    assert recipe(trust={"pins": [pin | {"key": found.key_sha256}]}).trust.pins[0].key_sha256 == found.key_sha256


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        ([{"host": "m.site", "root": A, "backup": A}], "the backup is the root itself"),
        ([{"host": "m.site", "root": A}], "Field required"),
        ([{"host": "m.site", "root": A[:40], "backup": B}], "should match pattern"),
        ([{"host": "m.site", "root": A, "backup": B, "key": "sha1"}], "should match pattern"),
        ([{"host": "https://m.site/", "root": A, "backup": B}], "should match pattern"),
        ([{"host": "m.site:65536", "root": A, "backup": B}], "no port is above 65535"),
        ([{"host": "m.site", "root": A, "backup": B}] * 2, "m.site is pinned twice"),
        (["m.site"], "should be an object"),
    ],
)
def test_a_pin_that_could_not_hold_is_refused(pins, said):
    with pytest.raises(ValidationError, match=said):
        recipe(trust={"pins": pins})


def test_a_lock_depends_on_the_pins():
    pins = [{"host": "m.site", "root": A, "backup": B}]
    assert recipe(trust={"pins": pins}).inputs_digest() != recipe().inputs_digest()
