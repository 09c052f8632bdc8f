"""What was found, as a table of ratios and as JSON. Several rounds are told by their median."""

from __future__ import annotations

import os
from statistics import median
from typing import Any

from builder.models.build_engine import BuildEngine

from .course import Course
from .ours import Ours, OursOnBase
from .plain import Plain
from .scenarios import Scenario
from .subject import Subject

_HEAD = ("", "plain", "builder", "ratio", "whole command", "new, plain", "new, builder")


def table(course: Course) -> str:
    """Seconds of the build from the same base, how many times as fast ours is, the whole `builder build` with the base
    and all checks, bytes and number of new layers."""
    rows = [_HEAD, *_rows(course)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    lines = ["  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))).rstrip() for row in rows]
    peaks = [
        f"most room taken on the disk meanwhile: {_amount(amount)}, {name}" for name, amount in course.peaks.items()
    ]
    return "\n".join((*lines, "", *peaks))


def _rows(course: Course) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for scenario in Scenario:
        plain, ours = seconds(course, Plain.name, scenario), seconds(course, OursOnBase.name, scenario)
        new = (_new(course, Plain.name, scenario), _new(course, OursOnBase.name, scenario))
        whole = _time(command(course, scenario))
        rows.append((scenario.value, _time(plain), _time(ours), f"{plain / ours:.2f}", whole, *new))
    return rows


def seconds(course: Course, contender: str, scenario: Scenario) -> float:
    """Of the build alone."""
    return median(r.measured.seconds for r in course.of(contender, scenario))


def command(course: Course, scenario: Scenario) -> float:
    """Seconds of the whole `builder build`."""
    return median(r.measured.command or 0.0 for r in course.of(Ours.name, scenario))


def _new(course: Course, contender: str, scenario: Scenario) -> str:
    new = course.of(contender, scenario)[-1].new
    return f"{_amount(sum(layer.size for layer in new))} in {len(new)}"


def _time(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _amount(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


def as_json(course: Course, subject: Subject, engine: BuildEngine, *, keep_cache: bool) -> dict[str, Any]:
    """Every figure, with what it depends on."""
    runs = [
        {
            "contender": run.contender,
            "scenario": run.scenario.value,
            "round": run.round,
            "build_seconds": round(run.measured.seconds, 3),
            "command_seconds": run.measured.command and round(run.measured.command, 3),
            "layers": len(run.measured.layers),
            "bytes": sum(layer.size for layer in run.measured.layers),
            "new_layers": len(run.new),
            "new_bytes": sum(layer.size for layer in run.new),
        }
        for run in course.runs
    ]
    lock = subject.locks[Scenario.EMPTY]
    return {
        "engine": str(engine),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "lock": lock.content_digest(),
        "wheels": len(lock.pip),
        "wheel_bytes": sum(p.artifact.size for p in lock.pip),
        "cache_emptied": not keep_cache,
        "ratios": {row[0]: float(row[3]) for row in _rows(course) if row[3]},
        "peak_bytes": course.peaks,
        "runs": runs,
    }
