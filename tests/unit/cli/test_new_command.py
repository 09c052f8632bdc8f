"""`builder new` and `builder schema`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from builder.cli.app import app


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str):
    return CliRunner().invoke(app, list(args))


def test_new_writes_a_recipe_and_says_what_is_next(here):
    result = run("new", "mine")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "recipes/mine.yaml is written. Look through it, then:\n\n  builder build mine\n"
    assert "name: mine\n" in (here / "recipes" / "mine.yaml").read_text()


def test_new_overwrites_nothing(here):
    (here / "recipes").mkdir()
    (here / "recipes" / "mine.yaml").write_text("precious")
    result = run("new", "mine")
    assert result.exit_code == 3
    assert result.stderr == (
        "error: the recipe is there already\n  where: recipes/mine.yaml\n  to do: another name, or --force\n"
    )
    assert (here / "recipes" / "mine.yaml").read_text() == "precious"


def test_new_with_force_overwrites(here):
    run("new", "mine")
    assert run("new", "mine", "--force", "--purpose", "deployment").exit_code == 0
    assert "purpose: deployment" in (here / "recipes" / "mine.yaml").read_text()


def test_new_writes_nothing_for_a_bad_name(here):
    assert run("new", "../mine").exit_code == 3
    assert list(here.rglob("*.yaml")) == []


def test_new_that_cannot_write_is_a_disk_error(here):
    (here / "recipes").write_text("a file where the folder should be")
    result = run("new", "mine")
    assert result.exit_code == 12
    assert result.stderr.startswith("error: cannot write the recipe\n  where: recipes/mine.yaml\n  seen: ")


def test_new_without_a_name_is_a_usage_error(here):
    result = run("new")
    assert result.exit_code == 2
    assert "a name is needed, as in `builder new mine`" in result.stderr


def test_the_bases_are_listed(here):
    lines = run("new", "--list-bases").stdout.splitlines()
    assert lines[0].split() == ["base", "what", "it", "is"]
    assert any(line.startswith("debian-bullseye ") for line in lines)


def test_the_bases_are_listed_for_machines_too(here):
    listed = json.loads(run("new", "--list-bases", "--json").stdout)
    assert {"base", "summary"} == set(listed[0])
    assert "debian-bullseye" in [one["base"] for one in listed]
    assert run("new", "mine", "--json").exit_code == 2


def test_schema_is_json(here):
    assert json.loads(run("schema").stdout)["title"] == "Recipe"
