"""`.ci/engine`: what it does where nothing may be changed. Its installing and starting change a machine: they were
run in a fresh Debian 12 root (mmdebstrap, unshare), and CI runs them where it has no engine."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "engine"


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "YES", "DOCKER_HOST")}
    return subprocess.run(
        argv or [str(SCRIPT)],
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def sourced(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("bash", "-c", f"source {SCRIPT}; {code}", **environment)


@pytest.mark.engine
def test_an_engine_that_runs_is_used_as_it_is() -> None:
    started = time.monotonic()
    done = run()
    if done.returncode == 8:
        pytest.skip(f"no engine here: {done.stderr}")
    assert done.returncode == 0
    assert done.stdout.startswith("engine ")
    assert ", buildx " in done.stdout
    assert done.stderr == ""
    assert time.monotonic() - started < 5


def test_an_engine_named_by_docker_host_is_not_ours_to_install() -> None:
    done = run(DOCKER_HOST="unix:///nonexistent", YES="1")
    assert done.returncode == 8
    assert done.stderr.startswith(
        "error: the engine at DOCKER_HOST cannot be used\n  seen: unix:///nonexistent: engine"
    )


@pytest.mark.parametrize(
    ("have", "floor", "enough"),
    [
        ("26.1.5+dfsg1", "25.0", True),
        ("25.0.0", "25.0", True),
        ("24.0.9", "25.0", False),
        ("0.13.1+ds1", "0.13", True),
        ("v0.9.1", "0.13", False),
        ("0.20.0", "0.13", True),
        ("1.0", "0.13", True),
        ("", "25.0", False),
        ("none", "25.0", False),
    ],
)
def test_versions_are_compared_as_numbers(have: str, floor: str, enough: bool) -> None:
    assert (sourced(f"at_least '{have}' {floor}").returncode == 0) is enough


@pytest.mark.parametrize(
    ("release", "says"),
    [("debian 12", "Debian 12 has"), ("debian 13", "this installs"), ("ubuntu 24", "this installs")],
)
def test_nothing_is_installed_without_being_asked_for(tmp_path: Path, release: str, says: str) -> None:
    done = sourced("install", OS_RELEASE=_os_release(tmp_path, release))
    assert done.returncode == 8
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.endswith("there is nobody to ask\n  to do: run it in a terminal, or with YES=1\n")


@pytest.mark.parametrize("release", ["debian 11", "ubuntu 22", "fedora 42"])
def test_a_system_that_it_does_not_know_is_told_what_is_needed(tmp_path: Path, release: str) -> None:
    done = sourced("install", OS_RELEASE=_os_release(tmp_path, release), YES="1")
    assert done.returncode == 8
    assert done.stderr.startswith(f"error: how to install an engine on {release} is not known here\n")


def test_a_pid_file_of_a_process_that_is_gone_is_stale_and_so_is_its_socket(tmp_path: Path) -> None:
    pid, socket = tmp_path / "pid", tmp_path / "socket"
    for content in ("4194304", str(os.getpid()), ""):  # gone; another program's; nobody's
        pid.write_text(content)
        socket.touch()
        assert sourced(f"remove_if_stale {pid} dockerd {socket}").returncode == 0
        assert (pid.exists(), socket.exists()) == (False, False)


def test_a_pid_file_of_a_process_that_runs_is_kept(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"sleep 5 & echo $! >{pid}; remove_if_stale {pid} sleep {tmp_path}/socket; kill $!"
    assert sourced(code).returncode == 0
    assert pid.exists()


def _os_release(folder: Path, release: str) -> str:
    name, version = release.split()
    path = folder / "os-release"
    path.write_text(f'ID={name}\nVERSION_ID="{version}.04"\n')
    return str(path)
