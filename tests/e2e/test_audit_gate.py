"""An image whose configuration trusts anybody gets no tag, until the recipe answers for that one finding; and the
checks of what is left in an image, asked in one whose Python is conda's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from chain_project import PREFIX, Place, Ran, measured, names_of, remove_images
from conda_project import conda_place, farming, write_recipe
from farm import Farm

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

NAME = f"{PREFIX}-audit"
CONF = f"/opt/conda/envs/{NAME}/etc/npmrc"
CHECKS = ["python", "trust", "condarc", "clock", "user", "packages", "secrets", "reproducible"]
ALLOW = {"allow": [{"rule": "NPM001", "at": CONF, "reason": "a package of these tests wants it"}]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Farm, Ran]]:
    """The recipe's package brings an npmrc with `strict-ssl=false`."""
    folder = tmp_path_factory.mktemp("audit")
    remove_images(NAME)
    with farming(folder) as farm:
        place = conda_place(farm, folder / "first", folder / "store")
        write_recipe(place, farm, "hello-conda", "trusts-anybody", name=NAME, checks=CHECKS)
        yield place, farm, place.builder("build", NAME)
    remove_images(NAME)
    subprocess.run(["rm", "-rf", str(folder)], check=False)


def results(place: Place) -> dict[str, Any]:
    report = json.loads(place.builder("report", NAME, "--json").out)
    return {result["name"]: result for result in report["results"]}


def test_such_an_image_gets_no_tag_and_the_message_says_where_and_what_to_do(made: tuple[Place, Farm, Ran]) -> None:
    place, _, ran = made
    assert ran.code == 10, ran.out + ran.err
    said = f"NPM001 {CONF}:1:1: npm or yarn does not verify TLS certificates: remove it"
    assert said in " ".join(ran.err.replace("\n", " ").split())
    assert [name for name in names_of(NAME) if not name.startswith("builder-staging/")] == []
    audit = results(place)["audit"]
    assert audit["outcome"] == "FAIL"
    (found,) = (f for f in audit["evidence"]["findings"] if f["severity"] == "error")
    assert (found["rule"], found["place"], found["seen"]) == ("NPM001", f"{CONF}:1:1", "strict-ssl=false")


def test_no_other_check_fails_in_an_image_whose_python_is_condas(made: tuple[Place, Farm, Ran]) -> None:
    found = results(made[0])
    wrong = {name: r["summary"] for name, r in found.items() if r["outcome"] != "PASS" and name != "audit"}
    assert wrong == {}
    assert set(found) == {*CHECKS, "audit"}


def test_the_recipe_can_answer_for_it_and_then_nothing_is_asked_again(made: tuple[Place, Farm, Ran]) -> None:
    place, farm, _ = made
    write_recipe(place, farm, "hello-conda", "trusts-anybody", name=NAME, checks=CHECKS, audit=ALLOW)
    ran = place.builder("build", NAME, "--json")
    assert ran.code == 0, ran.out + ran.err
    assert names_of(NAME) == [f"{NAME}:1.0"]
    audit = results(place)["audit"]
    assert audit["outcome"] == "PASS"
    assert audit["summary"].endswith("; 1 that the recipe allows")
    allowed = [f["allowed"] for f in audit["evidence"]["findings"] if "allowed" in f]
    assert allowed == ["a package of these tests wants it"]
    again = place.builder("build", NAME, "--json")
    assert {step["reused"] for step in again.image["steps"]} == {True}
    measured("nothing changed in a recipe with an audit", again.seconds, 1.0)


def test_a_rule_that_does_not_exist_is_told_with_its_line(made: tuple[Place, Farm, Ran]) -> None:
    place, farm, _ = made
    allow = {"allow": [{"rule": "NPM01", "at": CONF, "reason": "x"}]}
    write_recipe(place, farm, "hello-conda", "trusts-anybody", name=NAME, checks=CHECKS, audit=allow)
    ran = place.builder("build", NAME)
    assert ran.code != 0
    assert "no rule is named `NPM01`" in ran.err
    assert "did you mean `NPM001`?" in ran.err
