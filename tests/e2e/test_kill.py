"""However builder ends, nothing of a build goes on: no client, no step in the engine, no tag but the staging name."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_image
from build_fixtures import Builds, busybox, cleaned, engine, images, run

__all__ = ["busybox", "cleaned", "engine", "run"]

pytestmark = pytest.mark.engine

DRIVER = Path(__file__).with_name("build_driver.py")
LENGTH = 1.5
"""Seconds that the image takes, about: kills come at moments between 0 and this."""


@pytest.fixture
def image(tmp_path: Path, busybox: Path) -> small_image.SmallImage:
    """Sleeps in a step, by a command line that no other process has."""
    mark = f"mark={uuid.uuid4().hex}"
    steps = [
        f"busybox env {mark} busybox sh -c 'busybox sleep 1; : {mark}'",
        "busybox cp /blob /out",
        "busybox chmod 644 /out/blob",
    ]
    made = small_image.make(tmp_path, busybox, steps, name="builder-test-build-kill", blob=b"blob" * 1_000_000)
    small_image.save(made, tmp_path)
    return made


class Driver:
    """A builder at work."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        argv = [sys.executable, str(DRIVER), str(folder), *arguments]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "building\n"

    def end_by(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=10)
        return self.process.returncode


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked


def _left(folder: Path) -> list[str]:
    """Processes that belong to the build in this folder: the client by its context, the step by its mark."""
    mark = (folder / "plan.json").parent / "images"
    step = next(part for part in (mark / "builder-test-build-kill/Dockerfile").read_text().split() if "mark=" in part)
    return [line for line in _command_lines() if str(folder) in line or step in line]


def _wait_until_nothing_is_left(folder: Path, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while left := _left(folder):
        assert time.monotonic() < end, left
        time.sleep(0.02)


def _hashes(store: Path) -> dict[str, str]:
    return {p.parent.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in store.rglob("*") if p.is_file()}


def _wait_for_the_step(folder: Path) -> None:
    end = time.monotonic() + 10
    while not any("sleep" in line for line in _left(folder)):
        assert time.monotonic() < end, "the step never ran"
        time.sleep(0.01)


def test_the_step_and_the_client_are_seen_while_they_run(tmp_path: Path, image: small_image.SmallImage) -> None:
    """The other tests would pass if `_left` never found anything."""
    driver = Driver(tmp_path, "main")
    _wait_for_the_step(tmp_path)
    assert any("docker-buildx" in line for line in _left(tmp_path))
    driver.process.wait()


def test_kill_9_at_20_random_moments_leaves_nothing(tmp_path: Path, image: small_image.SmallImage, run: Builds) -> None:
    moments = random.Random(20)
    for _ in range(20):
        driver = Driver(tmp_path, "main")
        time.sleep(moments.uniform(0, LENGTH))
        driver.end_by(signal.SIGKILL)
        _wait_until_nothing_is_left(tmp_path)
        assert all(name.startswith("builder-staging/") for name in images())
        assert all(name == digest for name, digest in _hashes(image.store).items())
    first, second = run(image), run(image, no_cache=True)
    assert first.image == second.image
    assert images() == [first.staging]
    assert not list((tmp_path / "logs").glob(".run-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
@pytest.mark.parametrize("arguments", [("main",), ("thread",), ("main", "no-signals"), ("thread", "no-signals")])
def test_a_signal_in_the_middle_of_a_step_ends_all(
    tmp_path: Path, image: small_image.SmallImage, cleaned: None, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    driver = Driver(tmp_path, *arguments)
    _wait_for_the_step(tmp_path)
    started = time.monotonic()
    code = driver.end_by(number)
    _wait_until_nothing_is_left(tmp_path)
    assert code != 0
    assert time.monotonic() - started < 3
    assert images() == []
