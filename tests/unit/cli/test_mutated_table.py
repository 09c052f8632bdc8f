"""The terminal's table of mutations: what was not tried is named, with why."""

from __future__ import annotations

import pytest

from builder.cli import show
from builder.models.mutation import Mutated, Verdict


def result(check: str, name: str, verdict: Verdict, summary: str) -> Mutated:
    return Mutated(name=name, check=check, verdict=verdict, summary=summary, seconds=0.1)


def test_what_was_left_out_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    why = "the recipe does not ask for it"
    found = (
        result("user", "open", Verdict.CAUGHT, "can be written"),
        result("cuda", "cublas-gone", Verdict.NOTHING, why),
        result("cuda", "torch-for-the-cpu", Verdict.NOTHING, why),
        result("packages", "wheel", Verdict.NOTHING, "there is no wheels"),
    )
    show.mutated("demo", found, False)
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "1 of 1 caught, each for its own reason; 3 have nothing here",
        f"  not here, cuda: {why}: cublas-gone, torch-for-the-cpu",
        "  not here, packages: there is no wheels: wheel",
    ]
