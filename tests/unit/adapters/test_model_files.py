"""A model's own files: named by the recipe, known by hash, copied into the store."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from builder.adapters.project import Loaded, Project
from builder.adapters.store.content import Store
from builder.errors import RecipeError


def project(folder: Path, **model: object) -> Project:
    recipe = {
        "name": "a",
        "base": "b",
        "purpose": "deployment",
        "model": {"factory": "net:model", "calibration": "net:samples", **model},
        "checks": ["trust"],
    }
    (folder / "recipes").mkdir(exist_ok=True)
    (folder / "recipes" / "a.yaml").write_text(json.dumps(recipe))
    return Project(folder)


def load(given: Project) -> Loaded:
    return given.load("a", bases=["b"], checks={"trust": {}})


def test_a_file_is_known_by_its_hash_and_its_path_below_the_recipe(tmp_path: Path) -> None:
    given = project(tmp_path, files=["net/part.py"])
    (tmp_path / "recipes/net").mkdir()
    (tmp_path / "recipes/net/part.py").write_text("x = 1\n")
    (file,) = load(given).files
    assert (file.source, file.path, file.size) == ("recipe", "net/part.py", 6)
    assert file.sha256 == sha256(b"x = 1\n").hexdigest()


def test_a_changed_file_makes_the_lock_stale(tmp_path: Path) -> None:
    given = project(tmp_path, files=["net.py"])
    source = tmp_path / "recipes/net.py"
    source.write_text("x = 1\n")
    before = load(given)
    source.write_text("x = 2\n")
    after = load(given)
    assert before.recipe.inputs_digest((), before.files) != after.recipe.inputs_digest((), after.files)


def test_a_file_comes_into_the_store_as_it_is(tmp_path: Path) -> None:
    given, store = project(tmp_path, files=["net.py"]), Store(tmp_path / "store")
    (tmp_path / "recipes/net.py").write_text("x = 1\n")
    (file,) = load(given).files
    given.put(file, store)
    assert store.path(file).read_text() == "x = 1\n"
    assert (tmp_path / "recipes/net.py").exists()


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(project(tmp_path, files=["net.py"]))
    assert caught.value.what == "the model's file net.py cannot be read"
    assert caught.value.seen == "No such file or directory"


def test_two_names_of_one_content_are_refused_and_one_name_in_two_folders_is_not(tmp_path: Path) -> None:
    given = project(tmp_path, files=["a/__init__.py", "b/__init__.py"])
    for path in ("a/__init__.py", "b/__init__.py", "c.py"):
        (tmp_path / "recipes" / path).parent.mkdir(exist_ok=True)
        (tmp_path / "recipes" / path).write_text("")
    assert [file.path for file in load(given).files] == ["a/__init__.py", "b/__init__.py"]
    with pytest.raises(RecipeError, match="hold the same bytes under two names"):
        load(project(tmp_path, files=["a/__init__.py", "c.py"]))
