"""How many mirrors there really are."""

from __future__ import annotations

from builder.adapters.mirrors import load_mirrors
from builder.mirrors.catalogue import Mirror, Mirrors
from builder.mirrors.independence import by_answers, by_data
from builder.mirrors.probe import Finding


class Clients:
    def pypi_index(self) -> str:
        return "https://index.test/simple"

    def apt_roots(self, source: str) -> tuple[str, ...]:
        return ("http://apt.test/debian",)

    def conda_root(self, channel: str) -> str | None:
        return None


def mirror(name: str, **behind: str) -> Mirror:
    return Mirror(conda={"conda-forge": f"https://{name}.test/conda-forge"}, behind=behind)


def world(**entries: Mirror) -> Mirrors:
    official = Mirror(conda={"*": "https://conda.test"})
    return Mirrors({**entries, "official": official}, clients=Clients())


def answer(name: str, *, up: bool = True, **seen: tuple[str, ...]) -> Finding:
    return Finding(mirror=name, source="conda-forge/linux-64", up=up, **seen)  # type: ignore[arg-type]


THREE = world(a=mirror("a"), b=mirror("b"), c=mirror("c"))


def groups(*found: Finding, mirrors: Mirrors = THREE) -> list[tuple[str, ...]]:
    (seen,) = by_answers(mirrors, found)
    return [b.names for b in seen.backends]


def test_the_list_of_mirrors_knows_who_stands_behind() -> None:
    mirrors = world(a=mirror("a"), b=mirror("b", **{"conda-forge": "a"}), c=mirror("c"))
    found = by_data(mirrors, ("b", "a", "c"), "conda-forge")
    assert [b.names for b in found.backends] == [("b", "a"), ("c",)]
    assert found.warning == (
        "conda-forge: 3 mirrors, 2 independent: b, a are one (behind b is a, says the list of mirrors)"
    )


def test_two_behind_a_third_that_nobody_named_are_one() -> None:
    mirrors = world(a=mirror("a"), b=mirror("b", **{"conda-forge": "a"}), c=mirror("c", **{"conda-forge": "a"}))
    assert [b.names for b in by_data(mirrors, ("b", "c"), "conda-forge").backends] == [("b", "c")]


def test_what_stands_behind_is_told_per_source() -> None:
    mirrors = world(a=mirror("a"), b=mirror("b", pypi="a"))
    assert by_data(mirrors, ("a", "b"), "conda-forge").warning is None


def test_upstream_is_official_where_conda_is_configured_with_nothing_else() -> None:
    found = by_data(THREE, ("official", "a", "upstream"), "conda-forge")
    assert [b.names for b in found.backends] == [("official", "upstream"), ("a",)]


def test_a_mirror_that_does_not_carry_the_channel_is_no_mirror_of_it() -> None:
    found = by_data(THREE, ("a", "b", "official"), "bioconda")
    assert (found.names, [b.names for b in found.backends]) == (1, [("official",)])


def test_the_host_that_answers_in_the_end_makes_them_one() -> None:
    assert groups(answer("a", hosts=("a.test",)), answer("b", hosts=("a.test",)), answer("c", hosts=("c.test",))) == [
        ("a", "b"),
        ("c",),
    ]


def test_one_address_or_one_certificate_makes_them_one() -> None:
    assert groups(answer("a", addresses=("192.0.2.1:443",)), answer("b", addresses=("192.0.2.1:443",))) == [("a", "b")]
    assert groups(answer("a", certificates=("ab",)), answer("b", certificates=("ab",))) == [("a", "b")]


def test_what_is_shared_pairwise_is_one_group() -> None:
    found = groups(
        answer("a", hosts=("x.test",)),
        answer("b", hosts=("y.test",), certificates=("ab",)),
        answer("c", hosts=("x.test",), certificates=("ab",)),
    )
    assert found == [("a", "b", "c")]


def test_a_mirror_that_shares_nothing_stands_alone() -> None:
    found = groups(answer("a", hosts=("a.test",), addresses=("192.0.2.1:443",)), answer("b", hosts=("b.test",)))
    assert found == [("a",), ("b",)]


def test_of_a_mirror_that_does_not_answer_nothing_is_said() -> None:
    (seen,) = by_answers(THREE, [answer("a", hosts=("a.test",)), answer("b", up=False)])
    assert ([b.names for b in seen.backends], seen.silent, seen.names) == ([("a",)], ("b",), 2)


def test_tuna_and_ustc_are_one_for_conda_and_two_for_debian() -> None:
    mirrors = load_mirrors()
    assert len(by_data(mirrors, ("tuna", "ustc"), "conda-forge").backends) == 1
    assert len(by_data(mirrors, ("tuna", "ustc"), "debian").backends) == 2
    assert len(by_data(mirrors, ("tuna", "sjtu", "nju", "upstream"), "conda-forge").backends) == 4
