"""However builder ends, nothing of a build goes on: no client, no step in the engine, no tag but the staging name."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import small_image
from build_fixtures import Builds, busybox, cleaned, engine, images, run

from builder.stages.build import staging_name

__all__ = ["busybox", "cleaned", "engine", "run"]

pytestmark = pytest.mark.engine

DRIVER = Path(__file__).with_name("build_driver.py")
LENGTH = 1.2
"""Seconds that the short image takes, about, on a busy machine: kills come at moments between 0 and this."""

LAST_STEP = 20.0
"""Seconds that a step takes which no test waits for. BuildKit 0.12 loses a cancellation that comes while runc starts
the step (one kill in 25, measured): that step runs to its end, in the engine and for nobody, and no image comes of it.
"""


@dataclass(frozen=True)
class Case:
    """An image in a folder of its own, whose step has a command line that no other process has."""

    image: small_image.SmallImage
    folder: Path
    mark: str


Make = Callable[[float], Case]


@pytest.fixture
def make(tmp_path: Path, busybox: Path) -> Make:
    """An image whose step sleeps so many seconds. A client that is left alone dies of its broken pipe at the step's
    end: only a step that outlasts the test shows who ended it."""

    def case(seconds: float) -> Case:
        mark = f"mark={uuid.uuid4().hex}"
        folder = tmp_path / mark
        folder.mkdir()
        sleep = f"busybox env {mark} busybox sh -c 'busybox sleep {seconds}; : {mark}'"
        steps = [sleep, "busybox cp /blob /out", "busybox chmod 644 /out/blob"]
        image = small_image.make(folder, busybox, steps, name="builder-test-build-kill", blob=b"blob" * 1_000_000)
        small_image.save(image, folder)
        return Case(image, folder, mark)

    return case


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


def _left(case: Case) -> list[str]:
    """Processes that belong to the build: the client by its context, the step by its mark."""
    return [line for line in _command_lines() if case.mark in line]


def _clients(case: Case) -> list[str]:
    return [line for line in _left(case) if "docker-buildx" in line]


def _wait_until_none(find: Callable[[Case], list[str]], case: Case, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while left := find(case):
        assert time.monotonic() < end, left
        time.sleep(0.02)


def _wait_for_the_step(case: Case) -> None:
    end = time.monotonic() + 10
    while not any(line.startswith("busybox sh -c busybox sleep") for line in _left(case)):
        assert time.monotonic() < end, "the step never ran"
        time.sleep(0.01)
    time.sleep(0.3)  # see LAST_STEP


def _intact(store: Path) -> bool:
    files = [p for p in store.rglob("*") if p.is_file()]
    return len(files) == 2 and all(hashlib.sha256(p.read_bytes()).hexdigest() == p.parent.name for p in files)


def test_the_step_and_the_client_are_seen_while_they_run(make: Make, cleaned: None) -> None:
    """The other tests would pass if `_left` never found anything."""
    case = make(1)
    driver = Driver(case.folder, "main")
    _wait_for_the_step(case)
    assert any("docker-buildx" in line for line in _left(case))
    driver.process.communicate()


def test_kill_9_at_20_random_moments_leaves_nothing(make: Make, run: Builds) -> None:
    """Half of the builds outlast the test; the other half are killed as they export and name the image, too."""
    moments, long, short = random.Random(20), make(LAST_STEP), make(0.3)
    for case in (long, short) * 10:
        driver = Driver(case.folder, "main")
        time.sleep(moments.uniform(0, LENGTH))
        driver.end_by(signal.SIGKILL)
        _wait_until_none(_clients, case)
        assert all(name.startswith("builder-staging/") for name in images())
        assert _intact(case.image.store)
    _wait_until_none(_left, long, LAST_STEP + 5)
    assert set(images()) <= {staging_name(short.image.rendered)}
    first, second = run(short.image), run(short.image, no_cache=True)
    assert first.image == second.image
    assert images() == [first.staging]


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (signal.SIGINT, ("main",)),
        (signal.SIGTERM, ("main",)),
        (signal.SIGHUP, ("main",)),
        (signal.SIGKILL, ("main",)),
        (signal.SIGTERM, ("main", "no-signals")),
        (signal.SIGINT, ("thread",)),
        (signal.SIGTERM, ("thread",)),
        (signal.SIGKILL, ("thread",)),
    ],
)
def test_a_signal_in_the_middle_of_a_step_ends_all(
    make: Make, cleaned: None, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    case = make(LAST_STEP)
    driver = Driver(case.folder, *arguments)
    _wait_for_the_step(case)
    code = driver.end_by(number)
    _wait_until_none(_left, case)
    assert code != 0
    assert images() == []


def test_the_next_run_takes_away_what_a_killed_one_left(make: Make, cleaned: None) -> None:
    case = make(LAST_STEP)
    logs = case.folder / "logs"
    for _ in range(2):
        driver = Driver(case.folder, "main")
        _wait_for_the_step(case)
        driver.end_by(signal.SIGKILL)
        _wait_until_none(_left, case)
        assert len(list(logs.glob(".run-*"))) == 1
