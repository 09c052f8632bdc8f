"""Pins when a recipe is locked, and when it is planned."""

from __future__ import annotations

from typing import Any

import pytest
from test_lock import Bench, World, locked, recipe

from builder.errors import RecipeError
from builder.models.lock import Artifact, Certificate
from builder.stages.lock_ports import Ports
from builder.stages.plan import plan
from builder.trust.bundle import Bundle, PemSource
from builder.trust.pins import IMAGE_FILE, parse_pins

A, B = "a" * 64, "b" * 64
PINS = {"pins": ({"host": "m.site", "root": A, "backup": B},)}


class Held(World):
    """Its bundle holds the certificates that it is told."""

    holds: tuple[str, ...] = (A, B)

    def ports(self) -> Ports:
        world = self

        class Filled(Bench):
            def bundle(self, roots: Any, extra: tuple[PemSource, ...], *, at: int) -> tuple[Artifact, Bundle]:
                artifact, _ = super().bundle(roots, extra, at=at)
                rows = [{"subject": "CN=x", "sha256": d, "not_after": "2040-01-01"} for d in world.holds]
                held = tuple(Certificate.model_validate(row) for row in rows)
                return artifact, Bundle(pem="", certificates=held, notes=())

        found = super().ports()
        return Ports(**{**vars(found), "workshop": Filled(self)})


def test_a_recipe_whose_pins_hold_is_locked_and_its_image_says_what_is_pinned() -> None:
    asked = recipe(trust=PINS)
    lock = locked(Held(), asked).lock
    (layer,) = [one for one in plan(asked, lock, interpreter="/usr/bin/python3.9").layers if one.name == "trust"]
    (file,) = [one for one in layer.files if one.path == IMAGE_FILE]
    assert parse_pins(file.content, "x") == asked.trust.pins


def test_an_image_without_pins_has_no_file_of_them() -> None:
    layers = plan(recipe(), locked(Held()).lock, interpreter="/usr/bin/python3.9").layers
    assert not [file for layer in layers for file in layer.files if file.path == IMAGE_FILE]


def test_a_refresh_that_would_lose_a_pinned_root_is_refused_and_the_old_lock_stands() -> None:
    """What cuts an isolated site off: the newest roots no longer have the one that its mirror comes from."""
    asked, world = recipe(trust=PINS), Held()
    before = locked(world, asked).lock
    world.holds = (B,)
    with pytest.raises(RecipeError, match="the pins do not hold in the image's bundle") as caught:
        locked(world, asked, previous=before, upgrade={"certifi"})
    (fault,) = caught.value.faults
    assert fault.where == "recipes/tiny.yaml: trust.pins[0].root"
