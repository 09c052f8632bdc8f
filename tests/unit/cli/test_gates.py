"""What a scheduled job runs: in the wrong folder, with a fault in one of several recipes, on streams that are odd."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from builder.cli.app import app
from builder.cli.errors import report
from builder.errors import CheckFailed
from builder.pipeline import Outcomes


def builder(*argv: str, cwd: Path) -> Any:
    with pytest.MonkeyPatch.context() as here:
        here.chdir(cwd)
        return CliRunner().invoke(app, argv)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recipes, none of them locked."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        assert CliRunner().invoke(app, ["new", name]).exit_code == 0
    return tmp_path


GATES = (["certs", "expiring"], ["render", "--check"], ["lock", "--all"], ["fetch", "--all"], ["build", "--all"])


@pytest.mark.parametrize("argv", GATES, ids=" ".join)
def test_a_gate_in_a_folder_without_recipes_fails(argv: list[str], tmp_path: Path) -> None:
    done = builder(*argv, "--json", cwd=tmp_path)
    assert done.exit_code == 3
    assert json.loads(done.stdout)["error"]["what"] == "there is no recipe here"


@pytest.mark.parametrize("argv", [["render", "--check"], ["build", "one"]], ids=" ".join)
def test_a_gate_below_the_project_names_the_project(argv: list[str], project: Path) -> None:
    below = project / "images" / "one"
    below.mkdir(parents=True)
    done = builder(*argv, cwd=below)
    assert done.exit_code == 3
    assert f"to do: run it in {project}, where recipes/ is" in done.stderr


def test_certificates_of_nothing_locked_are_no_good_ones(project: Path) -> None:
    done = builder("certs", "expiring", cwd=project)
    assert (done.exit_code, done.stdout) == (4, "")
    assert "no recipe here is locked" in done.stderr


def test_a_rendering_whose_lock_is_gone_is_no_agreement(project: Path) -> None:
    assert builder("render", "--check", cwd=project).exit_code == 0
    (project / "images" / "one").mkdir(parents=True)
    done = builder("render", "--check", cwd=project)
    assert done.exit_code == 4
    assert "recipes/one.lock" in done.stderr


@pytest.mark.parametrize("word", ["recipes/one.yaml", "recipes/one", "one.yaml"])
def test_a_recipe_may_be_named_as_its_file(word: str, project: Path) -> None:
    done = builder("build", word, "--dry-run", "--json", "--until", "lock", cwd=project)
    assert json.loads(done.stdout) == {"foreseen": [{"name": "one", "lock": "made"}]}


def test_faults_of_all_recipes_come_before_anything_is_done(project: Path) -> None:
    for name in ("one", "two"):
        recipe = project / "recipes" / f"{name}.yaml"
        recipe.write_text(recipe.read_text().replace("\npurpose:", "\npurpos:"))
    done = builder("build", "--all", "--json", cwd=project)
    assert done.exit_code == 3
    wheres = [fault["where"] for fault in json.loads(done.stdout)["error"]["faults"]]
    assert {where.partition(":")[0] for where in wheres} == {"recipes/one.yaml", "recipes/two.yaml"}


def test_a_recipe_that_fails_stops_no_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the run itself is made up."""

    def run(_place: object, name: str, *_: object) -> Outcomes:
        if name == "one":
            raise CheckFailed("a check failed")
        return Outcomes(name=name)

    monkeypatch.setattr("builder.pipeline.run", run)
    done = CliRunner().invoke(app, ["build", "--all", "--json"])
    assert done.exit_code == CheckFailed.exit_code
    told = json.loads(done.stdout)
    assert [image["name"] for image in told["images"]] == ["two"]
    assert [(e["name"], e["error"]["what"]) for e in told["errors"]] == [("one", "a check failed")]


@pytest.mark.parametrize(("name", "code"), [("/nowhere/x.tar", 12), ("recipes/x", 12), ("a-program", 70)])
def test_a_file_that_cannot_be_used_is_a_matter_of_the_disk_and_a_missing_program_is_not(name: str, code: int) -> None:
    assert report(FileNotFoundError(2, "No such file or directory", name)) == code


def test_closed_output_and_an_encoding_that_lacks_characters_stop_nothing(project: Path) -> None:
    builder, how = f"{sys.executable} -m builder", {"cwd": project, "capture_output": True}
    assert subprocess.run(["sh", "-c", f"exec {builder} mirrors list >&-"], check=False, **how).returncode == 0
    done = subprocess.run(["sh", "-c", f"PYTHONIOENCODING=ascii exec {builder} build é"], check=False, **how)
    assert done.returncode == 3
    assert b"there is no recipe" in done.stderr
