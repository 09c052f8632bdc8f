"""What BuildKit itself makes of quoted texts: they come out of the image as they went in."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_project import PREFIX, inspect

from builder.stages.render import exec_form, quoted

pytestmark = pytest.mark.engine

IMAGE = f"{PREFIX}-quoting"
SPECIAL = "\"'`$\\{}()<>|&;#= \t%~*?!-ab"
_DRAWN = random.Random(0)

TEXTS = (
    "",
    " ",
    "$HOME ${PATH} ${PATH:-x} $(id) `id`",
    '"; RUN id; "',
    "it's",
    "ends in a backslash \\",
    '\\" \\$HOME \\\\ \\n \\',
    "# no comment",
    "<<EOF",
    "a=b c=d",
    "${",
    "tab\there, \x0b\x0c\x1c\x85\u2028\u2029 and \u65e5\u672c\u8a9e \U0001f600",
    *("".join(_DRAWN.choices(SPECIAL, k=_DRAWN.randrange(1, 30))) for _ in range(40)),
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """The configuration of an image that has every text as a variable, as a label and as an argument."""
    folder: Path = tmp_path_factory.mktemp("quoting")
    lines = [f"ENV TEXT_{n}={quoted(text)}\nLABEL text.{n}={quoted(text)}" for n, text in enumerate(TEXTS)]
    dockerfile = "\n".join(["FROM scratch", *lines, f"CMD {exec_form(TEXTS)}", ""])
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--load", f"--tag={IMAGE}", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield inspect(IMAGE)["Config"]
    subprocess.run(["docker", "rmi", IMAGE], check=True, capture_output=True)


def test_variables_come_out_as_they_went_in(config: dict[str, list[str]]) -> None:
    assert [e for e in config["Env"] if e.startswith("TEXT_")] == [f"TEXT_{n}={text}" for n, text in enumerate(TEXTS)]


def test_labels_come_out_as_they_went_in(config: dict[str, dict[str, str]]) -> None:
    assert config["Labels"] == {f"text.{n}": text for n, text in enumerate(TEXTS)}


def test_arguments_come_out_as_they_went_in(config: dict[str, list[str]]) -> None:
    assert tuple(config["Cmd"]) == TEXTS
