"""What answers mean."""

from __future__ import annotations

import pytest

from builder.errors import RecipeError
from builder.mirrors.catalogue import Mirror, Mirrors
from builder.mirrors.probe import LATE, Finding, judged, questions, without


def finding(mirror: str, *, source: str = "conda-forge/linux-64", **seen: object) -> Finding:
    return Finding.model_validate({"mirror": mirror, "source": source, "up": True, **seen}, strict=False)


def test_age_is_told_against_the_newest_seen_anywhere() -> None:
    found = judged([finding("a", newest=1000.0), finding("b", newest=400.0), finding("c", source="pypi", newest=1.0)])
    assert [f.late for f in found] == [0.0, 600.0, 0.0]


def test_a_copy_that_others_have_been_ahead_of_for_long_is_stale() -> None:
    found = judged([finding("a", newest=10 * LATE), finding("b", newest=8.9 * LATE), finding("c", newest=9.1 * LATE)])
    assert [f.stale for f in found] == [False, True, False]


def test_last_modified_serves_where_the_newest_package_is_not_known() -> None:
    found = judged([finding("a", modified=1000.0), finding("b", modified=900.0), finding("c")])
    assert [f.late for f in found] == [0.0, 100.0, None]


def test_what_is_down_has_no_age() -> None:
    found = judged([finding("a", newest=1000.0), finding("b", up=False, cause="HTTP 403", newest=1.0)])
    assert [f.late for f in found] == [0.0, None]


@pytest.mark.parametrize(
    ("seen", "usable"),
    [({}, True), ({"package": "read"}, True), ({"package": "whole only"}, True), ({"package": "HTTP 403"}, False)],
)
def test_a_mirror_is_of_use_when_packages_come_from_it(seen: dict[str, str], usable: bool) -> None:
    assert finding("a", **seen).usable is usable


def test_sources_that_nobody_gives_are_named_once() -> None:
    down = finding("b", source="pypi", up=False, cause="HTTP 403")
    assert without([finding("a"), down, down, finding("a", source="debian", package="HTTP 404")]) == ("pypi", "debian")


def test_a_mirror_is_asked_for_what_it_carries() -> None:
    one = Mirror(conda={"conda-forge": "https://one.test/cf"}, user_agent="conda/25")
    mirrors = Mirrors({"one": one, "two": Mirror(pypi=("https://two.test",))}, clients=None)  # type: ignore[arg-type]
    asked = questions(mirrors, ("one", "two", "one"), ("conda-forge/noarch", "pypi"))
    assert [(q.mirror, q.source, q.agent) for q in asked] == [
        ("one", "conda-forge/noarch", "conda/25"),
        ("two", "pypi", None),
    ]
    with pytest.raises(RecipeError, match=r"^no mirror is called 'three'$"):
        questions(mirrors, ("three",), ("pypi",))
