"""Solving from repodata files: what is locked, what is refused, what decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builder.conda.solve import Part, fault, listed, solve
from builder.errors import LockError
from builder.models.lock import CondaPackage
from builder.models.resolved import CondaAsked

VIRTUAL = ("__archspec=1=x86_64", "__glibc=2.31", "__linux=4.18", "__unix=0")


def record(name: str, version: str, *depends: str, **more: Any) -> dict[str, Any]:
    facts = {"build": "0", "build_number": 0, "size": 10, "sha256": "ab" * 32, "md5": "cd" * 16, "subdir": "linux-64"}
    stamp = {"timestamp": 1_700_000_000_000}
    return {"name": name, "version": version, "depends": list(depends), **facts, **stamp, **more}


def part(folder: Path, *records: dict[str, Any], source: str = "conda-forge/linux-64") -> Part:
    path = folder / f"{source.replace('/', '-')}.json"
    packages = {f"{r['name']}-{r['version']}-{r['build']}.conda": r for r in records}
    subdir = source.rpartition("/")[2]
    path.write_text(json.dumps({"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}))
    return Part(source=source, path=path)


def asked(*specs: str, channels: tuple[str, ...] = ("conda-forge",), virtual: tuple[str, ...] = VIRTUAL) -> CondaAsked:
    return CondaAsked(specs=specs, channels=channels, subdir="linux-64", virtual=virtual)


def names(parts: list[Part], what: CondaAsked, keep: tuple[CondaPackage, ...] = ()) -> list[str]:
    return [f"{p.name} {p.version}" for p in solve(parts, what, keep=keep, where="r.yaml: conda.packages").packages]


def test_the_record_of_the_repodata_is_locked_with_its_patches_and_without_a_host(tmp_path: Path) -> None:
    mutex = record("_libgcc_mutex", "0.1", build="conda_forge", sha256="12" * 32)
    lib = record("lib", "1!2.0", "_libgcc_mutex", constrains=["other <0a0"], timestamp=1_710_000_000_000)
    python = record("py", "2025b", "lib >=1", noarch="python", subdir="noarch")
    parts = [part(tmp_path, mutex, lib), part(tmp_path, python, source="conda-forge/noarch")]
    solution = solve(parts, asked("py"), keep=(), where="r")
    assert [p.name for p in solution.packages] == ["_libgcc_mutex", "lib", "py"]
    found = {p.name: p for p in solution.packages}
    assert found["lib"].constrains == ("other <0a0",)
    assert found["lib"].depends == ("_libgcc_mutex",)
    assert found["py"].noarch == "python"
    assert found["py"].artifact.source == "conda-forge/noarch"
    assert found["lib"].artifact.path == "lib-1!2.0-0.conda"
    assert (found["lib"].artifact.sha256, found["lib"].artifact.size, found["lib"].md5) == ("ab" * 32, 10, "cd" * 16)
    assert solution.newest == 1_710_000_000
    assert not [text for p in solution.packages if "://" in (text := p.model_dump_json())]


def test_the_first_channel_that_has_a_name_is_the_only_one_for_it(tmp_path: Path) -> None:
    first = part(tmp_path, record("a", "1.0"))
    second = part(tmp_path, record("a", "9.0"), record("b", "1.0"), source="other/linux-64")
    found = names([first, second], asked("a", "b", channels=("conda-forge", "other")))
    assert found == ["a 1.0", "b 1.0"]


def test_a_label_of_a_channel_is_solved_and_locked_as_that(tmp_path: Path) -> None:
    label = "nvidia/label/cuda-12.8.0"
    parts = [part(tmp_path, record("a", "1"), source=f"{label}/linux-64")]
    (found,) = solve(parts, asked("a", channels=(label,)), keep=(), where="r").packages
    assert found.artifact.source == f"{label}/linux-64"


def test_virtual_packages_are_the_images_and_nobody_elses(tmp_path: Path) -> None:
    parts = [part(tmp_path, record("old", "1", "__glibc >=2.17"), record("new", "1", "__glibc >=2.40"))]
    assert names(parts, asked("old")) == ["old 1"]
    with pytest.raises(LockError):
        names(parts, asked("new"))
    assert names(parts, asked("new", virtual=("__glibc=2.40",))) == ["new 1"]


def test_without_a_cuda_in_the_recipe_nothing_for_cuda_is_solved(tmp_path: Path) -> None:
    cpu, gpu = record("torch", "1", build="cpu_0"), record("torch", "1", "__cuda >=12", build="cuda_1", build_number=1)
    parts = [part(tmp_path, cpu, gpu)]
    (found,) = solve(parts, asked("torch"), keep=(), where="r").packages
    assert found.build == "cpu_0"
    (found,) = solve(parts, asked("torch", virtual=(*VIRTUAL, "__cuda=12.8")), keep=(), where="r").packages
    assert found.build == "cuda_1"


def test_what_is_kept_stays_unless_a_spec_speaks_against_it(tmp_path: Path) -> None:
    old = solve([part(tmp_path, record("a", "1.0"), record("b", "1.0"))], asked("a", "b"), keep=(), where="r").packages
    parts = [part(tmp_path, *(record(n, v) for n in "ab" for v in ("1.0", "2.0")))]
    assert names(parts, asked("a", "b")) == ["a 2.0", "b 2.0"]
    assert names(parts, asked("a", "b"), keep=old) == ["a 1.0", "b 1.0"]
    assert names(parts, asked("a", "b >=2"), keep=old) == ["a 1.0", "b 2.0"]


def test_what_cannot_be_solved_says_why_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        names([part(tmp_path, record("a", "1.0", "b >=2"), record("b", "1.0"))], asked("a"))
    error = caught.value
    assert (error.what, error.where) == ("no set of conda packages meets the recipe", "r.yaml: conda.packages")
    assert error.seen is not None
    assert "a 1.0 would require" in error.seen
    assert "b >=2, for which no candidates were found" in error.seen
    assert "__glibc=2.31" in error.seen
    assert error.remedy is not None


def test_a_misspelt_name_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        names([part(tmp_path, record("numpy", "1.0"))], asked("nunpy >=1"))
    assert caught.value.seen is not None
    assert caught.value.seen.startswith("No candidates were found for nunpy >=1.")
    assert caught.value.remedy is not None
    assert caught.value.remedy.startswith("nunpy: did you mean numpy? change the packages")


@pytest.mark.parametrize("lacks", ["sha256", "size"])
def test_a_record_without_hash_or_size_is_refused(tmp_path: Path, lacks: str) -> None:
    poor = {k: v for k, v in record("a", "1.0").items() if k != lacks}
    with pytest.raises(LockError) as caught:
        names([part(tmp_path, poor)], asked("a"))
    word = {"sha256": "SHA-256", "size": "size"}[lacks]
    assert caught.value.what == f"the channel conda-forge does not tell the {word} of a-1.0-0.conda"


def test_hashes_are_of_the_very_files_that_are_asked_for(tmp_path: Path) -> None:
    own = part(tmp_path, record("a", "1.0"), record("b", "1.0"))
    packages = solve([own], asked("a", "b"), keep=(), where="r").packages
    other = part(tmp_path, record("a", "1.0", sha256="ff" * 32), record("b", "2.0"))
    assert listed(other, packages) == {"a-1.0-0.conda": ("ff" * 32, 10)}


def test_garbled_json_is_a_fault_and_json_is_none(tmp_path: Path) -> None:
    whole = part(tmp_path, record("a", "1.0"))
    assert fault(whole) is None
    whole.path.write_bytes(whole.path.read_bytes()[:60] + b"\xff\x00" + whole.path.read_bytes()[62:])
    wrong = fault(whole)
    assert wrong is not None
    assert wrong.startswith("its repodata is garbled: ")


@pytest.mark.parametrize("wrong", [{"build_number": "x"}, {"sha256": "zz"}, {"depends": 5}])
def test_a_record_that_cannot_be_read_is_told_and_no_crash(tmp_path: Path, wrong: dict[str, Any]) -> None:
    bad = {**record("a", "1.0"), **wrong}
    with pytest.raises(LockError) as caught:
        names([part(tmp_path, bad)], asked("a"))
    assert (caught.value.what, caught.value.where) == (
        "a record of the repodata cannot be read",
        "conda-forge/linux-64",
    )


SHAPE = "says that it is of {}, which has no such file"


@pytest.mark.parametrize("subdir", ["noarch", "osx-64"])
def test_a_record_that_says_it_is_of_another_subdir_is_not_locked(tmp_path: Path, subdir: str) -> None:
    """It would be compared with what other mirrors have there: nothing."""
    parts = [part(tmp_path, record("a", "1", subdir=subdir)), part(tmp_path, source="conda-forge/noarch")]
    with pytest.raises(LockError, match=SHAPE.format(f"conda-forge/{subdir}")) as caught:
        names(parts, asked("a"))
    assert caught.value.where == "conda-forge/linux-64"


def test_a_record_that_borrows_a_file_name_of_its_subdir_is_not_locked(tmp_path: Path) -> None:
    forged, real = record("a", "1", subdir="noarch", sha256="12" * 32), record("a", "1", subdir="noarch")
    parts = [part(tmp_path, forged), part(tmp_path, real, source="conda-forge/noarch")]
    with pytest.raises(LockError, match=SHAPE.format("conda-forge/noarch")):
        names(parts, asked("a"))


@pytest.mark.parametrize("base_url", ["https://elsewhere.test/c", "../noarch"])
def test_repodata_that_keeps_its_packages_elsewhere_is_refused(tmp_path: Path, base_url: str) -> None:
    one = part(tmp_path, record("a", "1"))
    one.path.write_text(one.path.read_text().replace('"info": {', f'"info": {{"base_url": "{base_url}", '))
    with pytest.raises(LockError, match="keeps its packages elsewhere, which is not followed") as caught:
        names([one], asked("a"))
    assert str(caught.value.seen).startswith("base_url: https://")
