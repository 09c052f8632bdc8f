"""Progress in a log and on a terminal, and tables."""

from __future__ import annotations

import io
import os
import pty
import threading
import time

import pytest
from rich.console import Console

from builder.cli import display
from builder.cli.amounts import size_text, summary, time_text
from builder.cli.bars import Bars
from builder.cli.lines import Lines
from builder.progress import Silent


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log():
    return io.StringIO()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (7_140_000_000, "7.1 GB"),
    ],
)
def test_sizes_are_decimal(count, text):
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (3725, "1 h 02 min")]
)
def test_times(seconds, text):
    assert time_text(seconds) == text


def test_summaries():
    assert summary(0, "items", 3.21) == "3.2 s"
    assert summary(1, "items", 3.21) == "1 item in 3.2 s"
    assert summary(7_100_000_000, "bytes", 12) == "7.1 GB in 12 s (592 MB/s)"


def test_a_log_has_a_line_at_start_and_end_and_one_in_ten_seconds(log, clock):
    with Lines(log, clock).task("fetch", total=1_000_000_000, unit="bytes") as task:
        for _ in range(40):
            clock.now += 0.5
            task.advance(25_000_000)
    assert log.getvalue().splitlines() == [
        "fetch: started (1.0 GB)",
        "fetch: 50 % (500 MB of 1.0 GB), 50.0 MB/s, 10 s left",
        "fetch: 100 % (1.0 GB of 1.0 GB), 50.0 MB/s",
        "fetch: done, 1.0 GB in 20 s (50.0 MB/s)",
    ]


def test_a_task_without_total_says_what_it_is_at(log, clock):
    with Lines(log, clock).task("build") as task:
        clock.now += 11
        task.detail("stage torch")
    assert log.getvalue() == "build: started\nbuild: stage torch\nbuild: done, 11 s\n"


def test_a_task_that_fails_says_stopped(log, clock):
    def fail() -> None:
        with Lines(log, clock).task("build", total=3) as task:
            task.advance(1)
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        fail()
    assert log.getvalue() == "build: started (3)\nbuild: stopped, 1 item in 0.0 s\n"


def use_from_threads(progress) -> None:
    def work(number: int) -> None:
        with progress.task(f"wheel {number}", total=200) as inner:
            for _ in range(200):
                inner.advance(1)
                outer.advance(1)
                inner.detail("[bold]not markup")

    with progress.task("fetch [all]", total=1600) as outer:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        [t.start() for t in threads]
        progress.say("[red]said")
        [t.join() for t in threads]


def test_lines_from_eight_threads_are_whole(log, clock):
    use_from_threads(Lines(log, clock))
    assert log.getvalue().splitlines() == [
        "fetch [all]: started (1600)",
        "[red]said",
        "fetch [all]: done, 1600 items in 0.0 s",
    ]


def test_a_task_within_a_task_has_the_lines_between_alone(log, clock):
    progress = Lines(log, clock)
    with progress.task("fetch"), progress.task("the bundle", total=3) as inner:
        clock.now += 11
        inner.advance(1)
    with progress.task("build"):
        pass
    assert log.getvalue().splitlines() == [
        "fetch: started",
        "the bundle: 33 % (1 of 3), 0.1/s, 22 s left",
        "fetch: done, 11 s",
        "build: started",
        "build: done, 0.0 s",
    ]


def test_bars_leave_one_line_for_the_outermost_task():
    stream = io.StringIO()
    use_from_threads(Bars(Console(file=stream, force_terminal=True, width=100, no_color=True, highlight=False)))
    assert "[red]said" in stream.getvalue()
    last = stream.getvalue().replace("\r", "\n").splitlines()
    assert [line for line in last if "done, 1600 items in" in line]
    assert not [line for line in last if "wheel" in line and "done" in line]
    assert stream.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K") or "\x1b[?25h" in stream.getvalue()[-40:]


def test_bars_can_be_used_again_after_the_last_task_ended():
    stream = io.StringIO()
    bars = Bars(Console(file=stream, force_terminal=True, width=100, no_color=True, highlight=False))
    for label in ("lock", "fetch"):
        with bars.task(label):
            pass
    assert "lock: done, 0.0 s" in stream.getvalue()
    assert "fetch: done, 0.0 s" in stream.getvalue()


def test_json_is_silent():
    assert isinstance(display.progress(json=True), Silent)


@pytest.mark.parametrize(
    ("env", "kind"),
    [
        ({"TERM": "xterm"}, Bars),
        ({"TERM": "dumb"}, Lines),
        ({"TERM": "xterm", "CI": "true"}, Lines),
        ({"TERM": "xterm", "NO_COLOR": "1"}, Bars),
    ],
)
def test_bars_on_a_terminal_that_a_person_sees(env, kind, monkeypatch):
    for name in ("TERM", "CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(ours), os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        assert isinstance(display.progress(), kind)


def test_lines_off_a_terminal(monkeypatch, log):
    monkeypatch.setattr("sys.stderr", log)
    assert isinstance(display.progress(), Lines)


def test_a_table_off_a_terminal_is_plain_and_never_cut(capsys):
    long = "x" * 300
    display.table(["check", "s"], [["[b]trust", "0.2"], [long, "12.0"]], right=["s"], styles={"0.2": "red"})
    assert capsys.readouterr().out == f"{'check':300}     s\n{'[b]trust':300}   0.2\n{long}  12.0\n"


def test_nothing_in_a_log_is_coloured(capsys):
    with display.progress().task("fetch") as task:
        task.advance(1)
    assert "\x1b" not in capsys.readouterr().err


def test_work_that_waits_says_so_in_a_log(log, clock, monkeypatch):
    """A mirror that takes the connection and is silent: two minutes without a line look like a hang."""
    monkeypatch.setattr("builder.cli.lines.BEAT", 0.01)
    said = threading.Event()

    class Heard(io.StringIO):
        def write(self, text):
            if "still at it" in text:
                said.set()
            return log.write(text)

    with Lines(Heard(), clock=clock).task("locking"):
        clock.now += 11
        assert said.wait(5)
    assert log.getvalue().splitlines()[:2] == ["locking: started", "locking: still at it"]
    assert log.getvalue().splitlines()[-1] == "locking: done, 11 s"


def test_of_tasks_within_tasks_the_innermost_says_that_it_waits(log, clock, monkeypatch):
    """A root file system is made while the last download has long ended."""
    monkeypatch.setattr("builder.cli.lines.BEAT", 0.01)
    progress = Lines(log, clock)
    with progress.task("fetch", total=4, unit="bytes") as outer:
        outer.advance(4)
        with progress.task("make rootfs.tar"):
            clock.now += 11
            while "still at it" not in log.getvalue():
                time.sleep(0.01)
        assert log.getvalue().splitlines() == ["fetch: started (4 B)", "make rootfs.tar: still at it"]
