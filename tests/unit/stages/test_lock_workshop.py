"""The workshop's part of a lock: what it wants, what is kept, and that it runs the model with the image's versions."""

from __future__ import annotations

import json
from typing import Any

from test_lock import World, derived, package, recipe

from builder.adapters.catalog import load_catalog
from builder.models.lock import Artifact, Lock
from builder.models.lockfile import dump_lock, parse_lock
from builder.models.recipe import Recipe
from builder.models.resolved import Moved
from builder.progress import Silent
from builder.stages.lock import LockResult, is_stale, lock

NEWEST = {"torch": "2.8.0", "numpy": "2.0.2", "onnx": "1.19.1", "onnxruntime": "1.19.2", "uv": "9", "certifi": "26"}
NET = derived("net.py", "recipe")


def asked(**changes: Any) -> Recipe:
    model = {"factory": "net:model", "calibration": "net:samples", "files": ("net.py",)}
    data = {"purpose": "deployment", "pip": {}, "model": model, "workshop": {"pip": ("torch",)}}
    return recipe(**{**data, **changes})


def locked(
    world: World, wanted: Recipe, previous: Lock | None = None, files: tuple[Artifact, ...] = (NET,)
) -> LockResult:
    return lock(
        wanted,
        files=files,
        catalog=load_catalog(),
        ports=world.ports(),
        previous=previous,
        upgrade=frozenset(),
        progress=Silent(),
    )


def resolved(world: World) -> list[tuple[str, ...]]:
    return [entry[1] for entry in world.asked if entry[0] == "resolve"]


def test_the_workshop_is_a_second_resolution_at_the_image_s_versions_of_what_runs_the_model() -> None:
    world = World(newest=dict(NEWEST))
    made = locked(world, asked()).lock
    assert resolved(world) == [
        ("numpy", "onnxruntime"),
        ("certifi", "uv"),
        ("torch", "onnx", "numpy", "onnxruntime", "numpy==2.0.2", "onnxruntime==1.19.2"),
    ]
    assert made.workshop is not None
    assert [p.name for p in made.workshop.pip] == ["numpy", "onnx", "onnxruntime", "torch"]
    assert [p.name for p in made.pip] == ["numpy", "onnxruntime"]
    assert made.workshop.files == (NET,)


def test_its_wheels_and_files_are_among_the_lock_s_artifacts() -> None:
    made = locked(World(newest=dict(NEWEST)), asked()).lock
    assert {package("torch", "2.8.0").artifact, NET} <= set(made.artifacts())


def test_a_changed_file_asks_no_index() -> None:
    first = locked(World(newest=dict(NEWEST)), asked()).lock
    later, changed = World(newest={}), derived("net.py", "recipe").model_copy(update={"sha256": "1" * 64})
    assert is_stale(first, asked(), (), (changed,))
    made = locked(later, asked(), first, (changed,))
    assert [entry[0] for entry in later.asked] == ["bundle"]
    assert made.lock.workshop is not None
    assert made.lock.workshop.files == (changed,)
    assert (made.moved, made.lock.pip) == ((), first.pip)


def test_another_tool_moves_nothing_else() -> None:
    first = locked(World(newest=dict(NEWEST)), asked()).lock
    later = World(newest=dict.fromkeys(NEWEST, "99") | {"scipy": "1"})
    made = locked(later, asked(workshop={"pip": ("torch", "scipy")}), first)
    assert made.moved == (Moved(name="scipy", old=None, new="1"),)
    assert made.lock.pip == first.pip


def test_another_python_asks_for_the_workshop_too() -> None:
    """The same versions are other wheels there."""
    first = locked(World(newest=dict(NEWEST)), asked()).lock
    later = World(newest=dict(NEWEST))
    locked(later, asked(base="debian-bookworm", python="3.11"), first)
    assert [entry[2] for entry in later.asked if entry[0] == "resolve"] == ["3.11.2", "3.11.2"]


def test_what_is_left_out_is_asked_for_again_when_it_changes() -> None:
    world = World(newest=dict(NEWEST))
    first = locked(world, asked(pip={"without": ("sympy",)})).lock
    assert first.pip_without == ("sympy",)
    later = World(newest=dict(NEWEST))
    locked(later, asked(), first)
    assert resolved(later)[0] == ("numpy", "onnxruntime")


def test_a_lock_with_a_workshop_reads_back_as_it_was_written() -> None:
    made = locked(World(newest=dict(NEWEST)), asked(pip={"without": ("sympy",)})).lock
    assert parse_lock(dump_lock(made), "a.lock") == made


def test_a_lock_without_a_model_has_no_trace_of_it_and_keeps_its_digest() -> None:
    made = locked(World(newest=dict(NEWEST)), recipe(), files=()).lock
    assert not {"workshop", "pip_without"} & set(json.loads(dump_lock(made)))
    assert made.content_digest() == parse_lock(dump_lock(made), "a.lock").content_digest()
