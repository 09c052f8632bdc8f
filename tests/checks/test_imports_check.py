from __future__ import annotations

import pytest
from image_lab import Lab

from builder.models.report import Outcome

pytestmark = pytest.mark.engine

SITE = "/usr/lib/python3/dist-packages"


def distribution(name: str, version: str, source: str) -> dict[str, str]:
    info = f"{SITE}/{name}-{version}.dist-info"
    return {
        f"{SITE}/{name}/__init__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/RECORD": f"{name}/__init__.py,,\n{name}-{version}.dist-info/METADATA,,\n",
    }


GOOD = distribution("demo_ok", "1.5", "__version__ = '1.5'\n")


def test_modules_that_import_pass_with_their_versions(lab: Lab) -> None:
    answer = lab.ask("imports", lab.image(GOOD), modules=["demo_ok", "ssl"], locked={"demo-ok": "1.5"})
    assert (answer.outcome, answer.summary) == (Outcome.PASS, "2 modules import; 1 distributions as locked")
    row = answer.evidence["modules"][0]  # type: ignore[index, call-overload]
    assert (row["module"], row["version"], row["error"]) == ("demo_ok", "1.5", None)


def test_modules_of_the_recipes_packages_are_found(lab: Lab) -> None:
    answer = lab.ask("imports", lab.image(GOOD), packages=["Demo.OK"])
    assert [row["module"] for row in answer.evidence["modules"]] == ["demo_ok"]  # type: ignore[index, union-attr, call-overload]


def test_module_that_does_not_import_fails_and_the_others_are_tried(lab: Lab) -> None:
    broken = distribution("demo_bad", "1", "import demo_missing\n")
    answer = lab.ask("imports", lab.image({**GOOD, **broken}), modules=["demo_bad", "demo_ok"])
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "`import demo_bad` fails: ModuleNotFoundError: No module named 'demo_missing'"
    assert len(answer.evidence["modules"]) == 2  # type: ignore[arg-type]


def test_module_that_ends_the_process_fails(lab: Lab) -> None:
    image = lab.image(distribution("demo_exit", "1", "import sys\nsys.exit(0)\n"))
    assert lab.ask("imports", image, modules=["demo_exit"]).summary == "`import demo_exit` fails: SystemExit: 0"


def test_module_that_crashes_the_process_is_named(lab: Lab) -> None:
    image = lab.image(distribution("demo_crash", "1", "import ctypes\nctypes.string_at(0)\n"))
    answer = lab.ask("imports", image, modules=["ssl", "demo_crash"])
    assert answer.outcome is Outcome.ERROR
    assert answer.summary == "the check was ended by signal 11 before it answered"
    assert answer.evidence["output"] == ["importing ssl", "importing demo_crash"]


def test_another_version_than_the_locks_fails(lab: Lab) -> None:
    answer = lab.ask("imports", lab.image(GOOD), modules=["demo_ok"], locked={"demo-ok": "1.6", "gone": "1"})
    assert answer.outcome is Outcome.FAIL
    assert answer.evidence["problems"] == ["demo-ok is 1.5, the lock says 1.6", "gone is missing, the lock says 1"]


def test_nothing_to_import_fails(lab: Lab) -> None:
    assert lab.ask("imports", lab.image()).outcome is Outcome.FAIL
