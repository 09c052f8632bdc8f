"""The whole log of a build, as a text file that is there while it runs and after `kill -9`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

from builder.errors import DiskError
from builder.models.build import BuildEvent, StepLogged, StepSeen


def logs_folder() -> Path:
    """`logs/` under BUILDER_STATE, else under the user's state folder."""
    from platformdirs import user_state_dir  # noqa: PLC0415 - not on the path of `builder --help`

    return Path(os.environ.get("BUILDER_STATE") or user_state_dir("builder")) / "logs"


class BuildLog:
    """Writes each event as a line that starts with the number of its step."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._numbers: dict[str, int] = {}
        self._told: dict[str, str] = {}

    def line(self, text: str) -> None:
        """A line of nobody's step. Raises DiskError."""
        try:
            self._file.write(text + "\n")
            self._file.flush()
        except OSError as error:
            raise unwritable(self._file.name, error) from None

    def event(self, event: BuildEvent) -> None:
        """Writes what is new in it; how far bytes are is not written."""
        if isinstance(event, StepLogged):
            for line in event.text.rstrip("\n").split("\n"):
                self.line(f"#{self._number(event.step)} | {line}")
        elif isinstance(event, StepSeen):
            self._seen(event)

    def _seen(self, step: StepSeen) -> None:
        state = _state(step)
        if state and self._told.get(step.id) != state:
            self._told[step.id] = state
            self.line(f"#{self._number(step.id)} {state}" + (f": {step.name}" if state == "starts" else ""))

    def _number(self, step: str) -> int:
        return self._numbers.setdefault(step, len(self._numbers) + 1)


def unwritable(where: str, error: OSError) -> DiskError:
    """There is no log without room for it, and no build without a log."""
    return DiskError(
        "the log of the build cannot be written",
        where=where,
        seen=error.strerror,
        remedy="make room there, or name another folder in BUILDER_STATE",
    )


def _state(step: StepSeen) -> str:
    if step.error:
        return f"failed: {step.error}"
    if step.cached:
        return f"cached: {step.name}"
    if step.completed:
        return "done"
    return "starts" if step.started else ""
