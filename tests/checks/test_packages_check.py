"""The packages check in a Debian 11, whose dist-packages stand for the environment's."""

from __future__ import annotations

import base64
import hashlib
import subprocess

import pytest
from image_lab import Files, Lab, Link

from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = pytest.mark.engine

SITE = "/usr/lib/python3/dist-packages"
SOURCE = "x = 1\n"
MARK = base64.urlsafe_b64encode(hashlib.sha256(SOURCE.encode()).digest()).rstrip(b"=").decode()
INFO = "demo-1.0.dist-info"
WHEEL = {
    f"{SITE}/demo.py": SOURCE,
    f"{SITE}/{INFO}/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\n",
    f"{SITE}/{INFO}/RECORD": f"demo.py,sha256={MARK},6\n{INFO}/METADATA,,\n{INFO}/RECORD,,\n",
}


def asked(lab: Lab, more: Files | None = None, **arguments: object) -> Answer:
    given = {"wheels": {"Demo": "1.0"}, "debs": {}, "debs_whole": False, **arguments}
    return lab.ask("packages", lab.image({**WHEEL, **(more or {})}), **given)  # type: ignore[arg-type]


def test_what_is_locked_passes(lab: Lab) -> None:
    answer = asked(lab)
    assert answer.outcome is Outcome.PASS, answer
    assert answer.summary.startswith("1 wheels, 0 conda packages and ")


def test_program_that_no_package_brought_fails_unless_the_recipe_answers_for_it(lab: Lab) -> None:
    """In a base that was made here; a link is whose what it leads to is."""
    listed = subprocess.run(
        ["docker", "run", "--rm", lab.rootfs, "dpkg-query", "-W", "-f", "${Package} ${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    whole = {"debs": dict(line.split() for line in listed.splitlines()), "debs_whole": True}
    files: Files = {"/usr/local/bin/pip": "#!/bin/sh\n", "/usr/bin/own-awk": Link("/etc/alternatives/awk")}
    assert asked(lab, **whole).outcome is Outcome.PASS
    answer = asked(lab, files, **whole)
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "/usr/local/bin/pip belongs to no package")
    allowed = asked(lab, files, **whole, allow={"/usr/local/bin/*": "ours"})
    assert allowed.evidence["allowed"] == [{"what": "/usr/local/bin/pip belongs to no package", "reason": "ours"}]
    assert asked(lab, files).outcome is Outcome.PASS  # of another's base nobody knows what belongs there


def test_what_differs_from_the_lock_fails_by_name(lab: Lab) -> None:
    extra = {f"{SITE}/evil-2.dist-info/METADATA": "Name: evil\nVersion: 2\n\n", f"{SITE}/evil.pth": "import os\n"}
    wanted = {"demo": "1.1", "gone": "3"}
    answer = asked(lab, extra, wheels=wanted, debs={"dpkg": "0"}, debs_whole=True, conda={"zlib": "1 h0"}, seconds=0)
    assert answer.outcome is Outcome.FAIL
    found = answer.evidence["problems"]
    assert isinstance(found, list)
    assert found[:4] == [
        "wheel demo is 1.0, the lock says 1.1",
        "wheel gone is missing: the lock has 3",
        "wheel evil 2 is in no lock",
        "conda package zlib is missing: the lock has 1 h0",
    ]
    assert "the lock says 0" in str(found[4]) or "is in no lock" in str(found[4])


def test_changed_files_fail_by_their_path(lab: Lab) -> None:
    changed = {f"{SITE}/demo.py": "x = 2\n", "/usr/bin/find": "changed"}
    assert asked(lab, changed).evidence["problems"] == [
        "/usr/bin/find is not as findutils has it: its md5 differs",
        f"{SITE}/demo.py is not as demo 1.0 has it: its sha256 differs",
    ]


def test_files_that_were_not_compared_are_no_pass(lab: Lab) -> None:
    answer = asked(lab, seconds=0)
    assert answer.outcome is Outcome.ERROR
    assert answer.summary.endswith(
        " files were compared by their size alone, for 0 s were over: give it more, as in "
        "`packages: {seconds: 600, timeout: 900}`"
    )


def test_file_that_the_plan_wrote_in_a_packages_place_passes(lab: Lab) -> None:
    answer = asked(lab, {f"{SITE}/demo.py": "x = 2\n"}, written=[f"{SITE}/demo.py"])
    assert answer.outcome is Outcome.PASS, answer
