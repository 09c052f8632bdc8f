"""The clock check in a Debian 11, whose own files are as old as its making: the epoch is set before and after it."""

from __future__ import annotations

import time

import pytest
from image_lab import Lab, Link

from builder.models.report import Outcome

pytestmark = pytest.mark.engine

LATER = int(time.time()) + 86400


def test_right_clock_and_old_files_pass(lab: Lab) -> None:
    answer = lab.ask(
        "clock", lab.image(), created=1, epoch=LATER, change=lambda text: text.replace("10 * YEAR", "99 * YEAR")
    )
    assert answer.outcome is Outcome.PASS, answer


def test_clock_before_the_image_is_the_hosts_fault(lab: Lab) -> None:
    answer = lab.ask("clock", lab.image(), created=LATER)
    assert answer.outcome is Outcome.ERROR
    assert "which is before the image's newest part was published" in answer.summary


def test_clock_ten_years_after_the_image_is_the_hosts_fault(lab: Lab) -> None:
    answer = lab.ask("clock", lab.image(), created=1)
    assert answer.outcome is Outcome.ERROR
    assert "more than ten years after" in answer.summary


def test_what_could_not_be_looked_at_is_no_pass_and_hides_no_problem(lab: Lab) -> None:
    def hurried(text: str) -> str:
        return text.replace("tree, epoch = Tree()", "tree, epoch = Tree(-1)")

    answer = lab.ask("clock", lab.image(), created=int(time.time()), epoch=LATER, change=hurried)
    assert (answer.outcome, answer.summary) == (Outcome.ERROR, "no file of the image could be looked at")
    wrong = lab.image(env={"TZ": "Europe/Nowhere"})
    assert lab.ask("clock", wrong, created=1, epoch=LATER, change=hurried).outcome is Outcome.FAIL


def test_file_newer_than_the_epoch_fails(lab: Lab) -> None:
    answer = lab.ask("clock", lab.image(), created=int(time.time()), epoch=1000)
    assert answer.outcome is Outcome.FAIL
    assert "files are newer than the lock's epoch (1970-01-01 00:16), " in answer.summary


def test_zone_that_is_not_there_fails(lab: Lab) -> None:
    answer = lab.ask("clock", lab.image(env={"TZ": "Europe/Nowhere"}), created=int(time.time()))
    assert answer.summary.startswith("TZ is Europe/Nowhere, and there is no such zone")


def test_zone_link_that_leads_nowhere_fails(lab: Lab) -> None:
    image = lab.image({"/etc/localtime": Link("/usr/share/zoneinfo/Europe/Nowhere")})
    assert lab.ask("clock", image, created=int(time.time())).outcome is Outcome.FAIL
