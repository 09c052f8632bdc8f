from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.resources import files

import pytest

from builder.checks import CHECKS, faults_of, one_of, script_of
from builder.checks.tables import cuda_table
from builder.models.plan import Action
from builder.models.recipe import Recipe

PRELUDE = files("builder.checks").joinpath("_prelude.py").read_text()


def recipe(*checks: object, **more: object) -> Recipe:
    return Recipe.model_validate({"name": "x", "base": "y", "checks": list(checks), **more}, strict=False)


def ran(lines: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script after the prelude, in a Python of its own."""
    argv = [sys.executable, "-B", "-", *arguments]
    return subprocess.run(argv, input=f"{PRELUDE}\n{lines}\n", capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_script_is_python_36_and_takes_nothing_but_the_standard_library_by_name(name: str) -> None:
    tree = ast.parse(script_of(name), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module.partition(".")[0] for module in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_script_needs_no_syntax_or_builtin_newer_than_36(name: str) -> None:
    nodes = list(ast.walk(ast.parse(script_of(name))))
    assert not [n for n in nodes if isinstance(n, ast.NamedExpr)]
    assert not [n for n in nodes if isinstance(n, ast.Attribute) and n.attr in ("removeprefix", "removesuffix")]
    assert not [n for n in nodes if isinstance(n, ast.keyword) and n.arg in ("capture_output", "text", "strict")]


def test_trust_reads_every_layer_and_no_other_check_reads_the_trust_layer() -> None:
    assert [name for name, script in CHECKS.items() if Action.INSTALL_TRUST in script.reads] == ["trust"]
    assert CHECKS["trust"].reads == frozenset(Action)


def test_every_action_is_read_by_the_checks_of_what_is_installed() -> None:
    for name in CHECKS.keys() - {"trust"}:
        assert CHECKS[name].reads == frozenset(Action) - {Action.INSTALL_TRUST, Action.INSTALL_TRUST_RHEL}


@pytest.mark.parametrize(
    ("check", "what", "remedy"),
    [
        ("nvidia_smi", "there is no check named nvidia_smi", "did you mean nvidia-smi?"),
        (
            "xyz",
            "there is no check named xyz",
            "known: " + ", ".join(CHECKS),
        ),
        (
            {"trust": {"bundle": "/x"}},
            "there is no argument of trust named bundle",
            "known: none, it takes no arguments",
        ),
        ({"python": {"versoin": "3.9"}}, "there is no argument of python named versoin", "did you mean version?"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(check: object, what: str, remedy: str) -> None:
    (fault,) = faults_of(recipe(check))
    assert (fault.where, fault.what, fault.remedy) == ("checks[0]", what, remedy)


@pytest.mark.parametrize(
    ("check", "what"),
    [
        ({"python": {"version": 3.9}}, 'python: version has to be a text: write "3.9"'),
        ({"python": {"version": "three"}}, 'python: version has to be a version or bounds, as in "9" or ">=9.1,<10"'),
        ({"imports": {"modules": []}}, "imports: modules has to be a list of module names, as in [torch, onnx]"),
        ({"imports": {"modules": ["os; x"]}}, "imports: modules has to be a list of module names, as in [torch, onnx]"),
        (
            {"onnx-export": {"models": ["gpt"]}},
            "onnx-export: models has to be a list of some of cnn, mlp, lstm, transformer",
        ),
        ({"command": {}}, "command: run is missing"),
        (
            {"command": {"run": []}},
            "command: run has to be a list of texts, as in [python, -V], or a line for the shell",
        ),
        ({"command": {"run": "true", "exit_code": 300}}, "command: exit_code has to be a whole number from 0 to 255"),
        (
            {"command": {"run": "true", "stdout": "/(/"}},
            "command: stdout is no regular expression: missing ), unterminated subpattern at position 0",
        ),
        (
            {"command": {"run": "true", "stdout": 3}},
            "command: stdout has to be a text, or a regular expression as in /^3\\.9/; an empty one asks for silence",
        ),
        ({"user": {"home": "yes"}}, "user: home has to be writable"),
        ({"user": {"allow": ["x"]}}, "user: allow has to be a list of absolute paths, in which * stands for anything"),
        ({"onnx-export": {"min_sqnr_db": True}}, "onnx-export: min_sqnr_db has to be a number"),
    ],
)
def test_unfit_arguments_are_named(check: object, what: str) -> None:
    assert [fault.what for fault in faults_of(recipe(check))] == [what]


def test_fit_arguments_are_no_fault() -> None:
    checks = (
        {"python": {"version": "3.9"}},
        {"cuda": {"driver": ">=525"}},
        {"cudnn": {"version": ">=9.1,<10"}},
        {"imports": {"modules": ["torch", "onnx.helper"]}},
        {"onnx-export": {"models": ["cnn"], "min_sqnr_db": 20}},
    )
    assert faults_of(recipe(*checks, cuda={"runtime": "12.8"})) == ()


def test_one_of_refuses_an_empty_list() -> None:
    assert one_of("a", "b")([]) == "has to be a list of some of a, b"


@pytest.mark.parametrize(("runtime", "driver"), [("11.8", "450.80.02"), ("12.8", "525.60.13"), ("13.0", "580.65.06")])
def test_oldest_driver_of_each_cuda_family(runtime: str, driver: str) -> None:
    assert cuda_table().driver_for(runtime) == driver


def test_unknown_cuda_family_has_no_driver() -> None:
    assert cuda_table().driver_for("99.0") is None


@pytest.mark.parametrize(
    ("version", "wanted", "met"),
    [
        ("9.10.2", "9", True),
        ("9.10.2", "9.1", False),
        ("9.10.2", ">=9.9", True),
        ("9.10.2", ">=9,<9.10", False),
        ("9.0", "==9", True),
        ("525", ">=525.0.0", True),
        ("525.60.13", ">525.60.13", False),
        ("2.8.0+cu128", "2.8", True),
        ("unknown", ">=1", False),
        ("3.10.1", "3.1", False),
    ],
)
def test_version_meets_what_is_wanted(version: str, wanted: str, met: bool) -> None:
    done = ran(f"finish('PASS', str(meets({version!r}, {wanted!r})))")
    assert json.loads(done.stdout)["summary"] == str(met)


def test_answer_is_alone_on_standard_output() -> None:
    lines = "print('chatter'); os.system('echo from C'); os.write(1, b'raw'); finish('PASS', ARGS['a'], n=1)"
    done = ran(lines, '{"a": "fine"}')
    assert json.loads(done.stdout) == {"outcome": "PASS", "summary": "fine", "evidence": {"n": 1}}
    assert done.stdout.count("\n") == 1
    assert all(text in done.stderr for text in ("chatter", "from C", "raw"))


def test_crash_answers_with_its_last_lines() -> None:
    done = ran("def f():\n    raise ValueError('no')\nf()")
    answer = json.loads(done.stdout)
    assert (answer["outcome"], answer["summary"]) == ("ERROR", "the check itself crashed: ValueError: no")
    assert answer["evidence"]["traceback"][-1] == "ValueError: no"


def test_crash_after_the_answer_changes_nothing() -> None:
    done = ran("import atexit; atexit.register(os.abort); finish('PASS', 'fine')")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "PASS")


def test_long_answer_arrives_whole() -> None:
    done = ran("finish('PASS', 'x' * 900000)")
    assert len(json.loads(done.stdout)["summary"]) == 900000


def test_several_problems_are_counted_in_the_summary() -> None:
    answer = json.loads(ran("conclude(['one', 'two'], 'fine')").stdout)
    assert (answer["outcome"], answer["summary"]) == ("FAIL", "one (and 1 more)")
    assert answer["evidence"]["problems"] == ["one", "two"]
