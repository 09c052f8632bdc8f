"""What the README shows is what the program says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from tests_root import ROOT

from builder.adapters.project import Project
from builder.cli.errors import exit_codes
from builder.models.reference import reference
from builder.pipeline.workplace import Workplace
from builder.stages.questions import expected

README = (ROOT / "README.md").read_text(encoding="utf-8")


def bases() -> str:
    argv = [sys.executable, "-m", "builder", "new", "--list-bases"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
    return "".join(f"    {line}\n" for line in ("$ builder new --list-bases", *done.stdout.splitlines()))


def codes() -> str:
    return "| code | meaning |\n|---:|---|\n" + "".join(f"| {code} | {meaning} |\n" for code, meaning in exit_codes())


def recipe() -> str:
    return f"```yaml\n{(ROOT / 'recipes/quickstart.yaml').read_text(encoding='utf-8')}```\n"


@pytest.mark.parametrize("block", [bases, codes, recipe, reference])
def test_the_readme_shows_it_as_it_is(block) -> None:
    assert block() in README


def test_the_run_that_it_shows_has_todays_checks_and_files() -> None:
    quickstart = Workplace(Project(ROOT)).load("quickstart").recipe
    shown = README[README.index("$ builder build quickstart") : README.index("And again")]
    rows = re.findall(r"^    ([a-z-]+) +(?:PASS|UNPROVEN) ", shown, re.MULTILINE)
    assert tuple(rows) == expected(quickstart)
    rendered = [path for path in (ROOT / "images/quickstart").rglob("*") if path.is_file()]
    assert f"0 of {len(rendered)} files changed" in shown


def test_the_picture_of_the_report_is_there() -> None:
    assert "](.assets/report.svg)" in README
    picture = (ROOT / ".assets/report.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert re.findall(r"https?://[^\s\"]+", picture) == ["http://www.w3.org/2000/svg", "https://www.textualize.io"]
