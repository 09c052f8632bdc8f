"""What the events of a build add up to: which steps there are, which run, what each has said. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping

from typing_extensions import assert_never  # typing's own from Python 3.11; pydantic brings it

from builder.models.build import BuildEvent, StepLogged, StepMoved, StepSeen

TAIL = 20
"""Lines of a step's output that are kept for the message of its failure."""

_STEP = re.compile(r"\[(?P<stage>[^\]]+?)(?: +\d+/\d+)?\] ")
_SHOWN = 3
_LARGE = 10_000_000
"""Bytes from which it is worth saying how far a file is."""


class Steps:
    """The state of a build, event by event.

    An instruction is one step, however many vertices BuildKit makes of it (`ADD` of a URL is two), and what
    BuildKit does for itself is none.

    files: what each artifact's stage holds, by the stage's name, for people to read.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)
        self._seen: dict[str, StepSeen] = {}
        self._tails: dict[str, deque[str]] = {}
        self._moved: dict[str, tuple[int, int]] = {}
        self._served: dict[str, int] = {}

    def add(self, event: BuildEvent) -> None:
        """Takes the next event."""
        match event:
            case StepSeen():
                self._seen[event.id] = event
            case StepLogged():
                self._log(event)
            case StepMoved():
                self._moved[event.step] = (event.current, event.total)
            case _:
                assert_never(event)

    def served(self, stage: str, sent: int) -> None:
        """So many bytes of an artifact's stage went out; BuildKit itself says nothing of them."""
        self._served[stage] = sent

    @property
    def total(self) -> int:
        """Steps known so far."""
        return len(self._groups())

    @property
    def done(self) -> int:
        """Steps that ended well or were cached. May shrink: a vertex can start again after its cache key is known."""
        return sum(all(s.completed and not s.error for s in group) for group in self._groups().values())

    @property
    def cached(self) -> int:
        """Steps that were not run because the engine had their result."""
        return sum(any(s.cached for s in group) for group in self._groups().values())

    def running(self) -> str:
        """What is being done now, in a few words; empty when nothing is."""
        names = dict.fromkeys(self._now(s) for s in self._seen.values() if s.started and not s.completed)
        shown = [n for n in names if n][:_SHOWN]
        return ", ".join(shown)

    def failed(self) -> StepSeen | None:
        """The step whose failure ended the build: the others that it took along were only cancelled."""
        wrong = [s for s in self._seen.values() if s.error]
        return next((s for s in wrong if "context canceled" not in s.error), wrong[0] if wrong else None)

    def tail(self, step: StepSeen) -> tuple[str, ...]:
        """The last lines that the step printed."""
        return tuple(line for line in self._tails.get(step.id, ()) if line.strip())

    def label(self, step: StepSeen) -> str:
        """The step for people: an artifact by its file, a layer by its name."""
        stage = _stage(step)
        if not stage:
            return {"exporting to image": "writing the image"}.get(step.name, step.name)
        return self._files.get(stage) or re.sub(r"^layer-", "", re.sub(r"^stage-\d+$", "the image", stage))

    def _groups(self) -> dict[str, list[StepSeen]]:
        groups: dict[str, list[StepSeen]] = {}
        for step in self._seen.values():
            if _stage(step) and not step.name.startswith("[internal]"):
                groups.setdefault(step.name, []).append(step)
        return groups

    def _now(self, step: StepSeen) -> str:
        if step.name.startswith("[internal]"):
            return ""
        current, total = self._moved.get(step.id, (self._served.get(_stage(step), 0), 0))
        if max(current, total) < _LARGE:
            return self.label(step)
        of = f" of {total / 1e6:.0f}" if total else ""
        return f"{self.label(step)} {current / 1e6:.0f}{of} MB"

    def _log(self, event: StepLogged) -> None:
        tail = self._tails.setdefault(event.step, deque([""], maxlen=TAIL + 1))
        first, *more = _lines(event.text)
        tail[-1] += first
        tail.extend(more)


def _stage(step: StepSeen) -> str:
    match = _STEP.match(step.name)
    return match["stage"] if match else ""


def _lines(text: str) -> Iterator[str]:
    """Lines as they look on a terminal in the end: what a carriage return wiped out is not there."""
    for line in text.split("\n"):
        yield line.rstrip("\r").rpartition("\r")[2]
