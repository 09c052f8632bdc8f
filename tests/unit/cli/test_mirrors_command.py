"""`builder mirrors`, as it is called, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builder.cli.app import app

RECIPE = """\
name: mine
base: debian-bookworm
conda:
  installer: miniforge
  channels: [bioconda, conda-forge]
  mirrors: [tuna, ustc, nju]
pip:
  packages: [six]
  mirrors: [sjtu, upstream]
checks: [trust]
"""


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["mirrors", *arguments])


def test_the_list_shows_what_each_carries_and_who_stands_behind() -> None:
    shown = call("list")
    assert shown.exit_code == 0
    rows = {line.split()[0]: line for line in shown.stdout.splitlines() if line}
    assert list(rows)[:3] == ["mirror", "tuna", "ustc"]
    assert "tuna (conda-forge bioconda pypi)" in rows["ustc"]
    assert "any other" in rows["official"]
    entry = json.loads(call("list", "--json").stdout)["mirrors"]["tuna"]
    assert entry["conda"]["conda-forge"] == "https://mirrors.tuna.tsinghua.edu.cn/anaconda/cloud/conda-forge"
    assert entry["debian-security"]


def test_the_installers_are_listed_with_who_vouches_for_each() -> None:
    rows = [line for line in call("list", "--installers").stdout.splitlines() if line.startswith("mini")]
    assert len(rows) == 8
    assert "pyenv's definitions, conda's own table of installers" in rows[4]
    assert rows[6].split()[:4] == ["miniforge", "26.3.2-3", "3.13", "amd64"]
    known = json.loads(call("list", "--installers", "--json").stdout)["installers"]
    assert known[0]["vouched"] == ["pyenv's definitions"]


def test_three_mirrors_that_are_two_are_told_without_asking_anybody() -> None:
    shown = call("independence", "tuna", "ustc", "nju", "--channel", "conda-forge", "--offline")
    assert (shown.exit_code, shown.stdout.splitlines()[1].split()) == (
        0,
        ["conda-forge", "3", "2", "tuna", "=", "ustc;", "nju"],
    )
    assert "warning: conda-forge: 3 mirrors, 2 independent: tuna, ustc are one" in shown.stdout
    found = json.loads(call("independence", "tuna", "nju", "--offline", "--json").stdout)
    assert ([s["independent"] for s in found["sources"]], found["warnings"]) == ([2] * 6, [])


def test_a_recipes_own_mirrors_and_channels_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/mine.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    found = json.loads(call("independence", "--recipe", "mine", "--offline", "--json").stdout)
    assert [(s["source"], [b["names"] for b in s["backends"]]) for s in found["sources"]] == [
        ("bioconda", [["tuna", "ustc"], ["nju"]]),
        ("conda-forge", [["tuna", "ustc"], ["nju"]]),
        ("miniforge", [["tuna"], ["nju"]]),
        ("pypi", [["sjtu"], ["upstream"]]),
        ("debian", [["upstream"]]),
        ("debian-security", [["upstream"]]),
    ]


def test_a_mirror_that_nobody_knows_is_told_with_the_nearest_name() -> None:
    for verb in ("probe", "independence"):
        shown = call(verb, "tunna")
        assert shown.exit_code == 3
        assert "did you mean tuna?" in shown.stderr


def test_mirrors_that_carry_nothing_of_what_is_asked_for_are_told() -> None:
    shown = call("probe", "huawei", "--channel", "conda-forge", "--subdir", "noarch")
    assert shown.exit_code == 3
    assert "none of these mirrors carries conda-forge/noarch" in shown.stderr
    assert "`builder mirrors list` shows what each carries" in shown.stderr


def test_the_sites_own_mirrors_are_listed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.yaml").write_text("ours: {conda: {conda-forge: https://nexus.test/conda-forge}}\n")
    monkeypatch.setenv("BUILDER_MIRRORS", str(tmp_path / "m.yaml"))
    assert next(iter(json.loads(call("list", "--json").stdout)["mirrors"])) == "ours"
