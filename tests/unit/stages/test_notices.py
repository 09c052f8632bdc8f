from __future__ import annotations

from datetime import date

import gate_examples as examples

from builder.adapters.catalog import load_catalog
from builder.models.recipe import Conda
from builder.models.report import Notice
from builder.stages.notices import notices


def test_debian_11_and_python_39_are_past_their_end() -> None:
    got = notices(examples.recipe(), load_catalog(), today=date(2026, 11, 23))
    assert got == (
        Notice(
            subject="Debian 11",
            text="reached its end of life on 2026-08-31: no more security fixes (Debian LTS schedule)",
        ),
        Notice(
            subject="Python 3.9",
            text="reached its end of life on 2025-10-31: no more security fixes "
            "(Python Developer's Guide, Status of Python versions)",
        ),
    )


def test_last_day_itself_is_not_past() -> None:
    got = notices(examples.recipe(), load_catalog(), today=date(2026, 8, 31))
    assert got[0].text == "reaches its end of life on 2026-08-31, in 0 days (Debian LTS schedule)"


def test_end_within_half_a_year_is_announced() -> None:
    got = notices(examples.recipe(), load_catalog(), today=date(2026, 8, 1))
    assert got[0].text == "reaches its end of life on 2026-08-31, in 30 days (Debian LTS schedule)"


def test_far_end_is_no_notice() -> None:
    recipe = examples.recipe(base="debian-bookworm", python="3.11")
    assert notices(recipe, load_catalog(), today=date(2026, 11, 23)) == ()


def test_minicondas_base_installation_is_told_of_until_its_terms_are_accepted() -> None:
    far = date(2020, 1, 1)
    accepted = {"accept_terms": True, "accepted_by": "Ada", "accepted_on": "2026-11-23"}

    def told(**conda: object) -> list[str]:
        recipe = examples.recipe(conda=Conda(**conda))
        return [n.text for n in notices(recipe, load_catalog(), today=far) if n.subject == "Miniconda"]

    (text,) = told(installer="miniconda")
    assert "organisations of over 200 people need a licence" in text
    assert "`installer: miniforge`" in text
    assert told(installer="miniconda", **accepted) == []
    assert told(installer="miniforge") == []
