"""`builder doctor engine`: what it prints, and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "builder", "doctor", "engine", *arguments]
    return subprocess.run(argv, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_no_engine_is_exit_code_8_with_what_was_seen_and_what_to_do() -> None:
    done = doctor(DOCKER_HOST="unix:///nonexistent")
    assert done.returncode == 8
    assert "no container engine is running\n" in done.stderr
    assert "where: unix:///nonexistent\n" in done.stderr
    assert "to do: DOCKER_HOST names this address: correct it, or unset it to use the local engine\n" in done.stderr


def test_json_holds_the_faults_and_keeps_the_exit_code() -> None:
    done = doctor("--json", DOCKER_HOST="unix:///nonexistent")
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (8, "")
    assert (found["usable"], found["engine"]) == (False, None)
    assert found["faults"][0]["what"] == "no container engine is running"


@pytest.mark.engine
def test_a_good_engine_is_exit_code_0_and_is_named() -> None:
    done = doctor("--json")
    if done.returncode == 8:
        pytest.skip(f"no engine: {json.loads(done.stdout)['faults']}")
    found = json.loads(done.stdout)
    assert (done.returncode, found["usable"], found["faults"]) == (0, True, [])
    shown = doctor()
    assert shown.returncode == 0
    for value in (found["engine"]["version"], found["engine"]["address"], found["buildx"]["path"], found["reached"]):
        assert value in shown.stdout
    assert shown.stdout.endswith("\nBuilds can run here.\n")
