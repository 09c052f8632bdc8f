"""The condarc check, in a Debian 11 with a conda of Miniconda's shape (the farm's: its conda is a stand-in)."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from farm import make_installer
from farm.fixtures import python39  # noqa: F401 - a fixture
from image_lab import BUNDLE, Files, Lab, Link, root

from builder.conda.condarc import condarc
from builder.conda.configuration import MIRRORS, plugin_files
from builder.models.recipe import Conda, Recipe
from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = pytest.mark.engine

ROOTS = ("https://one.example/conda-forge", "https://two.example/conda-forge")
SITE = "/opt/conda/lib/python3.9/site-packages"
BAKED = "/opt/conda/.condarc"
REMEDY = f": take it out, {BAKED} says what is right"


def baked() -> dict[str, str]:
    recipe = Recipe.model_validate({"name": "sample", "base": "y", "checks": ["trust"]}, strict=False)
    text = condarc(recipe.model_copy(update={"conda": Conda()}), ("conda-forge",), {"conda-forge": ROOTS})
    mirrors = json.dumps({"channels": {"conda-forge": ROOTS}})
    return {BAKED: text, MIRRORS: mirrors, **{file.path: file.content for file in plugin_files(SITE)}}


@pytest.fixture(scope="module")
def conda_lab(lab: Lab, python39: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:  # noqa: F811
    """The lab's image with the bundle and a conda at /opt/conda, as yet without what is baked beside it."""
    folder = tmp_path_factory.mktemp("conda")
    installer = make_installer(folder, python=python39)
    prefix = folder / "prefix"
    subprocess.run(["sh", str(installer), "-b", "-p", str(prefix)], check=True, capture_output=True)
    kept = (p for p in sorted(prefix.rglob("*")) if (p.is_symlink() or p.is_file()) and "pkgs" not in p.parts)
    files = {
        f"/opt/conda/{p.relative_to(prefix)}": Link(str(p.readlink())) if p.is_symlink() else p.read_bytes()
        for p in kept
    }
    return replace(lab, rootfs=lab.image({**files, BUNDLE: root("A Root")}))


def asked(lab: Lab, changed: Files | None = None, *, without: str = "", **env: str) -> Answer:
    """The check's answer about the baked files with these changes."""
    files = {path: text for path, text in baked().items() if not without or without not in path}
    return lab.ask("condarc", lab.image({**files, **(changed or {})}, env), channels=["conda-forge"])


def problems(answer: Answer) -> list[str]:
    assert answer.outcome is Outcome.FAIL, answer
    return answer.evidence["problems"]  # type: ignore[return-value]


def test_baked_configuration_passes(conda_lab: Lab) -> None:
    answer = asked(conda_lab)
    assert answer.outcome is Outcome.PASS, answer
    assert answer.summary == (
        f"conda-forge, strict, verified by {BUNDLE}, in every configuration file (1); the failover plugin is loaded"
    )
    assert list(answer.evidence["files"]) == [BAKED]  # type: ignore[call-overload]


def test_user_file_that_agrees_passes(conda_lab: Lab) -> None:
    answer = asked(conda_lab, {"/root/.condarc": f"ssl_verify: {BUNDLE}\nalways_yes: true\n"})
    assert answer.outcome is Outcome.PASS, answer


def test_verification_that_a_users_file_changes_fails(conda_lab: Lab) -> None:
    values = {"ann": "false", "bea": "no", "cat": "''", "dan": "", "eve": "/etc/passwd", "fay": "~"}
    found = problems(asked(conda_lab, {f"/home/{n}/.condarc": f"ssl_verify: {v}\n" for n, v in values.items()}))
    assert len(found) == len(values)
    for name, problem in zip(values, found, strict=True):
        assert problem.startswith(f"ssl_verify in /home/{name}/.condarc is ")
        assert problem.endswith(f", not {BUNDLE}{REMEDY}")


def test_file_that_contradicts_fails_wherever_it_stands(conda_lab: Lab) -> None:
    files = {
        "/etc/conda/.condarc": "channel_priority: flexible\n",
        "/home/ann/.conda/.condarc": "ssl_verify: true\n\tchannels: []\n",
        "/home/ann/.condarc": "channels: [defaults]\n",
        "/home/ann/.config/conda/condarc.d/m.yml": "custom_channels: {internal: http://mirror.example}\n",
        "/opt/conda/envs/x/.condarc": "default_channels: [https://m.example/pkgs/free]\n",
    }
    assert problems(asked(conda_lab, files))[:5] == [
        f"channel_priority in /etc/conda/.condarc is 'flexible', not strict{REMEDY}",
        "/home/ann/.conda/.condarc cannot be read, conda ignores all of it: while scanning for the next token",
        f"channels in /home/ann/.condarc is ['defaults'], the recipe's are ['conda-forge']{REMEDY}",
        (
            "custom_channels in /home/ann/.config/conda/condarc.d/m.yml has http://mirror.example: over plain http "
            "anyone may change what arrives; name its https address"
        ),
        f"default_channels in /opt/conda/envs/x/.condarc has https://m.example/pkgs/free, which is dead{REMEDY}",
    ]


def test_variable_that_beats_the_files_fails(conda_lab: Lab) -> None:
    found = problems(asked(conda_lab, CONDA_SSL_VERIFY="false"))
    assert found[0] == (
        "CONDA_SSL_VERIFY is set ('false') and beats every file: take it out of the image's environment"
    )


def test_missing_baked_file_fails(conda_lab: Lab) -> None:
    found = problems(asked(conda_lab, without=".condarc"))
    assert found[0] == f"there is no {BAKED}: the build writes it"
    assert any(text.startswith("conda verifies with ") for text in found)


def test_missing_plugin_fails(conda_lab: Lab) -> None:
    (problem,) = problems(asked(conda_lab, without="builder_failover"))
    assert problem.startswith("conda has not loaded the plugin builder-failover, only [")


def test_plugin_that_conda_cannot_find_fails(conda_lab: Lab) -> None:
    (problem,) = problems(asked(conda_lab, without="entry_points.txt"))
    assert problem.startswith("conda has not loaded the plugin builder-failover, only [")


def test_plugin_that_mounts_nothing_fails(conda_lab: Lab) -> None:
    found = problems(asked(conda_lab, {f"{SITE}/builder_failover/hook.py": "def loaded(): ...\n"}))
    assert found[0].startswith("requests to https://one.example/conda-forge do not pass through the failover")


def test_image_without_conda_fails(lab: Lab) -> None:
    answer = lab.ask("condarc", lab.image({}), channels=["conda-forge"])
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("there is no conda at /opt/conda: ")
