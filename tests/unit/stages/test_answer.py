from __future__ import annotations

import json

import pytest

from builder.models.base import sha256_of
from builder.models.engine import Completed
from builder.models.report import CheckResult, Outcome
from builder.stages.answer import Answer, answer_of

GOOD = b'{"outcome": "PASS", "summary": "fine", "evidence": {"n": 1}}'


def completed(stdout: bytes = GOOD, stderr: bytes = b"", exit_code: int = 0, **more: object) -> Completed:
    return Completed(stdout=stdout, stderr=stderr, exit_code=exit_code, seconds=1.0, **more)  # type: ignore[arg-type]


def test_last_line_is_the_answer() -> None:
    answer = answer_of(completed(b"noise\n" + GOOD + b"\n"), timeout=5)
    assert answer == Answer(outcome=Outcome.PASS, summary="fine", evidence={"n": 1})


@pytest.mark.parametrize(
    "stdout",
    [
        b"",
        b"no json",
        b"[]",
        b'"PASS"',
        b'{"outcome": "PASS"}',
        b'{"outcome": "PASS", "summary": 1, "evidence": {}}',
        b'{"outcome": "SKIP", "summary": "a script cannot skip itself", "evidence": {}}',
        b'{"outcome": "GREAT", "summary": "", "evidence": {}}',
        b'{"outcome": "PASS", "summary": "", "evidence": []}',
        b'{"outcome": "PASS", "summary": "", "evidence": {}, "more": 1}',
        GOOD + b"\nnoise after the answer",
        b"\xff\xfe",
        b'{"outcome": [], "summary": "", "evidence": {}}',
        b'{"outcome": "PASS", "summary": "", "evidence": {"x": ' + b"[" * 60 + b"]" * 60 + b"}}",
        b'{"outcome": "PASS", "summary": "", "evidence": {"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}",
        b'{"outcome": "PASS", "summary": "", "evidence": {"x": ' + b"9" * 5000 + b"}}",
    ],
)
def test_what_is_no_answer_is_an_error(stdout: bytes) -> None:
    answer = answer_of(completed(stdout), timeout=5)
    assert answer.outcome is Outcome.ERROR
    assert answer.summary == "the check ended with exit code 0 and no answer"


def test_pass_with_a_bad_exit_code_is_an_error() -> None:
    answer = answer_of(completed(exit_code=3, stderr=b"a\nlast words"), timeout=5)
    assert answer.outcome is Outcome.ERROR
    assert answer.summary == "the check ended with exit code 3 and no answer"
    assert answer.evidence == {"output": ["a", "last words"], "exit_code": 3}


def test_signal_is_named() -> None:
    answer = answer_of(completed(b"", exit_code=139), timeout=5)
    assert answer.summary == "the check was ended by signal 11 before it answered"


def test_time_limit_is_an_error_even_with_an_answer() -> None:
    answer = answer_of(completed(exit_code=137, timed_out=True), timeout=5)
    assert answer.outcome is Outcome.ERROR
    assert answer.summary == "no answer within 5 s (set `timeout` in the recipe if it needs longer)"


def test_want_of_memory_is_named() -> None:
    answer = answer_of(completed(b"", exit_code=137, out_of_memory=True), timeout=5)
    assert (answer.outcome, answer.summary) == (Outcome.ERROR, "the kernel ended it for want of memory")


def test_refused_gpu_is_unproven_with_the_engines_reason() -> None:
    answer = answer_of(completed(b"", exit_code=-1, refused="no device driver"), timeout=5)
    assert answer.outcome is Outcome.UNPROVEN
    assert answer.summary == "the engine gives no GPU: no device driver"


def test_cut_output_is_said() -> None:
    answer = answer_of(completed(b"x", exit_code=1, cut=7), timeout=5)
    assert answer.evidence["output_cut_bytes"] == 7


def said(**changes: object) -> Answer:
    """The answer of a check that says this, as the prelude writes it."""
    data = json.dumps({"outcome": "FAIL", "summary": "s", "evidence": {}, **changes})
    return answer_of(completed(data.encode("utf-8", "backslashreplace")), timeout=5)


def test_name_of_a_file_that_is_no_utf_8_can_be_written_in_a_report() -> None:
    answer = said(summary="/opt/na\udce4me can be written by anybody", evidence={"\udcff": ["\udce4"]})
    assert answer.summary == "/opt/na\\udce4me can be written by anybody"
    assert answer.evidence == {"\\udcff": ["\\udce4"]}
    result = CheckResult(
        name="user",
        outcome=answer.outcome,
        summary=answer.summary,
        evidence=answer.evidence,
        seconds=0.1,
        key=sha256_of("x"),
        image="sha256:" + sha256_of("y"),
    )
    assert CheckResult.model_validate_json(result.model_dump_json()) == result


def test_what_an_image_says_commands_no_terminal() -> None:
    answer = said(summary="\x1b[2J\x07ä\u202e", evidence={"a\x1b": {"b": "one\ntwo\tthree\r"}})
    assert answer.summary == "\\x1b[2J\\x07ä\\u202e"
    assert answer.evidence == {"a\\x1b": {"b": "one\ntwo\tthree\\r"}}
    broken = answer_of(completed(b"", b"\x1b]0;title\x07last\x1b[1m", exit_code=1), timeout=5)
    assert broken.evidence["output"] == ["\\x1b]0;title\\x07last\\x1b[1m"]


def test_number_that_cannot_be_written_again_is_kept_as_a_word() -> None:
    answer = answer_of(completed(b'{"outcome": "FAIL", "summary": "s", "evidence": {"x": [1e999, 1.5]}}'), timeout=5)
    assert answer.evidence == {"x": ["1e999", 1.5]}


def test_nan_in_evidence_is_kept_as_a_word() -> None:
    answer = answer_of(completed(b'{"outcome": "FAIL", "summary": "s", "evidence": {"x": NaN}}'), timeout=5)
    assert answer.evidence == {"x": "NaN"}
