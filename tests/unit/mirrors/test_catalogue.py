"""The mirrors by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from builder.adapters.mirrors import load_mirrors
from builder.errors import RecipeError
from builder.mirrors.catalogue import Catalogue, Mirror, Mirrors, is_loopback


class Clients:
    def pypi_index(self) -> str:
        return "https://index.test/simple"

    def apt_roots(self, source: str) -> tuple[str, ...]:
        return (f"http://apt.test/{source}",)


ONE = Mirror(pypi=("https://one.test/simple",), debian=("https://one.test/debian", "https://one.test/old"))
MIRRORS = Mirrors({"one": ONE}, clients=Clients())


def test_a_mirror_has_an_index_and_several_roots() -> None:
    assert MIRRORS.index_url("one") == "https://one.test/simple"
    assert MIRRORS.apt_roots("one", "debian") == ("https://one.test/debian", "https://one.test/old")


def test_upstream_is_what_the_clients_say() -> None:
    assert MIRRORS.index_url("upstream") == "https://index.test/simple"
    assert MIRRORS.apt_roots("upstream", "debian-security") == ("http://apt.test/debian-security",)


def test_an_unknown_mirror_is_told_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError) as caught:
        MIRRORS.index_url("onne")
    assert caught.value.what == "no mirror is called 'onne'"
    assert caught.value.seen == "known: one, upstream"
    assert caught.value.remedy == "did you mean one?"


def test_a_mirror_that_lacks_a_source_is_told_with_those_that_have_it() -> None:
    mirrors = Mirrors({"one": ONE, "two": Mirror(pypi=("https://two.test",))}, clients=Clients())
    with pytest.raises(RecipeError) as caught:
        mirrors.apt_roots("two", "debian")
    assert caught.value.what == "the mirror two does not carry debian"
    assert caught.value.remedy == "name one that does: one, upstream"


@pytest.mark.parametrize(
    "url", ["http://one.test/simple", "ftp://one.test", "one.test/simple", "https://one.test/?x=1"]
)
def test_an_index_is_asked_over_https_alone(url: str) -> None:
    with pytest.raises(ValidationError):
        Catalogue.model_validate_json(f'{{"one": {{"pypi": ["{url}"]}}}}')


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:80/x", True),
        ("http://[::1]/x", True),
        ("http://localhost/x", True),
        ("http://127.evil.test/", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_else(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.parametrize("name", ["tuna", "ustc", "sjtu", "nju", "bfsu", "aliyun", "huawei", "tencent"])
def test_each_public_mirror_carries_wheels_and_debs(name: str) -> None:
    mirrors = load_mirrors()
    assert mirrors.index_url(name).startswith("https://")
    assert mirrors.index_url(name).endswith("/simple")
    assert mirrors.apt_roots(name, "debian")[0].endswith("/debian")
    assert mirrors.apt_roots(name, "debian-security")[0].endswith("/debian-security")


def test_the_sites_own_mirrors_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "mirrors.yaml"
    own.write_text("ours:\n  pypi: [https://nexus.test/simple/]\ntuna:\n  pypi: [https://copy.test/simple]\n")
    monkeypatch.setenv("BUILDER_MIRRORS", str(own))
    mirrors = load_mirrors()
    assert mirrors.index_url("ours") == "https://nexus.test/simple"
    assert mirrors.index_url("tuna") == "https://copy.test/simple"
    assert mirrors.carrying("pypi")[:2] == ("ours", "tuna")
    assert mirrors.carries("nju", "debian")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ours: {pipy: [https://nexus.test]}", "the list of mirrors cannot be used"),
        ("ours: [", "the list of mirrors is not YAML"),
        ("- ours", "the list of mirrors cannot be used"),
    ],
)
def test_a_bad_list_of_the_site_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, what: str) -> None:
    own = tmp_path / "mirrors.yaml"
    own.write_text(text)
    monkeypatch.setenv("BUILDER_MIRRORS", str(own))
    with pytest.raises(RecipeError) as caught:
        load_mirrors()
    assert (caught.value.what, caught.value.where) == (what, str(own))


def test_a_list_of_the_site_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDER_MIRRORS", "/nowhere.yaml")
    with pytest.raises(RecipeError, match=r"^the file that BUILDER_MIRRORS names cannot be read$"):
        load_mirrors()
