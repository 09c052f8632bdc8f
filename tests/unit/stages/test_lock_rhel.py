"""Locking on a base of RHEL's family: conda brings Python, and nothing is asked of apt."""

from __future__ import annotations

import pytest
from test_lock import locked
from test_lock_stage_conda import Channels, conda_recipe

from builder.errors import RecipeError
from builder.models.lock import ImageBase


def test_the_base_is_all_there_is_and_no_list_of_packages_is_asked_for() -> None:
    world = Channels()
    lock = locked(world, conda_recipe(base="almalinux-9")).lock
    assert isinstance(lock.base, ImageBase)
    assert (lock.apt_asked, lock.apt, lock.busybox, lock.busybox_binary) == ((), (), None, None)
    assert not [entry for entry in world.asked if entry[0] in ("debian", "install", "status")]
    assert locked(world, conda_recipe("numpy", base="almalinux-9"), previous=lock).lock.base == lock.base


def test_what_only_apt_could_bring_is_refused_with_all_its_faults() -> None:
    asked = conda_recipe(base="almalinux-9", apt=("git", "curl"), trust={"roots": "distribution"})
    with pytest.raises(RecipeError, match="almalinux-9 cannot give what the recipe asks of it") as caught:
        locked(Channels(), asked)
    assert [(f.where, f.what, f.seen) for f in caught.value.faults] == [
        ("apt.packages", "almalinux-9 has no packages for apt", "git, curl"),
        ("trust.roots", "almalinux-9's own roots cannot be locked", None),
    ]
    assert all(fault.remedy for fault in caught.value.faults)


def test_without_conda_there_is_no_python() -> None:
    with pytest.raises(RecipeError, match=r"almalinux-9 brings no Python 3\.9") as caught:
        locked(Channels(), conda_recipe(base="almalinux-9").model_copy(update={"conda": None}))
    assert "let conda bring it" in (caught.value.remedy or "")
