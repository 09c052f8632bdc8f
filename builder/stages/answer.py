"""What a check's container said, read strictly: one JSON object on the last line, or it is an error. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.models.report import Outcome

if TYPE_CHECKING:
    from pydantic import JsonValue

    from builder.models.engine import Completed

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
            summary=f"the engine gives no GPU: {completed.refused}",
            evidence={"engine": completed.refused},
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
        # NaN is no JSON: it is kept as a word
        data = json.loads(lines[-1], parse_constant=str) if lines else None
    except ValueError:
        return None
    if not isinstance(data, dict) or set(data) != {"outcome", "summary", "evidence"}:
        return None
    known = data["outcome"] in {o.value for o in _ANSWERS}
    if not known or not isinstance(data["summary"], str) or not isinstance(data["evidence"], dict):
        return None
    return Answer(outcome=Outcome(data["outcome"]), summary=data["summary"], evidence=data["evidence"])


def _ending(completed: Completed) -> str:
    code = completed.exit_code
    if code > 128:
        return f"the check was ended by signal {code - 128} before it answered"
    return f"the check ended with exit code {code} and no answer"


def _error(summary: str, completed: Completed) -> Answer:
    """An ERROR with the end of what the container wrote."""
    text = completed.stderr.decode("utf-8", "replace").strip() or completed.stdout.decode("utf-8", "replace").strip()
    evidence: dict[str, JsonValue] = {"output": list(text.splitlines()[-20:]), "exit_code": completed.exit_code}
    if completed.cut:
        evidence["output_cut_bytes"] = completed.cut
    return Answer(outcome=Outcome.ERROR, summary=summary, evidence=evidence)
