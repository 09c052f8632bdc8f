"""What is in which layer, and in which order."""

from __future__ import annotations

import pytest
from tests_root import ROOT

from builder.models.base import sha256_of
from builder.models.lock import Artifact, Lock, Package
from builder.models.lockfile import parse_lock
from builder.models.plan import Action, Plan
from builder.models.recipe import Recipe
from builder.stages.load import parse_recipe
from builder.stages.plan import BUNDLE, MAX_LAYERS, plan
from builder.stages.plan_packages import LARGE, MEDIUM


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return parse_recipe((ROOT / "recipes/quickstart.yaml").read_bytes(), "recipes/quickstart.yaml")


@pytest.fixture(scope="module")
def lock() -> Lock:
    return parse_lock((ROOT / "recipes/quickstart.lock").read_text(), "recipes/quickstart.lock")


@pytest.fixture(scope="module")
def planned(recipe: Recipe, lock: Lock) -> Plan:
    return plan(recipe, lock, interpreter="/usr/bin/python3.9")


def wheel(name: str, size: int) -> Package:
    artifact = Artifact(source="pypi", path=f"{name}-1-py3-none-any.whl", sha256=sha256_of(name), size=size)
    return Package(name=name, version="1", artifact=artifact)


def test_the_root_file_system_lies_lowest_and_trust_on_top(planned: Plan) -> None:
    assert planned.layers[0].action is Action.UNPACK
    assert planned.layers[-1].action is Action.INSTALL_TRUST


def test_every_large_wheel_has_a_layer_of_its_own_the_largest_highest(planned: Plan, lock: Lock) -> None:
    alone = [layer for layer in planned.layers if layer.name.startswith("wheel-")]
    sizes = [layer.artifacts[0].size for layer in alone]
    assert all(len(layer.artifacts) == 1 for layer in alone)
    assert sizes == sorted(p.artifact.size for p in lock.pip if p.artifact.size >= LARGE)


def test_medium_wheels_share_a_layer_above_the_large_ones_and_small_ones_above_that(planned: Plan) -> None:
    *_, medium, small, trust = planned.layers
    assert (medium.name, small.name, trust.name) == ("wheels-medium", "wheels-small", "trust")
    assert min(a.size for a in medium.artifacts) >= MEDIUM > max(a.size for a in small.artifacts)


def test_every_artifact_of_the_lock_is_in_the_plan(planned: Plan, lock: Lock) -> None:
    assert {a.sha256 for a in planned.artifacts()} == {a.sha256 for a in lock.artifacts()}


def test_a_wheel_stands_on_the_environment_and_trust_on_the_root_file_system_alone(planned: Plan) -> None:
    on = {layer.name: layer.on for layer in planned.layers}
    assert on["wheels-small"] == on["wheel-torch"] == ("rootfs", "apt", "environment")
    assert on["trust"] == ("rootfs",)


def test_a_refreshed_bundle_changes_the_trust_layer_alone(planned: Plan, recipe: Recipe, lock: Lock) -> None:
    bundle = lock.trust.bundle.model_copy(update={"sha256": "0" * 64})
    refreshed = lock.model_copy(update={"trust": lock.trust.model_copy(update={"bundle": bundle})})
    after = plan(recipe, refreshed, interpreter="/usr/bin/python3.9")
    assert after.layers[:-1] == planned.layers[:-1]
    assert after.layers[-1] != planned.layers[-1]


def test_there_are_never_more_layers_than_an_engine_stacks(recipe: Recipe, lock: Lock) -> None:
    many = (*(wheel(f"w{n}", LARGE + n) for n in range(150)), wheel("small", 1))
    layers = plan(recipe, lock.model_copy(update={"pip": many}), interpreter="/usr/bin/python3.9").layers
    assert len(layers) == MAX_LAYERS
    assert sum(len(layer.artifacts) for layer in layers if layer.action is Action.INSTALL_WHEELS) == 151


def test_every_client_of_the_image_is_pointed_at_the_one_bundle(planned: Plan) -> None:
    env = dict(planned.config.env)
    assert {env[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")} == {BUNDLE}
    assert "SSL_CERT_DIR" not in env


def test_the_same_recipe_and_lock_give_the_same_plan(planned: Plan, recipe: Recipe, lock: Lock) -> None:
    assert plan(recipe, lock, interpreter="/usr/bin/python3.9") == planned


def test_tags_and_checks_leave_the_image_as_it_is(planned: Plan, recipe: Recipe, lock: Lock) -> None:
    other = recipe.model_copy(update={"tags": ("other:1",), "checks": recipe.checks[:1], "version": "9"})
    assert plan(other, lock, interpreter="/usr/bin/python3.9") == planned
