"""The table of installers: which one is meant, and what a site may add."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.adapters.lock.installers import chosen, load_installers
from builder.errors import RecipeError
from builder.models.recipe import Conda

MINE = """
- family: miniforge
  version: "99.1.0-0"
  python: "3.9"
  arch: amd64
  path: 99.1.0-0/Miniforge3-99.1.0-0-Linux-x86_64.sh
  sha256: {sha256}
  vouched: [this test]
"""


def want(**conda: object):
    return chosen(load_installers(), Conda(**conda), arch="amd64", where="recipes/a.yaml: conda")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "installers.yaml"
    path.write_text(MINE.format(sha256="ab" * 32))
    monkeypatch.setenv("BUILDER_INSTALLERS", str(path))
    return path


def test_every_installer_has_a_hash_of_its_own_and_somebody_who_vouches_for_it() -> None:
    known = load_installers()
    assert len({entry.sha256 for entry in known}) == len({entry.path for entry in known}) == len(known) == 8
    assert all(entry.vouched for entry in known)
    assert {entry.python for entry in known if entry.family == "miniconda"} == {"3.9"}


def test_the_newest_of_the_family_is_taken_by_number_and_not_by_letter() -> None:
    assert want(installer="miniconda").version == "25.9.1-3"
    assert want().path == "26.3.2-3/Miniforge3-26.3.2-3-Linux-x86_64.sh"


def test_a_version_that_is_named_is_taken() -> None:
    assert want(installer="miniconda", version="23.5.2-0").path == "Miniconda3-py39_23.5.2-0-Linux-x86_64.sh"


def test_a_version_that_nobody_knows_is_told_with_those_that_are_known() -> None:
    with pytest.raises(RecipeError) as caught:
        want(installer="miniconda", version="1.0")
    error = caught.value
    assert (error.what, error.where) == ("no miniconda 1.0 for amd64 is known", "recipes/a.yaml: conda.version")
    assert error.seen == "known: 25.9.1-3, 25.7.0-2, 23.5.2-0"
    assert (
        error.remedy
        == "choose one of those, or add it with its hash to a list of your own that BUILDER_INSTALLERS names"
    )


def test_a_site_adds_installers_of_its_own(site: Path) -> None:
    assert (want().version, want().python) == ("99.1.0-0", "3.9")
    assert want(installer="miniconda").version == "25.9.1-3"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- family: micromamba\n", "the list of installers cannot be used"),
        (MINE.format(sha256="short"), "the list of installers cannot be used"),
        ("a: [", "the list of installers is not YAML"),
    ],
)
def test_a_sites_list_that_cannot_be_used_says_so(site: Path, text: str, what: str) -> None:
    site.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_installers()
    assert caught.value.what == what


def test_a_sites_list_that_is_not_there_says_so(site: Path) -> None:
    site.unlink()
    with pytest.raises(RecipeError) as caught:
        load_installers()
    assert caught.value.what == "the file that BUILDER_INSTALLERS names cannot be read"
