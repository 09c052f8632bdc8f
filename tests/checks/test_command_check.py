"""The command check in a Debian 11: what a recipe's own program has to do, and that it is told when it does not."""

from __future__ import annotations

import pytest
from image_lab import Lab

from builder.models.report import Outcome

pytestmark = pytest.mark.engine


def test_program_that_ends_and_says_what_is_wanted_passes(lab: Lab) -> None:
    answer = lab.ask("command", lab.image(), run=["python3", "-V"], stdout=r"/^Python 3\.9\.\d+$/", stderr="")
    assert (answer.outcome, answer.summary) == (
        Outcome.PASS,
        "`python3 -V` ended with exit code 0 and the wanted output",
    )


def test_wanted_failure_passes(lab: Lab) -> None:
    assert lab.ask("command", lab.image(), run="echo no >&2; exit 3", exit_code=3, stderr="no").outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("arguments", "summary"),
    [
        ({"run": "echo bad >&2; exit 3"}, "`echo bad >&2; exit 3` ended with exit code 3, not 0: bad"),
        ({"run": ["echo", "a"], "stdout": "b"}, "no stdout that has `b`: it ends with `a`"),
        ({"run": ["echo", "a"], "stdout": "/^b/"}, "no stdout that matches /^b/: it ends with `a`"),
        ({"run": ["echo", "2x8y0"], "stdout": "2.8.0"}, "no stdout that has `2.8.0`: it ends with `2x8y0`"),
        ({"run": "echo a >&2", "stderr": ""}, "stderr should be empty and ends with `a`"),
        ({"run": "kill -9 $$"}, "`kill -9 $$` was ended by signal 9, not 0: no output"),
    ],
)
def test_program_that_does_otherwise_fails(lab: Lab, arguments: dict[str, object], summary: str) -> None:
    answer = lab.ask("command", lab.image(), **arguments)  # type: ignore[arg-type]
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, summary)


def test_program_that_is_not_there_fails(lab: Lab) -> None:
    answer = lab.ask("command", lab.image(), run=["/nothing"])
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("`/nothing` does not start: ")


def test_time_limit_shows_what_came_out_before_it(lab: Lab) -> None:
    answer = lab.ask("command", lab.image(), timeout=5, run="echo begun; sleep 60")
    assert answer.outcome is Outcome.ERROR
    assert answer.evidence["output"] == ["begun"]
