"""The log of a build: what is in it, and what is told when it cannot be written."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from builder.adapters.engine.build_log import BuildLog
from builder.errors import DiskError
from builder.models.build import StepLogged, StepMoved, StepSeen


def seen(*, started: bool = True, completed: bool = False, cached: bool = False, error: str = "") -> StepSeen:
    return StepSeen(id="a", name="[layer 1/1] RUN", started=started, completed=completed, cached=cached, error=error)


def test_each_state_of_a_step_is_a_line_and_told_once() -> None:
    file = io.StringIO()
    log = BuildLog(file)
    for event in (seen(), seen(), StepLogged(step="a", text="one\ntwo\n"), seen(completed=True), seen(completed=True)):
        log.event(event)
    log.event(StepMoved(step="a", what="layer", current=1, total=2))
    assert file.getvalue() == "#1 starts: [layer 1/1] RUN\n#1 | one\n#1 | two\n#1 done\n"


def test_a_log_without_room_is_told_with_its_place() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    file = full.open("w")
    with pytest.raises(DiskError) as caught:
        BuildLog(file).line("text")
    with contextlib.suppress(OSError):
        file.close()
    assert (caught.value.what, caught.value.where) == ("the log of the build cannot be written", "/dev/full")
    assert caught.value.seen == "No space left on device"
