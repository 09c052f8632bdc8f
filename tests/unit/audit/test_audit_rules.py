"""Each rule finds what breaks it, at its place, and leaves alone what only looks like it."""

from __future__ import annotations

import re

import pytest
from form_examples import FORMS, LIKE
from rule_examples import BROKEN, SOUND
from tests_root import ROOT

from builder.audit.examine import examine
from builder.audit.machine import environment_findings
from builder.audit.rules import RULES
from builder.audit.surroundings import ANYWHERE
from builder.audit.variables import INDEXES, WATCHED

CASES = [*((rule, example) for rule, examples in BROKEN.items() for example in examples), *FORMS]
ON_A_MACHINE = {"CA001", "CA002", "CA003"}  # these need the machine's files: test_machine.py


@pytest.mark.parametrize(("rule", "example"), CASES, ids=[f"{r}-{e.path}-{e.place}" for r, e in CASES])
def test_a_broken_rule_is_found_at_its_line_and_column(rule, example):
    found = [f"{f.line}:{f.column}" for f in examine(example.path, example.text) if f.rule == rule]
    assert found[:1] == [example.place]


@pytest.mark.parametrize("example", [*SOUND, *LIKE], ids=[f"{i}-{e.path}" for i, e in enumerate([*SOUND, *LIKE])])
def test_what_only_looks_like_it_is_no_finding(example):
    assert [(f.rule, f.place, f.seen) for f in examine(example.path, example.text)] == []


def test_every_rule_has_an_example():
    assert {rule for rule, _ in CASES} | ON_A_MACHINE == set(RULES)


def test_the_pre_commit_hook_is_given_every_kind_of_file():
    from ruamel.yaml import YAML

    (hook,) = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
    paths = {example.path for _, example in CASES} - {"bin/get", "bin/x", ".git/config"}
    assert [path for path in paths if not re.search(hook["files"], path)] == []


def test_every_watched_variable_names_a_rule():
    named = {w.rule for entries in WATCHED.values() for w in entries} | set(INDEXES.values())
    assert named <= set(RULES)


@pytest.mark.parametrize("name", WATCHED)
def test_every_watched_variable_is_found_in_a_script_and_in_a_dockerfile(name):
    bad = next(v for v in ("0", "false", "true", "off", "x") if WATCHED[name][0].breaks(v))
    assert [f.rule for f in examine("a.sh", f"export {name}={bad}\n")] == [WATCHED[name][0].rule]
    assert [f.rule for f in examine("Dockerfile", f"ENV {name}={bad}\n")] == [WATCHED[name][0].rule]


def test_rules_read_well():
    for rule in RULES.values():
        assert re.fullmatch(r"[A-Z]+\d{3}", rule.id)
        assert rule.title
        assert rule.why
        assert rule.remedy
        assert "disable" not in rule.remedy


def test_passwords_and_tokens_never_reach_a_report():
    for example in BROKEN["URL001"]:
        told = " ".join(f.seen + f.wins for f in examine(example.path, example.text))
        assert not re.search(r"hunter2|ab-1234-5678|ghp_abc|s3cret|abcdefgh", told)
        assert "***" in told


def test_an_exception_with_a_reason_holds_for_its_line_and_the_next():
    same = "curl -k https://x  # builder-audit: allow CURL001 the test server signs itself\n"
    above = "# builder-audit: allow CURL001 the test server signs itself\ncurl -k https://x\n"
    assert examine("a.sh", same) == ()
    assert examine("a.sh", above) == ()
    assert [f.rule for f in examine("a.sh", above + "curl -k https://y\n")] == ["CURL001"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.sh", "curl -k 'https://x # builder-audit: allow CURL001 a string says so'\n"),
        ("a.sh", "curl -k https://x; echo builder-audit: allow CURL001 a word says so\n"),
        ("x.py", 'a = """\n# builder-audit: allow PY001 a string says so\n"""; requests.get(u, verify=False)\n'),
        ("daemon.json", '{"insecure-registries": ["# builder-audit: allow DOCKER001 x"]}\n'),
    ],
)
def test_an_exception_in_a_string_holds_nothing(path, text):
    assert [f.severity.value for f in examine(path, text) if f.rule != "AUDIT001"] != []


def test_a_variable_does_not_excuse_itself():
    value = "-k # builder-audit: allow CURL001 it says so"
    assert [f.rule for f in environment_findings({"CURL_OPTS": value}, "ENV", ANYWHERE)] == ["CURL001"]


def test_an_exception_for_another_rule_holds_nothing():
    text = "curl -k https://x  # builder-audit: allow WGET001 because\n"
    assert [f.rule for f in examine("a.sh", text)] == ["CURL001"]


def test_an_exception_without_a_reason_holds_nothing_and_is_told():
    text = "curl -k https://x  # builder-audit: allow CURL001\n"
    assert [f.rule for f in examine("a.sh", text)] == ["CURL001", "AUDIT001"]


def test_columns_count_characters_and_lines_count_windows_ends():
    text = "echo é\r\necho 'ééé'; curl -k https://x\r\n"
    assert [(f.line, f.column) for f in examine("a.sh", text)] == [(2, 18)]
