"""Children end with the block, with the thread's process, and with everything in their group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from builder.adapters.engine.processes import child, end_all

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 5
    while alive(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_output_and_exit_code_are_the_commands_own() -> None:
    with child(["sh", "-c", "echo out; echo err >&2; exit 7"]) as process:
        assert process.communicate() == (b"out\n", b"err\n")
    assert process.returncode == 7


def test_a_command_that_runs_when_the_block_is_left_is_ended() -> None:
    with child(["sleep", "60"]) as process:
        pass
    assert process.returncode == -signal.SIGTERM


def test_an_error_in_the_block_ends_the_command_and_what_it_started() -> None:
    started: list[int] = []

    def fail() -> None:
        with child(["sh", "-c", "sleep 60 & echo $!; wait"]) as process:
            assert process.stdout is not None
            started.append(int(process.stdout.readline()))
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()
    wait_until_gone(started[0])


def test_a_command_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.adapters.engine.processes.GRACE", 0.2)
    with child(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]) as process:
        assert process.stdout is not None
        process.stdout.readline()
    assert process.returncode == -signal.SIGKILL


def test_the_command_is_not_in_our_group_so_that_ctrl_c_is_ours() -> None:
    with child(["sleep", "60"]) as process:
        assert os.getpgid(process.pid) == process.pid != os.getpgid(0)


def test_the_command_gets_sigpipe_as_usual() -> None:
    """Python ignores it, and exec would hand that on."""
    with child(["sh", "-c", "grep SigIgn /proc/self/status"]) as process:
        output, _ = process.communicate()
    assert int(output.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_kernel_ends_the_command_when_we_are_killed(number: signal.Signals) -> None:
    script = (
        "from builder.adapters.engine.processes import child\n"
        "with child(['sleep', '60']) as process:\n"
        "    import time; time.sleep(0.2); print(process.pid, flush=True); process.wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.send_signal(number)
    parent.communicate()
    wait_until_gone(pid)


def test_end_all_ends_what_other_threads_wait_for() -> None:
    codes: list[int] = []

    def work() -> None:
        with child(["sleep", "60"]) as process:
            codes.append(process.wait())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    end_all()
    for thread in threads:
        thread.join(5)
    assert codes == [-signal.SIGTERM] * 3
