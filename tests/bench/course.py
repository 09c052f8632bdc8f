"""The course: every contender through every scenario, one after another on one engine, and nothing left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from builder.models.build_engine import BuildEngine

from .base import BASE, GROUND, make_base
from .engine import empty_build_cache, layers, peak, remove
from .index import Index
from .ours import Ours, OursOnBase
from .plain import IMAGE, Plain
from .scenarios import Contender, Layer, Measured, Scenario
from .subject import NAME, Subject


@dataclass(frozen=True, kw_only=True)
class Run:
    """One build of one contender."""

    contender: str
    scenario: Scenario
    round: int
    measured: Measured
    new: tuple[Layer, ...]
    """Layers that the image of the scenario before did not have."""


@dataclass(kw_only=True)
class Course:
    """What was found."""

    runs: list[Run] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    """The most bytes that a contender took on the engine's disk."""

    def of(self, contender: str, scenario: Scenario) -> list[Run]:
        """The rounds of one cell of the table."""
        return [r for r in self.runs if (r.contender, r.scenario) == (contender, scenario)]


def run(subject: Subject, engine: BuildEngine, *, rounds: int, keep_cache: bool) -> Course:
    """Measures. Unless the cache is to be kept, it EMPTIES the engine's build cache, before each contender."""
    course = Course()
    packages = tuple({p.artifact.sha256: p for lock in subject.locks.values() for p in lock.pip}.values())
    with _tidy(keep_cache=keep_cache), Index(subject.place.store.root, packages) as index:
        _say("making what both start from")
        make_base(subject, engine)
        contenders: list[Contender] = [
            Plain(subject, engine, index=index.url, keep_cache=keep_cache),
            OursOnBase(subject, engine, keep_cache=keep_cache),
            Ours(subject, keep_cache=keep_cache),
        ]
        for number in range(1, rounds + 1):
            for contender in contenders if number % 2 else contenders[::-1]:
                _forget(keep_cache=keep_cache)
                with peak(engine.root) as watched:
                    course.runs.extend(_measured(contender, number))
                course.peaks[contender.name] = max(watched.bytes, course.peaks.get(contender.name, 0))
    return course


def _measured(contender: Contender, number: int) -> Iterator[Run]:
    image: str | None = None
    known = {layer.diff_id for layer in layers(BASE)}
    for scenario in contender.scenarios:
        os.sync()  # what was written before is not to be waited for now
        measured = contender.build(scenario)
        _say(f"round {number}: {contender.name}: {scenario.value}: {measured.seconds:.2f} s")
        new = tuple(layer for layer in measured.layers if layer.diff_id not in known)
        yield Run(contender=contender.name, scenario=scenario, round=number, measured=measured, new=new)
        if image not in (None, measured.image):
            remove(image)
        image, known = measured.image, {layer.diff_id for layer in measured.layers}


@contextmanager
def _tidy(*, keep_cache: bool) -> Iterator[None]:
    """Leaves no image, and of the cache what it found or nothing at all."""
    _forget(keep_cache=keep_cache)
    try:
        yield
    finally:
        remove(BASE, GROUND)
        _forget(keep_cache=keep_cache)


def _forget(*, keep_cache: bool) -> None:
    """Takes away what was built, but for the base."""
    remove(IMAGE, NAME, f"builder-staging/{NAME}")
    if not keep_cache:
        empty_build_cache()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
