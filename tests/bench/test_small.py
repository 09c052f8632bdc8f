"""The bench itself works: a small recipe through every scenario, the build cache left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests_root import ROOT

pytestmark = [pytest.mark.bench, pytest.mark.engine, pytest.mark.upstream]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.bench", *options]
    return subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_the_bench_measures_a_small_recipe_in_every_scenario(tmp_path: Path) -> None:
    done = bench("--small", "--keep-cache", "--json", str(tmp_path / "bench.json"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert list(found["ratios"]) == [
        "empty build cache",
        "nothing changed",
        "CA bundle changed",
        "one small wheel changed",
    ]
    new = {(r["contender"], r["scenario"]): r["new_layers"] for r in found["runs"]}
    for contender in ("builder", "builder, from the same base"):
        assert [new[contender, scenario] for scenario in found["ratios"]] == [3, 0, 1, 1]
    assert new["plain Dockerfile", "nothing changed"] == 0
    assert new["plain Dockerfile", "CA bundle changed"] == 3
    left = subprocess.check_output(["docker", "images", "--format", "{{.Repository}}"], text=True)
    assert "builder-bench" not in left


def test_the_build_cache_is_not_emptied_unasked(tmp_path: Path) -> None:
    done = bench("--json", str(tmp_path / "bench.json"))
    assert done.returncode == 1
    assert done.stderr == "nothing was done: --yes empties the build cache, --keep-cache leaves it alone\n"
