"""Quality of quantized models against their speed, as points of a plot, from whatever evidence has both. Pure.

The evidence is read by what its rows hold, not by where they are: a row with `sqnr_db` and a latency is a point, and
what it lacks (its model, its exporter) is that of the objects around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

if TYPE_CHECKING:
    from builder.models.report import Report

CHECK = "onnx-export"
MOST = 300
"""Points that are drawn."""
HIGHEST_DB = 80.0
"""What is better is drawn here: 200 dB stand for no difference at all."""
SLOWEST = 3.0
"""What is slower than so many fp32 runs is drawn here."""

_SCHEMES = ("scheme", "configuration", "config", "name")
_NAMED = {"models": "model", "exporters": "exporter", "schemes": "scheme", "configurations": "scheme"}
"""Under these keys, objects by name: what the name is of."""

_Row = dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One quantized model."""

    check: str
    model: str
    exporter: str
    scheme: str
    sqnr: float
    """dB."""
    ratio: float
    """Of its latency to that of its fp32 form."""
    size: float | None
    """Of its file's size to that of its fp32 form."""
    agreement: float | None
    chosen: bool
    problems: tuple[str, ...]
    """Why it may not be chosen."""
    x: float
    y: float
    """Percent of the plot, from its left and its top."""
    colour: int
    shape: int


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A line of the plot's grid."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The plot and what it draws."""

    points: tuple[Point, ...]
    models: tuple[str, ...]
    """In order of their colours."""
    schemes: tuple[str, ...]
    """In order of their shapes."""
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    same: float
    """Where fp32's own speed is; percent from the left."""
    cut: int
    """Points that are not drawn."""


def quality(report: Report) -> Quality | None:
    """The plot of every check that quantizes; None when no evidence has such rows."""
    rows = [(r.name, row) for r in report.results for row in _rows(r.evidence, {})]
    kept = [
        (check, row, sqnr, ratio)
        for check, row in rows
        if (sqnr := _number(row, "sqnr_db")) is not None
        and (ratio := _ratio(row, [other for name, other in rows if name == check])) is not None
    ]
    if not kept:
        return None
    right = min(SLOWEST, max(1.0, *(ratio for *_, ratio in kept)) * 1.08)
    top = min(HIGHEST_DB, max(30.0, *(sqnr for _, _, sqnr, _ in kept)) * 1.08)
    models = tuple(dict.fromkeys(_word(row, "model") for _, row, _, _ in kept))
    schemes = tuple(dict.fromkeys(_scheme(row) for _, row, _, _ in kept))
    return Quality(
        points=tuple(
            Point(
                check=check,
                model=_word(row, "model"),
                exporter=_word(row, "exporter"),
                scheme=_scheme(row),
                sqnr=sqnr,
                ratio=ratio,
                size=_number(row, "size_ratio"),
                agreement=_number(row, "agreement"),
                chosen=row.get("chosen") is True,
                problems=_problems(row),
                x=_percent(ratio, right),
                y=round(100 - _percent(sqnr, top), 2),
                colour=models.index(_word(row, "model")),
                shape=schemes.index(_scheme(row)),
            )
            for check, row, sqnr, ratio in kept[:MOST]
        ),
        models=models,
        schemes=schemes,
        across=_ticks(right, 0.25 if right <= 1.6 else 0.5, "{:g}"),
        up=tuple(Tick(at=round(100 - t.at, 2), label=t.label) for t in _ticks(top, 10 if top <= 60 else 20, "{:g}")),
        same=_percent(1.0, right),
        cut=max(0, len(kept) - MOST),
    )


def _rows(value: JsonValue, around: Mapping[str, JsonValue]) -> Iterator[_Row]:
    """Every object with a latency, with what the objects around it say and it does not."""
    if isinstance(value, dict):
        own = {**around, **{key: item for key, item in value.items() if not isinstance(item, dict | list)}}
        if "ms" in value or "latency_ratio" in value:
            yield {**own, "problems": value.get("problems")}
            return
        for key, item in value.items():
            named = _NAMED.get(key)
            if named and isinstance(item, dict):
                for name, one in item.items():
                    yield from _rows(one, {**own, named: name})
            else:
                yield from _rows(item, own)
    elif isinstance(value, list):
        for item in value:
            yield from _rows(item, around)


def _ratio(row: _Row, rows: list[_Row]) -> float | None:
    """The row's own, else its milliseconds over those of the unquantized row of its model and exporter."""
    if (given := _number(row, "latency_ratio")) is not None:
        return given
    own = _number(row, "ms")
    for other in rows:
        if "sqnr_db" in other or any(row.get(k) != other.get(k) for k in ("model", "exporter")):
            continue
        if own is not None and (whole := _number(other, "ms")):
            return own / whole
    return None


def _number(row: _Row, key: str) -> float | None:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _word(row: _Row, key: str) -> str:
    value = row.get(key)
    return value[:60] if isinstance(value, str) else ""


def _problems(row: _Row) -> tuple[str, ...]:
    found = row.get("problems")
    return tuple(text[:200] for text in found if isinstance(text, str)) if isinstance(found, list) else ()


def _scheme(row: _Row) -> str:
    return next((word for key in _SCHEMES if (word := _word(row, key))), "int8")


def _percent(value: float, most: float) -> float:
    return round(100 * min(max(value, 0.0), most) / most, 2)


def _ticks(most: float, step: float, form: str) -> tuple[Tick, ...]:
    count = int(most / step)
    return tuple(Tick(at=_percent(i * step, most), label=form.format(i * step)) for i in range(count + 1))
