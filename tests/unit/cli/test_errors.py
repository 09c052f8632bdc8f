"""What a person, and a machine, is told when something fails."""

from __future__ import annotations

import errno
import json

import pytest

from builder.cli import errors
from builder.errors import BuilderError, CheckFailed, Fault, LockError, RecipeError


def test_an_error_says_what_where_seen_and_what_to_do():
    error = LockError("the lock is stale", where="recipes/a.lock", seen="made\nfor another", remedy="builder lock a")
    assert errors.text_of(error) == (
        "error: the lock is stale\n"
        "  where: recipes/a.lock\n"
        "  seen: made\n"
        "        for another\n"
        "  to do: builder lock a\n"
    )


def test_faults_follow_in_their_order():
    faults = (Fault(what="unknown key", where="r.yaml:2:1", seen="'pips'", remedy="write `pip`"), Fault(what="no name"))
    assert errors.text_of(RecipeError("2 faults", where="r.yaml", faults=faults)) == (
        "error: 2 faults\n"
        "  where: r.yaml\n"
        "\n"
        "  - unknown key\n"
        "    where: r.yaml:2:1\n"
        "    seen: 'pips'\n"
        "    to do: write `pip`\n"
        "\n"
        "  - no name\n"
    )


def test_of_very_many_faults_a_person_sees_the_first_and_how_many_more_and_a_machine_sees_all():
    error = BuilderError("106 files are missing", faults=tuple(Fault(what=f"file {n}") for n in range(106)))
    text = errors.text_of(error)
    assert text.endswith("\n  - file 19\n\n  - and 86 more, which `--json` has\n")
    assert len(errors.document(error, 1)["error"]["faults"]) == 106
    few = BuilderError("25 files are missing", faults=error.faults[:25])
    assert errors.text_of(few).endswith("\n  - file 24\n")


def test_control_characters_of_what_was_seen_are_shown_not_obeyed():
    text = errors.text_of(BuilderError("odd", seen="\x1b[2Jgone\r\x07"))
    assert text == "error: odd\n  seen: \\x1b[2Jgone\\r\\x07\n"


def test_json_error_is_one_object_on_standard_output(capsys):
    error = CheckFailed("2 of 7 checks failed", where="quickstart", faults=(Fault(what="trust", seen="expired"),))
    assert errors.report(error, as_json=True) == 10
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "error": {
            "kind": "check",
            "what": "2 of 7 checks failed",
            "where": "quickstart",
            "seen": None,
            "remedy": None,
            "faults": [{"what": "trust", "where": None, "seen": "expired", "remedy": None}],
        },
        "exit_code": 10,
    }


def test_a_full_disk_has_its_own_code_even_when_nobody_foresaw_it(capsys):
    assert errors.report(OSError(errno.ENOSPC, "No space left on device", "/cache/x")) == 12
    assert capsys.readouterr().err == (
        "error: no room left on the disk\n  where: /cache/x\n  seen: No space left on device\n"
        "  to do: make room, and run the same command again\n"
    )


def test_ctrl_c_is_130_and_sigterm_143(capsys):
    assert errors.report(KeyboardInterrupt()) == 130
    assert errors.report(errors.Terminated(15)) == 143
    assert capsys.readouterr().err == (
        "error: interrupted; nothing half-written\nerror: interrupted; nothing half-written\n  seen: SIGTERM\n"
    )


def test_an_unexpected_error_is_owned_and_says_how_to_report_it(capsys, monkeypatch):
    monkeypatch.delenv("BUILDER_DEBUG", raising=False)
    with pytest.raises(KeyError) as caught:
        {}["a"]
    assert errors.report(caught.value) == 70
    err = capsys.readouterr().err
    assert err.startswith("error: builder itself failed\n  where: test_errors.py:")
    assert "  seen: KeyError: 'a'\n" in err
    assert "BUILDER_DEBUG=1" in err
    assert "Traceback" not in err


def test_the_traceback_comes_with_builder_debug(capsys, monkeypatch):
    monkeypatch.setenv("BUILDER_DEBUG", "1")
    with pytest.raises(KeyError) as caught:
        {}["a"]
    errors.report(caught.value)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_every_kind_of_failure_has_a_code_of_its_own():
    codes = [code for code, _ in errors.exit_codes()]
    assert len(codes) == len(set(codes))
    assert set(codes) >= {0, 1, 2, 3, 10, 14, 70, 130}


@pytest.mark.parametrize("kind", list(errors._tree(BuilderError)))
def test_every_kind_of_failure_is_described(kind):
    assert kind.__doc__


def test_no_colour_off_a_terminal(capsys):
    errors.report(BuilderError("x"))
    assert "\033" not in capsys.readouterr().err
