"""Ways to quantize a model that were tried while it was made: a table, for there nothing depends on the time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

if TYPE_CHECKING:
    from builder.models.report import Report

KEY = "tried"
"""Of the `model` check's evidence, which has it from the model's manifest."""
MOST = 60
"""Rows that are shown."""
COLUMNS = {
    "sqnr_db": ("SQNR, dB", "{:.1f}"),
    "centred_sqnr_db": ("without the mean, dB", "{:.1f}"),
    "min_cosine": ("smallest cosine", "{:.4f}"),
    "agreement": ("agreement", "{:.1%}"),
    "accuracy_drop": ("accuracy lost", "{:.1%}"),
    "int8_weights": ("int8 weights", "{:.0%}"),
    "size_ratio": ("size ratio", "{:.3f}"),
}
"""What a row may have measured, its heading and its form."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One configuration and what came of it."""

    scheme: str
    cells: tuple[str, ...]
    """By the table's headings; empty where it was not measured."""
    chosen: bool
    problems: str


@dataclass(frozen=True, kw_only=True)
class Tried:
    """The table of one check."""

    check: str
    headings: tuple[str, ...]
    ways: tuple[Way, ...]


def tried(report: Report) -> tuple[Tried, ...]:
    """A table for each check whose evidence has such rows."""
    tables = ((result.name, result.evidence.get("scheme"), _rows(result.evidence)) for result in report.results)
    return tuple(_table(check, chosen, rows) for check, chosen, rows in tables if rows)


def _rows(evidence: dict[str, JsonValue]) -> list[dict[str, JsonValue]]:
    rows = evidence.get(KEY)
    return [row for row in rows if isinstance(row, dict)][:MOST] if isinstance(rows, list) else []


def _table(check: str, chosen: JsonValue, rows: list[dict[str, JsonValue]]) -> Tried:
    keys = [key for key in COLUMNS if any(_cell(row, key) for row in rows)]
    return Tried(
        check=check,
        headings=tuple(COLUMNS[key][0] for key in keys),
        ways=tuple(
            Way(
                scheme=str(row.get("scheme"))[:60],
                cells=tuple(_cell(row, key) for key in keys),
                chosen=row.get("scheme") == chosen,
                problems=_problems(row),
            )
            for row in rows
        ),
    )


def _cell(row: dict[str, JsonValue], key: str) -> str:
    value = row.get(key)
    return COLUMNS[key][1].format(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _problems(row: dict[str, JsonValue]) -> str:
    found = row.get("problems")
    return "; ".join(text[:200] for text in found if isinstance(text, str)) if isinstance(found, list) else ""
