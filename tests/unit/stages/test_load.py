"""Recipes and their faults: what is told, where, and that nothing else ever comes out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from builder.checks import CHECKS as CHECKS_OF_BUILDER
from builder.errors import Fault, RecipeError
from builder.models.recipe import Apt, Check
from builder.stages.load import parse_recipe

QUICKSTART = Path(__file__).parents[3] / "recipes" / "quickstart.yaml"
MINIMAL = "name: a\nbase: b\nchecks: [trust]\n"
CHECKS = {"trust": {}, "python": {"version": lambda v: None if isinstance(v, str) else "has to be a text"}}


def faults(text: str | bytes, **known) -> tuple[Fault, ...]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "r.yaml", **known)
    return caught.value.faults


def one(text: str | bytes, **known) -> tuple[str, str | None, str | None, str | None]:
    (fault,) = faults(text, **known)
    return fault.what, fault.where, fault.seen, fault.remedy


def test_the_quickstart_recipe_is_read():
    recipe = parse_recipe(QUICKSTART.read_bytes(), "recipes/quickstart.yaml")
    assert recipe.name == "quickstart"
    assert recipe.pip.packages[0] == "torch==2.8.0"
    asked = {"models": ["cnn", "mlp", "lstm", "transformer"], "exporters": ["torchscript", "dynamo"], "min_sqnr_db": 20}
    assert recipe.checks[6] == Check(check="onnx-export", **{"with": asked}, timeout=600)


def test_the_quickstart_recipe_is_read_in_3_ms():
    text = QUICKSTART.read_text()

    def once() -> float:
        start = time.perf_counter()
        parse_recipe(text, "r.yaml")
        return time.perf_counter() - start

    assert min(once() for _ in range(50)) < 0.003  # 0.8 ms on a busy core


def test_short_forms_and_long_forms_are_the_same():
    short = "name: a\nbase: b\napt: [git]\nchecks: [trust, {python: {version: '3.9', skip: why, timeout: 5}}]\n"
    long = (
        "name: a\nbase: b\napt: {packages: [git]}\nchecks: [{check: trust},"
        " {check: python, with: {version: '3.9'}, skip: why, timeout: 5}]\n"
    )
    recipe = parse_recipe(short, "r.yaml")
    assert recipe == parse_recipe(long, "r.yaml")
    assert recipe.apt == Apt(packages=("git",))


def test_yes_and_a_date_are_text_as_in_yaml_1_2():
    text = "name: a\nbase: b\nversion: 2026-01-01\nchecks: [{a: {b: yes, c: 0x10, d: 012, e: ~, f: 1e3}}]\n"
    recipe = parse_recipe(text, "r.yaml")
    assert recipe.version == "2026-01-01"
    assert recipe.checks[0].with_ == {"b": "yes", "c": 16, "d": 12, "e": None, "f": 1000.0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # keys
        (MINIMAL + "piip: 1\n", ("unknown key `piip`", "r.yaml:4:1 (piip)", None, "did you mean `pip`?")),
        (
            MINIMAL + "pip:\n  packages: []\n  pakages: []\n",
            ("unknown key `pakages`", "r.yaml:6:3 (pip.pakages)", None, "did you mean `packages`?"),
        ),
        (
            MINIMAL + "trust: {zzz: 1}\n",
            ("unknown key `zzz`", "r.yaml:4:9 (trust.zzz)", None, "known here: roots, extra, pins"),
        ),
        (
            "name: a\nbase: b\nchecks:\n  - check: trust\n    whit: {}\n",
            ("unknown key `whit`", "r.yaml:5:5 (checks[0].whit)", None, "did you mean `with`?"),
        ),
        ("base: b\nchecks: [trust]\n", ("`name` is missing", "r.yaml:1:1", None, "add `name: ...`")),
        (
            "nmae: a\nbase: b\nchecks: [trust]\n",
            ("unknown key `nmae`", "r.yaml:1:1 (nmae)", None, "did you mean `name`?"),
        ),
        (MINIMAL + "cuda: {}\n", ("`runtime` is missing", "r.yaml:4:1 (cuda)", None, "add `runtime: ...`")),
        (
            MINIMAL + "name: c\n",
            ("`name` is there twice", "r.yaml:4:1 (name)", None, "keep one; the first is in line 1"),
        ),
        # types
        (
            MINIMAL + "python: 3.9\n",
            ("text is wanted here", "r.yaml:4:9 (python)", "3.9", 'quote it: "3.9"'),
        ),
        (
            MINIMAL + "python: 3.10\n",
            ("text is wanted here", "r.yaml:4:9 (python)", "3.10", 'quote it: "3.10"; without quotes YAML reads 3.1'),
        ),
        (
            MINIMAL + "apt: [git, 7]\n",
            ("text is wanted here", "r.yaml:4:12 (apt[1])", "7", 'quote it: "7"'),
        ),
        (
            MINIMAL + "pip: {packages: torch}\n",
            ("a list is wanted here", "r.yaml:4:17 (pip.packages)", "torch", "write [torch]"),
        ),
        (
            MINIMAL + "pip:\n",
            ("a mapping is wanted here", "r.yaml:4:5 (pip)", "nothing", "write a value, or remove the key"),
        ),
        (
            MINIMAL + "pip: [torch]\n",
            ("a mapping is wanted here", "r.yaml:4:6 (pip)", "a list of 1", None),
        ),
        (
            MINIMAL + "allow_unproven: yes\n",
            (
                "true or false is wanted here",
                "r.yaml:4:17 (allow_unproven)",
                "yes",
                "write true: in YAML 1.2, yes is text",
            ),
        ),
        (
            "name: a\nbase: b\nchecks: [{trust: {timeout: '5'}}]\n",
            ("a whole number is wanted here", "r.yaml:3:28 (checks[0].trust.timeout)", "5", "remove the quotes"),
        ),
        # values
        (
            MINIMAL + "purpose: trainig\n",
            ("wants one of 'training' or 'deployment'", "r.yaml:4:10 (purpose)", "trainig", None),
        ),
        (
            "name: A b\nbase: b\nchecks: [trust]\n",
            ("wants lower-case letters, digits, `.`, `_`, `-`; 63 at most", "r.yaml:1:7 (name)", "A b", None),
        ),
        (
            'name: "a\\n"\nbase: b\nchecks: [trust]\n',
            ("wants lower-case letters, digits, `.`, `_`, `-`; 63 at most", "r.yaml:1:7 (name)", "a", None),
        ),
        ("name: a\nbase: b\nchecks: []\n", ("wants 1 or more", "r.yaml:3:9 (checks)", "a list of 0", None)),
        (
            "name: a\nbase: b\nchecks: [{trust: {timeout: 0}}]\n",
            ("wants 1 or more", "r.yaml:3:28 (checks[0].trust.timeout)", "0", None),
        ),
        (
            MINIMAL + 'tags: ["{name.x}:1"]\n',
            (
                "a name alone may stand in braces, as in {name}, {lock} or {torch}",
                "r.yaml:4:8 (tags[0])",
                "{name.x}:1",
                None,
            ),
        ),
        (
            MINIMAL + 'tags: ["{name:99999999999}"]\n',
            (
                "a name alone may stand in braces, as in {name}, {lock} or {torch}",
                "r.yaml:4:8 (tags[0])",
                "{name:99999999999}",
                None,
            ),
        ),
        (
            MINIMAL + "trust: {extra: [../../etc/passwd]}\n",
            ("must be a path below the recipe's folder", "r.yaml:4:17 (trust.extra[0])", "../../etc/passwd", None),
        ),
        (
            MINIMAL + "pip: {packages: ['torch @ https://example.org/t.whl']}\n",
            (
                "a URL cannot be locked neutrally: name the package and its version",
                "r.yaml:4:18 (pip.packages[0])",
                "torch @ https://example.org/t.whl",
                None,
            ),
        ),
        # checks
        (
            "name: a\nbase: b\nchecks:\n  - trust:\n",
            (
                'the arguments of a check are a mapping, as in `python: {version: "3.9"}`',
                "r.yaml:4:5 (checks[0])",
                "a mapping with trust",
                None,
            ),
        ),
        (
            "name: a\nbase: b\nchecks:\n  - python: {}\n    timeout: 3\n",
            (
                "a check is `name`, `name: {arguments}` or `{check: name, with: {arguments}}`",
                "r.yaml:4:5 (checks[0])",
                "a mapping with python, timeout",
                None,
            ),
        ),
        # the text itself
        ("", ("the file is empty", "r.yaml:1:1", "nothing", "`builder new NAME` writes a recipe to start from")),
        (
            "# only this\n",
            ("the file is empty", "r.yaml:1:1", "nothing", "`builder new NAME` writes a recipe to start from"),
        ),
        (
            "- a\n- b\n",
            (
                "a recipe is a mapping of keys to values",
                "r.yaml:1:1",
                "a list of 2",
                "`builder new NAME` writes a recipe to start from",
            ),
        ),
        (
            MINIMAL + "---\nname: b\n",
            ("a second document starts here", "r.yaml:4:1", None, "one document a file: remove the `---`"),
        ),
        (
            "name: a\npip:\n\tpackages: []\n",
            ("a tab where YAML wants spaces", "r.yaml:3:1", None, "indent with spaces"),
        ),
        (b"name: caf\xe9\n", ("not UTF-8", "r.yaml:1:10", "byte 0xE9", "save it as UTF-8")),
        ("name: a\x00b\n", ("a character that text does not have", "r.yaml:1:8", "U+0000", None)),
        ('name: a\nbase: "\\0"\n', ("a character that text does not have", "r.yaml:2:7", "U+0000", None)),
        ("? [a]\n: b\n", ("a key that is not text", "r.yaml:1:3", None, "put text with braces or brackets in quotes")),
        (
            MINIMAL + "tags: [{name}:{version}]\n",
            ("a key that is not text", "r.yaml:4:8", None, "put text with braces or brackets in quotes"),
        ),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", ("`<<` is not read", "r.yaml:3:3", None, "write the values out")),
        (
            "name: !!python/name:os.system x\n",
            (
                "tags are not read",
                "r.yaml:1:7",
                "tag:yaml.org,2002:python/name:os.system",
                "remove it, and put text in quotes",
            ),
        ),
        (
            "a: &x [*x]\n",
            (
                "an alias inside what it stands for",
                "r.yaml:1:8",
                "*x",
                "write the value out; text that starts with * needs quotes",
            ),
        ),
        ("#" * 300_000, ("longer than 262144 characters", "r.yaml:1:1", "300000", None)),
        ("[" * 100, ("more than 20000 values, or more than 32 inside each other", "r.yaml:1:34", None, None)),
        (
            "name: a\nbase: b: c\n",
            (
                "not YAML: mapping values are not allowed in this context",
                "r.yaml:2:8",
                "base: b: c",
                "check the indentation; text with `: ` in it needs quotes",
            ),
        ),
    ],
)
def test_a_fault_is_told(text, told):
    assert one(text) == told


def test_a_bomb_of_aliases_is_stopped():
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20))
    assert one(text)[0] == "more than 20000 values, or more than 32 inside each other"


def test_aliases_are_read():
    text = "name: a\nbase: b\npip: {packages: &p [onnx]}\napt: {packages: *p}\nchecks: [trust]\n"
    assert parse_recipe(text, "r.yaml").apt.packages == ("onnx",)


def test_a_byte_order_mark_is_skipped():
    assert parse_recipe(b"\xef\xbb\xbf" + MINIMAL.encode(), "r.yaml").name == "a"


def test_all_faults_come_at_once_the_hardest_first():
    text = "name: A B\nbase: b\npython: 3.9\nchecks: [trust]\nfoo: 1\n"
    assert [(f.what, f.where) for f in faults(text)] == [
        ("unknown key `foo`", "r.yaml:5:1 (foo)"),
        ("text is wanted here", "r.yaml:3:9 (python)"),
        ("wants lower-case letters, digits, `.`, `_`, `-`; 63 at most", "r.yaml:1:7 (name)"),
    ]


def test_the_error_counts_its_faults():
    with pytest.raises(RecipeError, match=r"^the recipe has 2 faults$") as caught:
        parse_recipe("base: b\nname: a\ncheck: 1\npip: 3\n", "recipes/r.yaml")
    assert caught.value.where == "recipes/r.yaml"


def test_what_was_seen_is_shortened():
    assert one(MINIMAL + f"purpose: {'x' * 500}\n")[2] == "x" * 59 + "…"


def test_a_base_that_is_not_there_names_the_nearest():
    told = one("name: a\nbase: debian-bokworm\nchecks: [trust]\n", bases={"debian-bookworm", "debian-bullseye"})
    remedy = "did you mean `debian-bookworm`? `builder new --list-bases` shows them all"
    assert told == ("no such base", "r.yaml:2:7 (base)", "debian-bokworm", remedy)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("trsut", ("no check is named `trsut`", "r.yaml:3:10 (checks[0])", "trsut", "did you mean `trust`?")),
        ("{zz: {}}", ("no check is named `zz`", "r.yaml:3:11 (checks[0].zz)", None, "there are python, trust")),
        (
            "{python: {verison: x}}",
            (
                "`python` has no argument `verison`",
                "r.yaml:3:20 (checks[0].python.verison)",
                None,
                "did you mean `version`?",
            ),
        ),
        (
            "{check: trust, with: {a: 1}}",
            ("`trust` has no argument `a`", "r.yaml:3:32 (checks[0].with.a)", None, "it takes none"),
        ),
        (
            "{python: {version: 3.9}}",
            ("`version` has to be a text", "r.yaml:3:29 (checks[0].python.version)", "3.9", None),
        ),
    ],
)
def test_a_check_that_is_not_there_or_an_argument_that_it_does_not_take(entry, told):
    assert one(f"name: a\nbase: b\nchecks: [{entry}]\n", checks=CHECKS) == told


MEASURING = 'checks: [{python: {version: "3.9"}}, {imports: {modules: [torch]}}, {check: cudnn, skip: later}]'


@pytest.mark.parametrize(
    ("field", "remedy"),
    [
        ("nam", "did you mean `{name}`?"),
        ("cudnn", "add the check `cudnn`, which does"),  # skipped here
        ("cuda", "add the check `cuda`, which does"),
        ("driver", "there are lock, measured, name, python, torch, version"),
    ],
)
def test_a_tag_that_says_what_no_check_measures_is_a_fault(field, remedy):
    text = f'name: a\nbase: b\n{MEASURING}\ntags: ["{{name}}:1", "{{name}}:{{{field}}}"]\n'
    told = one(text, checks={name: script.arguments for name, script in CHECKS_OF_BUILDER.items()})
    seen = f"{{name}}:{{{field}}}"
    assert told == (f"no check of the recipe measures `{field}`", "r.yaml:4:20 (tags[1])", seen, remedy)


def test_a_tag_may_say_what_the_checks_measure():
    text = f'name: a\nbase: b\n{MEASURING}\ntags: ["{{name}}:{{measured}}", "x/y:{{python}}-{{torch}}-{{lock}}"]\n'
    known = {name: script.arguments for name, script in CHECKS_OF_BUILDER.items()}
    assert parse_recipe(text, "r.yaml", checks=known).tags[0] == "{name}:{measured}"


def test_names_that_exist_are_no_fault():
    text = "name: a\nbase: b\nchecks: [trust, {python: {version: '3.9', timeout: 3}}]\n"
    assert parse_recipe(text, "r.yaml", bases={"b"}, checks=CHECKS).base == "b"
