"""What a check's container said, read strictly: one JSON object on the last line, or it is an error. Pure.

The image is not trusted: what it says can be written to any file, as UTF-8, and to any terminal.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.models.report import Outcome

if TYPE_CHECKING:
    from pydantic import JsonValue

    from builder.models.engine import Completed

_DEEPEST = 50
"""Levels of an answer's evidence; pydantic gives up at some 200, Python's own reader at some 1000."""

_ANSWERS = (Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.UNPROVEN)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A check's verdict, from the image or in its place."""

    outcome: Outcome
    summary: str
    evidence: dict[str, JsonValue] = field(default_factory=dict)


def answer_of(completed: Completed, *, timeout: int) -> Answer:
    """The verdict of a container that ended; ERROR for whatever is no answer. `timeout` is in seconds."""
    if completed.refused is not None:
        return Answer(
            outcome=Outcome.UNPROVEN,
            summary=f"the engine gives no GPU: {shown(completed.refused)}",
            evidence={"engine": shown(completed.refused)},
        )
    if completed.timed_out:
        return _error(f"no answer within {timeout} s (set `timeout` in the recipe if it needs longer)", completed)
    if completed.out_of_memory:
        return _error("the kernel ended it for want of memory", completed)
    answer = _parsed(completed.stdout)
    if completed.exit_code != 0 or answer is None:
        return _error(_ending(completed), completed)
    return answer


def _parsed(stdout: bytes) -> Answer | None:
    lines = stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        # NaN is no JSON, and 1e999 no number that can be written again: they are kept as words
        data = printable(json.loads(lines[-1], parse_constant=str, parse_float=_finite)) if lines else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or set(data) != {"outcome", "summary", "evidence"}:
        return None
    known = data["outcome"] in [o.value for o in _ANSWERS]
    if not known or not isinstance(data["summary"], str) or not isinstance(data["evidence"], dict):
        return None
    return Answer(outcome=Outcome(data["outcome"]), summary=data["summary"], evidence=data["evidence"])


def _finite(text: str) -> float | str:
    return float(text) if math.isfinite(float(text)) else text


def printable(value: JsonValue, depth: int = 0) -> JsonValue:
    """The value with an escape for each character of its texts that is not printable: what a terminal obeys, and the
    lone surrogates of file names that are no UTF-8. Raises ValueError for what is too deep."""
    if depth > _DEEPEST:
        raise ValueError("the answer is too deep")
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list):
        return [printable(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {shown(name): printable(one, depth + 1) for name, one in value.items()}
    return value


def shown(text: str) -> str:
    """A text of the image's own as `printable` leaves it."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _ending(completed: Completed) -> str:
    code = completed.exit_code
    if code > 128:
        return f"the check was ended by signal {code - 128} before it answered"
    return f"the check ended with exit code {code} and no answer"


def _error(summary: str, completed: Completed) -> Answer:
    """An ERROR with the end of what the container wrote."""
    text = completed.stderr.decode("utf-8", "replace").strip() or completed.stdout.decode("utf-8", "replace").strip()
    evidence: dict[str, JsonValue] = {
        "output": [shown(line) for line in text.splitlines()[-20:]],
        "exit_code": completed.exit_code,
    }
    if completed.cut:
        evidence["output_cut_bytes"] = completed.cut
    return Answer(outcome=Outcome.ERROR, summary=summary, evidence=evidence)
