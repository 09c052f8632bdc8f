"""Plan, a deployment image's model: the workshop that makes it, the programs that answer with it. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from builder.models.plan import Action, File, Healthcheck, ImageConfig, Layer
from builder.serving.files import COMMANDS, PORTS, runtime_files, workshop_files
from builder.stages.plan_packages import package_layers

if TYPE_CHECKING:
    from builder.models.deployment import Deployed
    from builder.models.lock import Lock, WorkshopLock
    from builder.models.recipe import Recipe
    from builder.serving.files import Script

HEALTHCHECK = Healthcheck(
    test=(f"{COMMANDS}/healthcheck",), interval="30s", timeout="10s", start_period="30s", retries=3
)


def workshop_layers(shop: WorkshopLock, *, on: tuple[str, ...], room: int) -> tuple[Layer, ...]:
    """What the model is made with, layered as an image's packages are: the same stages, so that an engine that has
    built a training image of the same wheels has them."""
    layers = package_layers(shop.pip, on=on, room=room)
    return tuple(layer.model_copy(update={"name": f"workshop-{layer.name}"}) for layer in layers)


def model_layers(
    recipe: Recipe, lock: Lock, prefix: str, *, on: tuple[str, ...], lowest: tuple[str, ...]
) -> tuple[Layer, ...]:
    """The programs, which change with builder, and the model, which changes with its files and its workshop.

    on: what the workshop stands on; lowest: what a layer of files alone does.
    """
    if recipe.model is None or lock.workshop is None:
        return ()
    programs = Layer(
        name="programs",
        title="predict, selftest, healthcheck" + (" and the server's runtime" if recipe.serve else ""),
        action=Action.WRITE_FILES,
        files=tuple(map(_file, runtime_files(python=f"{prefix}/bin/python", serve=recipe.serve))),
        on=lowest,
    )
    spec = File(path="spec.json", content=_spec(recipe, recipe.model, lock.workshop))
    made = Layer(
        name="model",
        title=f"The model, from {recipe.model.factory or recipe.model.onnx}, and what proves it",
        action=Action.MAKE_MODEL,
        artifacts=lock.workshop.files,
        inputs=(spec, *map(_file, workshop_files())),
        on=on,
    )
    return (programs, made)


def _file(script: Script) -> File:
    return File(path=script.path, content=script.content, mode=int(script.mode, 8))


def _spec(recipe: Recipe, model: Deployed, shop: WorkshopLock) -> str:
    """What the maker is told."""
    named = {"factory": model.factory, "onnx": model.onnx, "weights": model.weights, "evaluation": model.evaluation}
    (runtime,) = (package.version for package in shop.pip if package.name == "onnxruntime")
    spec = {
        "name": recipe.name,
        "version": recipe.version,
        **{key: value for key, value in named.items() if value is not None},
        "calibration": model.calibration,
        "scheme": model.scheme,
        "threads": model.threads,
        "gates": model.gates.model_dump(),
        "serve": recipe.serve,
        "onnxruntime": runtime,
    }
    return json.dumps(spec, indent=1, sort_keys=True) + "\n"


def with_model(config: ImageConfig, recipe: Recipe) -> ImageConfig:
    """The configuration of an image that answers with a model; as it is where there is none."""
    if recipe.model is None:
        return config
    env = dict(config.env)
    first, _, rest = env["PATH"].partition(":")
    env["PATH"] = f"{first}:{COMMANDS}:{rest}"
    return config.model_copy(
        update={
            "env": tuple(env.items()),
            "cmd": ("serve",) if recipe.serve else ("selftest",),
            "healthcheck": HEALTHCHECK,
            "ports": PORTS if recipe.serve else (),
        }
    )
