"""A deployment image's layers, its workshop that the image does not contain, and how both are rendered."""

from __future__ import annotations

import json
import re

import pytest
from tests_root import ROOT

from builder.adapters.project import Project
from builder.models.plan import Action, Plan
from builder.models.rendered import Rendered
from builder.pipeline import Described, Workplace, described
from builder.stages.plan import plan
from builder.stages.render import render

PYTHON = "/usr/bin/python3.9"


@pytest.fixture(scope="module")
def digits() -> Described:
    return described(Workplace(Project(ROOT)), "deploy-digits-int8")


@pytest.fixture(scope="module")
def planned(digits: Described) -> Plan:
    return digits.plan


@pytest.fixture(scope="module")
def quickstart() -> Plan:
    return described(Workplace(Project(ROOT)), "quickstart").plan


def text(rendered: Rendered, path: str = "Dockerfile") -> str:
    return next(file.content for file in rendered.files if file.path == path)


def stage(rendered: Rendered, name: str) -> str:
    """The instructions of a stage."""
    found = re.search(rf"^(FROM \S+ AS {name}\n.*?)(?=\n\n|\Z)", text(rendered), re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def test_the_model_lies_above_the_packages_and_below_the_trust(planned: Plan) -> None:
    names = [layer.name for layer in planned.layers]
    assert names == [
        "rootfs",
        "apt",
        "environment",
        "wheels-medium",
        "wheels-small",
        "programs",
        "model",
        "trust",
    ]


def test_nothing_of_the_workshop_is_a_layer_of_the_image(planned: Plan, digits: Described) -> None:
    assert not {layer.name for layer in planned.workshop} & {layer.name for layer in planned.layers}
    final = text(digits.rendered).rpartition("# The image\n")[2]
    assert "workshop" not in final
    assert re.findall("--from=(\\S+)", final) == [f"layer-{layer.name}" for layer in planned.layers[3:]]


def test_every_artifact_of_the_lock_is_in_the_plan_and_on_the_server(planned: Plan, digits: Described) -> None:
    assert {a.sha256 for a in planned.artifacts()} == {a.sha256 for a in digits.lock.artifacts()}


def test_the_workshop_s_large_wheels_are_stages_of_the_quickstart_s(planned: Plan, quickstart: Plan) -> None:
    """What an engine has built for the one, it has for the other: the same parents, steps, artifacts and order."""

    ours, theirs = render(planned), render(quickstart)
    large = [layer.name.removeprefix("workshop-") for layer in planned.workshop if "-wheel-" in layer.name]
    assert "wheel-torch" in large
    for name in large:
        mine, its = stage(ours, f"layer-workshop-{name}"), stage(theirs, f"layer-{name}")
        assert mine.replace(f"layer-workshop-{name}", f"layer-{name}") == its
    copies = re.findall(r"--from=layer-workshop-(wheel-\S+)", stage(ours, "workshop"))
    assert copies == re.findall(r"--from=layer-(wheel-\S+)", text(theirs).rpartition("# The image\n")[2]) == large
    assert planned.layers[:3] == quickstart.layers[:3]


def test_the_workshop_runs_the_model_with_what_the_image_runs_it_with(digits: Described) -> None:
    shop = digits.lock.workshop
    assert shop is not None
    image = {package.name: package for package in digits.lock.pip}
    for name in ("numpy", "onnxruntime"):
        assert next(package for package in shop.pip if package.name == name) == image[name]


def test_the_model_is_made_from_the_recipe_s_files_at_their_own_paths(digits: Described) -> None:
    made = stage(digits.rendered, "layer-model")
    assert made.startswith("FROM workshop AS layer-model\nRUN --network=none ")
    assert ",source=/digits.py,target=/.builder/in/digits.py " in made
    assert "source=inputs/model/spec.json,target=/.builder/inputs/spec.json" in made


def test_a_module_in_a_folder_keeps_its_folder(digits: Described) -> None:
    shop = digits.lock.workshop
    assert shop is not None
    (file,) = shop.files
    inside = shop.model_copy(update={"files": (file.model_copy(update={"path": "net/digits.py"}),)})
    after = plan(digits.loaded.recipe, digits.lock.model_copy(update={"workshop": inside}), interpreter=PYTHON)
    assert ",source=/digits.py,target=/.builder/in/net/digits.py " in stage(render(after), "layer-model")


def test_the_maker_is_told_what_the_recipe_says(digits: Described) -> None:
    spec = json.loads(text(digits.rendered, "inputs/model/spec.json"))
    assert spec == {
        "name": "deploy-digits-int8",
        "version": "1.0",
        "factory": "digits:model",
        "calibration": "digits:samples",
        "evaluation": "digits:held_out",
        "scheme": "auto",
        "gates": digits.loaded.recipe.model and digits.loaded.recipe.model.gates.model_dump(),
        "threads": 1,
        "serve": True,
        "onnxruntime": "1.19.2",
    }


def test_a_refreshed_bundle_makes_no_model_again(digits: Described) -> None:
    bundle = digits.lock.trust.bundle.model_copy(update={"sha256": "0" * 64})
    trust = digits.lock.trust.model_copy(update={"bundle": bundle})
    after = plan(digits.loaded.recipe, digits.lock.model_copy(update={"trust": trust}), interpreter=PYTHON)
    assert after.layers[:-1] == digits.plan.layers[:-1]
    assert after.workshop == digits.plan.workshop
    assert stage(render(after), "layer-model") == stage(digits.rendered, "layer-model")


def test_another_gate_makes_the_model_again_and_locks_nothing(digits: Described) -> None:
    recipe = digits.loaded.recipe
    assert recipe.model is not None
    gates = recipe.model.gates.model_copy(update={"sqnr_db": 30.0})
    other = recipe.model_copy(update={"model": recipe.model.model_copy(update={"gates": gates})})
    files = digits.loaded.files
    assert other.inputs_digest((), files) == recipe.inputs_digest((), files) == digits.lock.inputs
    changed = [
        (before.name, after.name)
        for before, after in zip(digits.plan.layers, plan(other, digits.lock, interpreter=PYTHON).layers, strict=True)
        if before != after
    ]
    assert changed == [("model", "model")]


def test_the_image_serves_as_nobody_and_is_asked_for_its_health(digits: Described) -> None:
    final = text(digits.rendered).rpartition("# The image\n")[2].splitlines()
    assert (
        'ENV PATH="/opt/env/bin:/opt/builder/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"' in final
    )
    assert final[-5:] == [
        "USER 1000:1000",
        "EXPOSE 8080",
        "EXPOSE 8081",
        'HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["/opt/builder/bin/healthcheck"]',
        'CMD ["serve"]',
    ]


def test_without_a_server_the_command_is_the_selftest_and_no_port_is_open(digits: Described) -> None:
    recipe = digits.loaded.recipe.model_copy(update={"serve": False})
    config = plan(recipe, digits.lock, interpreter=PYTHON).config
    assert (config.cmd, config.ports) == (("selftest",), ())
    assert config.healthcheck is not None


def test_an_image_without_a_model_has_no_trace_of_all_this(quickstart: Plan) -> None:
    dockerfile = text(render(quickstart))
    assert not re.search("HEALTHCHECK|EXPOSE|workshop|make-model", dockerfile)
    assert Action.MAKE_MODEL not in {layer.action for layer in quickstart.layers}
