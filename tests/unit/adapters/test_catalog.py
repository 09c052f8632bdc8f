"""The base catalogue as it is shipped."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from builder.adapters.catalog import load_catalog
from builder.models.catalog import ImageEntry

BASES = load_catalog().bases


@pytest.mark.parametrize("name", sorted(BASES))
def test_every_base_brings_a_python_whose_end_of_life_is_known(name: str) -> None:
    for minor, python in BASES[name].python.items():
        assert python.version.startswith(f"{minor}.")
        assert python.interpreter == f"/usr/bin/python{minor}"
        assert f"python{minor}" in python.packages
        assert minor in load_catalog().python_end_of_life


def test_a_base_of_rhels_family_has_neither_suites_nor_a_python_of_its_own() -> None:
    (base,) = [base for base in BASES.values() if base.family == "rhel"]
    assert (base.suites, base.python) == ((), {})


def test_a_base_of_debians_family_without_suites_is_refused() -> None:
    entry = BASES["debian-bookworm-slim"].model_dump() | {"suites": ()}
    with pytest.raises(ValidationError, match="has suites, keyring and keyring_package"):
        ImageEntry.model_validate(entry)


@pytest.mark.parametrize("name", sorted(name for name, base in BASES.items() if base.family == "debian"))
def test_every_base_has_security_updates_and_its_main_suite_first(name: str) -> None:
    suites = [(s.source, s.suite) for s in BASES[name].suites]
    main = suites[0][1]
    assert suites == [("debian", main), ("debian", f"{main}-updates"), ("debian-security", f"{main}-security")]


def test_the_catalogue_names_no_host_but_registries() -> None:
    text = load_catalog().model_dump_json(exclude={"bases": {n: {"registries"} for n in BASES}})
    assert not re.search(r"https?:|\w\.(org|com|net|cn)\b", text)


def test_a_registry_image_is_named_by_its_first_registry() -> None:
    entry = BASES["debian-bookworm-slim"]
    assert isinstance(entry, ImageEntry)
    assert entry.reference == "docker.io/library/debian:bookworm-slim"
