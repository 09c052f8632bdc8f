"""Lock's decisions about conda: what is kept, what moves, whose Python pip's packages are for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from test_lock import EPOCH, World, derived, locked, package, recipe

from builder.errors import LockError
from builder.models.lock import CondaPackage, Lock
from builder.models.recipe import Conda, Recipe
from builder.models.resolved import CondaAsked, CondaSolved, Installer, Moved, Target, Wheel

SPECS = ("numpy >=1.26", "python 3.9.*")


def conda_package(name: str, version: str) -> CondaPackage:
    artifact = derived(f"{name}-{version}-0.conda", "conda-forge/linux-64")
    return CondaPackage(name=name, version=version, build="0", artifact=artifact)


@dataclass
class Channels(World):
    """A world with channels, and wheels that depend on others."""

    has: dict[str, str] = field(default_factory=lambda: {"numpy": "2.0.2", "python": "3.9.23", "openssl": "3.5"})
    installer_version: str = "26.3.2-3"
    depends: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def resolve(
        self,
        requirements: tuple[str, ...],
        *,
        target: Target,
        keep: Mapping[str, str],
        mirrors: tuple[str, ...],
        where: str,
        without: tuple[str, ...] = (),
    ) -> tuple[Wheel, ...]:
        names = tuple(re.split(r"[<>=]", text)[0].lower() for text in requirements)
        all_names = (*names, *(more for name in names for more in self.depends.get(name, ())))
        newest, self.newest = self.newest, {"py-rattler": "0.25.0", **self.newest}
        found = super().resolve(all_names, target=target, keep=keep, mirrors=mirrors, where=where)
        self.newest = newest
        return found

    def solve(
        self,
        asked: CondaAsked,
        *,
        keep: tuple[CondaPackage, ...],
        mirrors: tuple[str, ...],
        where: str,
        tell: Callable[[str], None],
    ) -> CondaSolved:
        self.asked.append(("solve", asked, tuple(p.name for p in keep), mirrors, where))
        found = {**self.has, **{p.name: p.version for p in keep}}
        packages = tuple(conda_package(name, version) for name, version in sorted(found.items()))
        return CondaSolved(packages=packages, uploaded=EPOCH + 5000, notes=("bfsu is 9 days behind",))

    def installer(self, wanted: Conda, *, arch: str, where: str) -> Installer:
        self.asked.append(("installer", wanted.installer, wanted.version, arch))
        version = wanted.version or self.installer_version
        return Installer(package=package(wanted.installer, version, wanted.installer), python="3.13")

    def of(self, kind: str) -> list[Any]:
        return [entry for entry in self.asked if entry[0] == kind]


def conda_recipe(*packages: str, **changes: Any) -> Recipe:
    conda = {"packages": packages or ("numpy >=1.26",), **changes.pop("conda", {})}
    data = {"base": "debian-bookworm", "conda": conda, "pip": {"packages": ("torch",)}, **changes}
    return recipe(**data)


def first(asked: Recipe | None = None) -> Lock:
    return locked(Channels(), asked or conda_recipe()).lock


def test_a_lock_with_conda_holds_installer_linker_and_environment() -> None:
    world = Channels()
    result = locked(world, conda_recipe(cuda={"runtime": "12.8"}))
    conda = result.lock.conda
    assert conda is not None
    assert (conda.installer.name, conda.installer.version, conda.installer_python) == ("miniforge", "26.3.2-3", "3.13")
    assert (conda.linker.name, conda.linker.version) == ("py-rattler", "0.25.0")
    assert (conda.asked, conda.channels, conda.python) == (SPECS, ("conda-forge",), "3.9.23")
    assert conda.virtual == ("__archspec=1=x86_64", "__cuda=12.8", "__glibc=2.36", "__linux=4.18", "__unix=0")
    assert [p.name for p in conda.packages] == ["numpy", "openssl", "python"]
    assert (result.lock.created, result.notes) == (EPOCH + 5000, ("bfsu is 9 days behind", "a note"))
    assert not is_in(conda.linker.artifact.sha256, result.lock.pip)


def is_in(sha256: str, packages: tuple[Any, ...]) -> bool:
    return any(p.artifact.sha256 == sha256 for p in packages)


def test_with_conda_the_base_brings_no_python_and_pip_is_for_condas_own() -> None:
    world = Channels()
    lock = locked(world, conda_recipe(apt=("git",))).lock
    assert lock.apt_asked == ("git",)
    assert [(e[1], e[2]) for e in world.of("resolve")] == [
        (("py-rattler",), "3.13.0"),
        (("torch",), "3.9.23"),
        (("certifi", "uv"), "3.13.0"),
    ]


def test_a_python_that_the_base_lacks_comes_from_conda() -> None:
    assert locked(Channels(), conda_recipe(base="debian-trixie")).lock.conda is not None


def test_mirrors_and_who_accepted_the_terms_leave_a_lock_as_it_is() -> None:
    lock = first()
    terms = {"accept_terms": True, "accepted_by": "Ada", "accepted_on": "2026-11-23"}
    other = conda_recipe(conda={"mirrors": ("tuna", "nju"), **terms})
    assert locked(Channels(), other, previous=lock).made is False


def test_another_cuda_is_another_environment() -> None:
    lock = first(conda_recipe(cuda={"runtime": "12.8"}))
    world = Channels()
    result = locked(world, conda_recipe(cuda={"runtime": "12.4"}), previous=lock)
    assert result.made
    assert len(world.of("solve")) == 1


def test_a_change_elsewhere_asks_no_channel_and_no_installer() -> None:
    lock = first()
    world = Channels(has={"numpy": "9"}, installer_version="99")
    result = locked(world, conda_recipe(apt=("git",)), previous=lock)
    assert world.of("solve") == world.of("installer") == []
    assert result.lock.conda == lock.conda
    assert result.lock.pip == lock.pip


def test_a_new_conda_package_keeps_the_others() -> None:
    lock = first()
    world = Channels(has={"numpy": "9", "python": "3.9.99", "openssl": "9", "scipy": "1.13"})
    result = locked(world, conda_recipe("numpy >=1.26", "scipy"), previous=lock)
    assert result.moved == (Moved(name="scipy", old=None, new="1.13"),)


def test_upgrading_one_conda_package_moves_that_one_alone() -> None:
    lock = first()
    world = Channels(has={"numpy": "2.1", "python": "3.9.99", "openssl": "9"})
    result = locked(world, conda_recipe(), previous=lock, upgrade={"numpy"})
    assert world.of("solve")[0][2] == ("openssl", "python")
    assert result.moved == (Moved(name="numpy", old="2.0.2", new="2.1"),)


def test_upgrading_all_moves_installer_and_environment() -> None:
    lock = first()
    world = Channels(has={"numpy": "2.1", "python": "3.9.23", "openssl": "3.5"}, installer_version="99")
    result = locked(world, conda_recipe(), previous=lock, upgrade={"all"})
    assert {m.name for m in result.moved} == {"numpy", "miniforge"}


def test_the_installer_moves_when_it_is_upgraded_or_named() -> None:
    lock = first()
    world = Channels(installer_version="99")
    result = locked(world, conda_recipe(), previous=lock, upgrade={"miniforge"})
    assert result.moved == (Moved(name="miniforge", old="26.3.2-3", new="99"),)
    named = locked(world, conda_recipe(conda={"version": "25.1.1-0"}), previous=lock)
    assert named.moved == (Moved(name="miniforge", old="26.3.2-3", new="25.1.1-0"),)


def test_a_misspelt_conda_package_to_upgrade_names_the_nearest() -> None:
    with pytest.raises(LockError) as caught:
        locked(Channels(), conda_recipe(), previous=first(), upgrade={"opensl"})
    assert caught.value.remedy == "did you mean openssl?"


def test_a_new_python_of_condas_has_pips_packages_asked_for_again() -> None:
    world = Channels(has={"numpy": "2.0.2", "python": "3.9.24", "openssl": "3.5"})
    locked(world, conda_recipe(), previous=first(), upgrade={"python"})
    assert (("torch",), "3.9.24") in [(e[1], e[2]) for e in world.of("resolve")]


def test_what_pip_and_conda_are_both_asked_for_is_refused() -> None:
    world = Channels(newest={**World().newest, "numpy": "2.0.2"})
    with pytest.raises(LockError) as caught:
        locked(world, conda_recipe(pip={"packages": ("NumPy",)}, conda={"packages": ("numpy",)}))
    error = caught.value
    assert (error.what, error.where) == ("pip and conda would both install numpy", "recipes/tiny.yaml: pip.packages")
    assert [f.what for f in error.faults] == ["numpy: 2.0.2 from pip, 2.0.2 from conda"]
    assert [(f.seen, f.remedy) for f in error.faults] == [("conda's numpy-2.0.2-0.conda", None)]


def test_a_wheels_dependency_that_conda_has_at_that_version_is_left_to_conda() -> None:
    world = Channels(depends={"torch": ("numpy",)}, newest={**World().newest, "numpy": "2.2"})
    lock = locked(world, conda_recipe()).lock
    assert [p.name for p in lock.pip] == ["torch"]  # asked to agree with conda's 2.0.2, and it did


def test_a_wheels_dependency_that_conda_has_at_another_version_is_refused() -> None:
    class Stubborn(Channels):
        def resolve(self, requirements: tuple[str, ...], **more: Any) -> tuple[Wheel, ...]:
            return super().resolve(requirements, **{**more, "keep": {}})

    world = Stubborn(depends={"torch": ("numpy",)}, newest={**World().newest, "numpy": "1.9"})
    with pytest.raises(LockError) as caught:
        locked(world, conda_recipe())
    assert [(f.what, f.remedy) for f in caught.value.faults] == [
        ("numpy: 1.9 from pip, 2.0.2 from conda", "`numpy ==1.9` in `conda.packages` lets pip leave it to conda")
    ]


def test_conda_versions_that_pip_cannot_have_are_not_told_to_it() -> None:
    world = Channels(has={"python": "3.9.23", "_libgcc_mutex": "0.1", "openssl": "1.1.1w-x", "tzdata": "2025b"})
    conda = locked(world, conda_recipe("tzdata")).lock.conda
    assert conda is not None
    from builder.stages.lock_conda import CondaPart

    assert CondaPart(lock=conda, uploaded=0).versions() == {"python": "3.9.23", "tzdata": "2025b"}


def test_from_the_bases_python_to_condas_and_back() -> None:
    plain = recipe(base="debian-bullseye", pip={"packages": ("torch",)})
    without = locked(Channels(), plain).lock
    assert (without.conda, without.apt_asked[0]) == (None, "python3")
    there = locked(Channels(), conda_recipe(base="debian-bullseye"), previous=without).lock
    assert there.conda is not None
    assert there.apt == ()
    assert there.base == without.base
    back = locked(Channels(), plain, previous=there).lock
    assert back.model_copy(update={"created": without.created}) == without  # uv was kept from a lock that was newer
