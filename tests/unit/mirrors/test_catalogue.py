"""The mirrors by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from builder.adapters.mirrors import load_mirrors
from builder.errors import HostError, RecipeError
from builder.mirrors.catalogue import Catalogue, Mirror, Mirrors, is_loopback
from builder.mirrors.entry import address, kind_of
from builder.mirrors.transport import CONDA_AGENT


class Clients:
    def pypi_index(self) -> str:
        return "https://index.test/simple"

    def apt_roots(self, source: str) -> tuple[str, ...]:
        return (f"http://apt.test/{source}",)

    def conda_root(self, channel: str) -> str | None:
        return {"own": "https://conda.test/own", "plain": "http://conda.test/plain", "here": "http://[::1]/here"}.get(
            channel
        )


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


MINIFORGE = "26.3.2-3/Miniforge3-26.3.2-3-Linux-x86_64.sh"
CONDA = Mirrors(
    {
        "one": Mirror(
            conda={"conda-forge": "https://one.test/cf", "pkgs/main": "https://one.test/main"},
            installers={"miniconda": "https://one.test/mc", "miniforge": "https://one.test/Release%20{version}/{file}"},
            pypi=("https://one.test/simple",),
        ),
        "two": Mirror(conda={"conda-forge": "https://two.test/cf"}, behind={"conda-forge": "one"}),
        "three": Mirror(conda={"conda-forge": "https://three.test/cf"}, pypi=("http://127.0.0.1:1/simple",)),
        "wanting": Mirror(user_agent="Wanted/1"),
        "login": Mirror(conda={"conda-forge": "https://me:secret@four.test/cf"}),
        "official": Mirror(
            conda={"pkgs/main": "https://official.test/pkgs/main", "*": "https://any.test"},
            installers={"miniforge": "https://hub.test/download"},
        ),
    },
    clients=Clients(),
)


@pytest.mark.parametrize(
    ("name", "source", "root"),
    [
        ("one", "conda-forge/linux-64", "https://one.test/cf/linux-64"),
        ("one", "pkgs/main/noarch", "https://one.test/main/noarch"),
        ("one", "miniconda", "https://one.test/mc"),
        ("official", "nvidia/linux-64", "https://any.test/nvidia/linux-64"),
        ("official", "pkgs/main/linux-64", "https://official.test/pkgs/main/linux-64"),
        ("upstream", "own/linux-64", "https://conda.test/own/linux-64"),
        ("upstream", "bioconda/noarch", "https://any.test/bioconda/noarch"),
        ("upstream", "miniforge", "https://hub.test/download"),
    ],
)
def test_channels_and_installers_have_roots(name: str, source: str, root: str) -> None:
    assert CONDA.roots(name, source) == (root,)


def test_anacondas_own_channels_are_not_below_the_root_of_the_others() -> None:
    with pytest.raises(RecipeError, match=r"^the mirror official does not carry pkgs/free/noarch$"):
        CONDA.roots("official", "pkgs/free/noarch")


def test_a_channel_has_a_root_that_holds_its_subdirs() -> None:
    assert CONDA.channel_root("one", "conda-forge") == "https://one.test/cf"
    assert CONDA.channel_root("upstream", "own") == "https://conda.test/own"


def test_what_this_host_has_over_plain_http_is_not_asked() -> None:
    """What a lock trusts would be a list of hashes that anybody may have written."""
    assert CONDA.roots("upstream", "here/noarch") == ("http://[::1]/here/noarch",)
    with pytest.raises(HostError) as caught:
        CONDA.roots("upstream", "plain/noarch")
    assert caught.value.what == "conda on this host is configured to ask for plain over http, which anybody may change"
    assert caught.value.seen == "http://conda.test/plain"


def test_of_mirrors_with_one_backend_the_first_is_asked_before_the_others() -> None:
    assert CONDA.independent_first(["two", "one", "three"], "conda-forge/noarch") == ["two", "three", "one"]
    assert CONDA.independent_first(["upstream", "official", "one"], "pkgs/main/noarch") == [
        "upstream",
        "one",
        "official",
    ]
    assert CONDA.independent_first(["upstream", "official"], "own/noarch") == ["upstream", "official"]


@pytest.mark.parametrize(
    ("name", "source", "agent"),
    [
        ("one", "conda-forge/noarch", CONDA_AGENT),
        ("upstream", "miniforge", CONDA_AGENT),
        ("one", "pypi", None),
        ("wanting", "conda-forge/noarch", "Wanted/1"),
        ("wanting", "pypi", "Wanted/1"),
    ],
)
def test_who_asks_is_who_the_mirror_wants_else_conda_for_condas_own_files(
    name: str, source: str, agent: str | None
) -> None:
    assert CONDA.agent(name, source) == agent


def test_an_installer_is_below_a_folder_or_in_the_blanks_of_a_template() -> None:
    assert address("https://hub.test/download", MINIFORGE) == f"https://hub.test/download/{MINIFORGE}"
    assert address(CONDA.roots("one", "miniforge")[0], MINIFORGE) == (
        "https://one.test/Release%2026.3.2-3/Miniforge3-26.3.2-3-Linux-x86_64.sh"
    )


def test_what_is_derived_has_no_mirror() -> None:
    assert [kind_of(s) for s in ("derived", "pypi", "debian", "miniconda", "a/noarch")] == [
        None,
        "pypi",
        "debian",
        "installer",
        "conda",
    ]


def test_an_image_is_given_one_root_for_each_backend_and_the_official_host_for_upstream() -> None:
    assert CONDA.baked(("two", "one", "three", "upstream", "official"), "conda-forge") == (
        "https://two.test/cf",
        "https://three.test/cf",
        "https://any.test/conda-forge",
    )
    assert CONDA.baked(("upstream",), "own") == ("https://any.test/own",)


def test_of_pypi_an_image_is_given_neither_what_this_host_uses_nor_plain_http() -> None:
    assert CONDA.baked(("upstream", "one", "three"), "pypi") == ("https://one.test/simple",)


def test_no_login_gets_into_an_image() -> None:
    with pytest.raises(RecipeError, match=r"^no login may be written into an image$") as caught:
        CONDA.baked(("one", "login"), "conda-forge")
    assert "secret" not in f"{caught.value.what} {caught.value.where} {caught.value.seen} {caught.value.remedy}"


def test_who_stands_behind_is_followed_and_ends() -> None:
    round_and_round = Mirrors({"a": Mirror(behind={"pypi": "b"}), "b": Mirror(behind={"pypi": "a"})}, clients=Clients())
    assert (CONDA.backend("two", "conda-forge"), CONDA.backend("two", "pypi")) == ("one", "two")
    assert round_and_round.backend("a", "pypi") == "b"


@pytest.mark.parametrize(
    "entry",
    [
        '{"conda": {"conda-forge": "http://one.test/cf"}}',
        '{"conda": {"Conda Forge": "https://one.test/cf"}}',
        '{"conda": {"../x": "https://one.test/cf"}}',
        '{"installers": {"anaconda": "https://one.test"}}',
        '{"installers": {"miniforge": "https://one.test/{name}"}}',
        '{"confirmed": {"on": "lately", "by": "me"}}',
        '{"confirmed": {"on": "2026-11"}}',
    ],
)
def test_an_entry_that_says_something_impossible_is_refused(entry: str) -> None:
    with pytest.raises(ValidationError):
        Catalogue.model_validate_json(f'{{"one": {entry}}}')


def test_each_public_entry_says_when_and_where_it_was_confirmed() -> None:
    entries = load_mirrors().entries
    assert all(entry.confirmed for entry in entries.values())
    assert all(name in entries for entry in entries.values() for name in entry.behind.values())


@pytest.mark.parametrize("name", ["tuna", "ustc", "sjtu", "nju", "bfsu", "aliyun", "tencent", "prefix-dev", "official"])
def test_each_public_mirror_of_conda_carries_conda_forge(name: str) -> None:
    assert load_mirrors().channel_root(name, "conda-forge").endswith("/conda-forge")
