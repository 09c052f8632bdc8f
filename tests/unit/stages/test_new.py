"""The recipe that `builder new` writes."""

from __future__ import annotations

import pytest

from builder.adapters.catalog import load_catalog
from builder.checks import CHECKS
from builder.errors import RecipeError
from builder.models.recipe import Recipe
from builder.stages.load import parse_recipe
from builder.stages.new import starter

CATALOG = load_catalog()
KNOWN = {name: check.arguments for name, check in CHECKS.items()}


@pytest.mark.parametrize("purpose", ["training", "deployment"])
@pytest.mark.parametrize("base", CATALOG.bases)
def test_every_base_and_purpose_gives_a_recipe_that_parses(base, purpose):
    text = starter("mine", base=base, catalog=CATALOG, purpose=purpose)
    recipe = parse_recipe(text, "recipes/mine.yaml", bases=CATALOG.bases, checks=KNOWN)
    assert (recipe.name, recipe.base, recipe.purpose) == ("mine", base, purpose)
    assert recipe.conda or recipe.python in CATALOG.bases[base].python


def test_on_a_base_without_python_conda_brings_it_and_nothing_is_asked_of_apt():
    text = starter("mine", base="almalinux-9", catalog=CATALOG)
    recipe = parse_recipe(text, "recipes/mine.yaml", bases=CATALOG.bases, checks=KNOWN)
    assert recipe.conda is not None
    assert (recipe.python, recipe.conda.packages) == ("3.9", ("pip",))
    assert "apt:" not in text


def test_every_key_is_in_it():
    training, deployment = (
        starter("mine", base="debian-bullseye", catalog=CATALOG, purpose=purpose)
        for purpose in ("training", "deployment")
    )
    assert [key for key in Recipe.model_fields if f"{key}:" not in training + deployment] == []


def test_its_model_is_one_when_the_comment_signs_are_taken_away():
    text = starter("mine", base="debian-bullseye", catalog=CATALOG, purpose="deployment")
    begin = text.index("# model:")
    end = text.index("\n\n", begin)
    lines = "\n".join(line[2:] for line in text[begin:end].splitlines())
    recipe = parse_recipe(text[:begin] + lines + text[end:], "recipes/mine.yaml", bases=CATALOG.bases, checks=KNOWN)
    assert recipe.model is not None
    assert (recipe.model.paths(), recipe.serve) == (("net.onnx", "samples.npz"), True)
    assert recipe.tools() == ("onnx==1.19.1", "numpy", "onnxruntime")


def test_its_conda_is_one_when_the_comment_signs_are_taken_away():
    text = starter("mine", base="debian-bookworm", catalog=CATALOG)
    begin = text.index("# conda:")
    end = text.index("\n\n", begin)
    lines = "\n".join(line[2:] for line in text[begin:end].splitlines())
    recipe = parse_recipe(text[:begin] + lines + text[end:], "recipes/mine.yaml", bases=CATALOG.bases, checks=KNOWN)
    assert recipe.conda is not None
    assert (recipe.conda.channels, recipe.conda.packages) == (("conda-forge",), ("pip",))


@pytest.mark.parametrize("name", ["123", "1e3", "null", "true", "3.9", "0x10", "a.b_c-d"])
def test_a_name_that_yaml_would_take_for_something_else_is_quoted(name):
    text = starter(name, base="debian-bullseye", catalog=CATALOG)
    assert parse_recipe(text, "r.yaml").name == name


@pytest.mark.parametrize("name", ["../x", "a b", "", "A", "a\n", "x\npurpose: deployment"])
def test_a_name_that_no_recipe_can_have_is_refused(name):
    with pytest.raises(RecipeError, match="no name for a recipe") as caught:
        starter(name, base="debian-bullseye", catalog=CATALOG)
    assert caught.value.seen == name
    assert caught.value.remedy == "use lower-case letters, digits, `.`, `_`, `-`; 63 at most"


def test_an_unknown_base_names_those_that_there_are():
    with pytest.raises(RecipeError, match="no such base") as caught:
        starter("mine", base="windows", catalog=CATALOG)
    assert caught.value.seen == "windows"
    assert (caught.value.remedy or "").startswith("one of debian-bullseye, ")
