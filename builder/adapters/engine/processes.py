"""Child processes that end with us, however we end: by return, by error, by a signal, by `kill -9`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence

GRACE = 5.0
"""Seconds that a child has to end after SIGTERM, before SIGKILL."""

_WITH_PARENT = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.prctl(1, 9)                    # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() != int(sys.argv[1]):
    os._exit(1)                     # the parent went before the line above
libc.signal(13, None); libc.signal(25, None)   # Python ignores SIGPIPE and SIGXFSZ, and exec would hand that on
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Becomes the command, once the kernel knows that it dies with its parent. `preexec_fn` would run Python between
fork and exec of a process with threads; this costs 10 ms and cannot deadlock."""

_alive: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


@contextlib.contextmanager
def child(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command; when the block is left it has ended, and what it started in its process group has too.

    It is in a process group of its own, so that Ctrl-C reaches us alone and we end it in order. The kernel kills it
    when the thread that started it ends: leave the block in the thread that entered it. (On other systems than Linux
    a `kill -9` of ours is beyond us.)
    """
    process = subprocess.Popen(
        [*_with_parent(), *argv],
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    with _lock:
        _alive.add(process)
    try:
        yield process
    finally:
        _end(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        with _lock:
            _alive.discard(process)


def end_all() -> None:
    """Asks every child to end (SIGTERM), for a main thread that was interrupted while other threads wait for theirs."""
    with _lock:
        running = tuple(_alive)
    for process in running:
        if process.poll() is None:
            _signal_group(process, signal.SIGTERM)


def _with_parent() -> tuple[str, ...]:
    if not sys.platform.startswith("linux"):
        return ()
    return (sys.executable, "-I", "-S", "-c", _WITH_PARENT, str(os.getpid()))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the child if it runs; a second interruption in here only makes it quicker."""
    try:
        if process.poll() is None:
            _signal_group(process, signal.SIGTERM)
            process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            _signal_group(process, signal.SIGKILL)
            process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
