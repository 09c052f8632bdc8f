"""The verdict on `ssl_verify` is conda's own, for every spelling that was put to conda."""

from __future__ import annotations

import pytest
from conda_verdicts import ENVIRONMENT, MANY, ONE_FILE

from builder.audit.conda_effective import ssl_verify
from builder.audit.condarc import read
from builder.audit.examine import examine
from builder.audit.kinds import Kind
from builder.audit.surroundings import Surroundings

SET = {"EMPTY": "", "ZERO": "0"}


ELSEWHERE = {  # where the machine's files are not known, or mamba decides otherwise
    "ssl_verify: missing.pem\n": set(),
    "ssl_verify: dir\n": {"CONDA002"},
    "ssl_verify: <false>\n": {"CONDA001"},
}


def verdict(files: list[str], environment: dict[str, str]) -> str:
    read_files = [read(f"/{i}/.condarc", text) for i, text in enumerate(files)]
    effective = ssl_verify(read_files, environment, exists=("bundle.pem", "dir").__contains__)
    ignored = any(rc.refused and rc.refused.ignored for rc in read_files)
    return ("ignored, " if ignored else "") + effective.verdict.value


@pytest.mark.parametrize(("text", "conda"), ONE_FILE)
def test_one_file_means_to_us_what_it_means_to_conda(text, conda):
    assert verdict([text], SET) == conda


@pytest.mark.parametrize(("variables", "conda"), ENVIRONMENT)
def test_variables_mean_to_us_what_they_mean_to_conda(variables, conda):
    assert verdict([], variables) == conda


@pytest.mark.parametrize(("files", "variables", "conda"), MANY)
def test_the_same_file_or_variable_wins_as_in_conda(files, variables, conda):
    assert verdict(files, variables) == conda


@pytest.mark.parametrize(("text", "conda"), ONE_FILE)
def test_what_conda_takes_as_off_is_a_finding_and_what_it_takes_as_on_is_none(text, conda):
    around = Surroundings(variables=SET)
    rules = {f.rule for f in examine("x", text, kind=Kind.CONDARC, around=around)} - {"CONDA004"}
    expected = {"off": {"CONDA001"}, "ignored, on": {"CONDA003"}, "error": {"CONDA002"}}.get(conda, set())
    if text in ELSEWHERE:
        expected = ELSEWHERE[text]
    assert rules == expected


def test_the_winner_is_named_with_its_line_and_the_others_with_who_beats_them():
    files = [read("/etc/conda/.condarc", "a: 1\nssl_verify: true\n"), read("~/.condarc", "ssl_verify: no\n")]
    effective = ssl_verify(files, {})
    assert (effective.winner, effective.why) == ("~/.condarc:1", "the last file of the search path wins")
    told = [(p.where, p.wins, p.said) for p in effective.participants]
    assert told == [
        ("/etc/conda/.condarc:2", False, "~/.condarc:1 wins"),
        ("~/.condarc:1", True, "the last file of the search path wins"),
    ]


def test_final_beats_the_environment_and_says_so():
    effective = ssl_verify([read("a", "ssl_verify: true #!final\n")], {"CONDA_SSL_VERIFY": "0"})
    assert (effective.verdict.value, effective.why) == ("on", "#!final ends the search, whatever comes later")
