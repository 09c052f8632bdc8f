"""What a recipe may say of conda: terms, channels, match specs. Each fault with its place."""

from __future__ import annotations

import pytest

from builder.errors import Fault, RecipeError
from builder.models.recipe import Conda
from builder.stages.load import parse_recipe

MINIMAL = "name: a\nbase: b\nchecks: [trust]\n"
ACCEPTED = 'accept_terms: true, accepted_by: Ada, accepted_on: "2026-11-23"'


def conda(text: str) -> Conda | None:
    return parse_recipe(f"{MINIMAL}conda: {{{text}}}\n", "r.yaml").conda


def one(text: str) -> Fault:
    with pytest.raises(RecipeError) as caught:
        conda(text)
    (fault,) = caught.value.faults
    return fault


def test_conda_alone_is_conda_forge_with_miniforge() -> None:
    found = conda("")
    assert found is not None
    assert (found.installer, found.channels, found.mirrors) == ("miniforge", ("conda-forge",), ("upstream",))


@pytest.mark.parametrize(
    "channel",
    [
        "pkgs/main",
        "pkgs/r",
        "pkgs/msys2",
        "pkgs/pro",
        "anaconda",
        "defaults",
        "main",
        "r",
        "main/label/x",
        "anaconda/label/dev",
    ],
)
def test_anacondas_channels_are_refused_until_somebody_accepts_the_terms(channel: str) -> None:
    fault = one(f"channels: [conda-forge, {channel}]")
    assert fault.what == f"the channel {channel} is under Anaconda's terms of service, not accepted here"
    assert fault.where == "r.yaml:4:33 (conda.channels[1])"
    assert fault.remedy is not None
    assert fault.remedy.startswith("use `channels: [conda-forge]` with `installer: miniforge`, which need no licence")


def test_accepted_terms_let_anacondas_channels_in() -> None:
    found = conda(f"channels: [pkgs/main, pkgs/r], installer: miniconda, {ACCEPTED}")
    assert found is not None
    assert found.channels == ("pkgs/main", "pkgs/r")


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("accept_terms: true", "`accepted_by` and `accepted_on`"),
        ("accept_terms: true, accepted_by: Ada", "`accepted_on`"),
        ('accept_terms: true, accepted_on: "2026-11-23"', "`accepted_by`"),
    ],
)
def test_terms_that_nobody_accepted_are_not_accepted(text: str, lacks: str) -> None:
    fault = one(text)
    assert fault.what == f"terms are accepted by somebody on some day: {lacks} missing"
    assert fault.where == "r.yaml:4:23 (conda.accept_terms)"


def test_a_day_that_does_not_exist_is_none() -> None:
    fault = one('accept_terms: true, accepted_by: Ada, accepted_on: "2026-02-30"')
    assert fault.what.startswith("no day: day is out of range")


@pytest.mark.parametrize("terms", ["", f", {ACCEPTED}"])
@pytest.mark.parametrize("channel", ["free", "pkgs/free"])
def test_the_free_channel_is_dead_whatever_was_accepted(channel: str, terms: str) -> None:
    assert (
        one(f"channels: [{channel}]{terms}").what
        == f"the channel {channel} is dead: nothing was added to it since 2017"
    )


def test_a_label_of_a_channel_is_a_channel() -> None:
    found = conda("channels: [nvidia/label/cuda-12.8.0, conda-forge]")
    assert found is not None
    assert found.channels == ("nvidia/label/cuda-12.8.0", "conda-forge")


def test_the_name_of_several_channels_is_no_channel() -> None:
    fault = one(f"channels: [defaults], {ACCEPTED}")
    assert (fault.what, fault.remedy) == ("defaults is no channel's name", "write pkgs/main, pkgs/r")


@pytest.mark.parametrize(
    "spec",
    ["numpy", "numpy >=1.26,<2", "numpy=1.26", "numpy==2.0.2", "python 3.9.*", "_openmp_mutex", "libblas=*=*mkl",
     "numpy[build='py39*']", "a 1.2 h123_0", "blas =*=openblas"],
)  # fmt: skip
def test_match_specs_as_people_write_them_are_taken(spec: str) -> None:
    found = conda(f'packages: ["{spec}"]')
    assert found is not None
    assert found.packages == (spec,)


@pytest.mark.parametrize("spec", ["num py foo bar", "x >=1.2|>", "numpy ==", "*", "numpy 1.2 3 4"])
def test_what_is_no_match_spec_is_told_with_its_place(spec: str) -> None:
    fault = one(f'packages: [ok, "{spec}"]')
    assert fault.what.startswith("not a match spec: ")
    assert fault.where == "r.yaml:4:24 (conda.packages[1])"
    assert fault.remedy == "write it as in `numpy >=1.26,<2`"


@pytest.mark.parametrize(
    "spec",
    ["conda-forge::numpy", "https://a.example/numpy-1-0.conda", "numpy[channel=x]", "numpy[url=x]", "a:numpy"],
)
def test_a_spec_that_names_a_place_is_refused(spec: str) -> None:
    assert one(f'packages: ["{spec}"]').what == "names where the package comes from, and a lock is neutral"


def test_every_plain_spec_is_one_to_rattler_too() -> None:
    from rattler import MatchSpec

    versions = ("", "=1.26", "==1.26", "=1.26.*", " 1.26.*", ">=1", " >=1.26,<2", "~=1.4", "!=3", " >=1,!=1.2,<2")
    builds = ("", " cpu*", " *_cp39", " 0", " py39_1")
    plain = [f"{n}{v}{b if v else ''}" for n in ("numpy", "_a", "a-b.c_d") for v in versions for b in builds]
    assert all(spec_is_plain(spec) for spec in plain)
    assert [MatchSpec(spec, strict=False).name.normalized for spec in plain]


def spec_is_plain(text: str) -> bool:
    from builder.conda.specs import _PLAIN

    return _PLAIN.fullmatch(text) is not None


def test_a_virtual_package_is_not_for_a_recipe_to_install() -> None:
    assert one("packages: [__glibc]").what == "a virtual package is what the image is, and cannot be installed"
