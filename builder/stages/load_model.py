"""What a recipe says of its model and no type can judge: keys that need one another, files that must be named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder.models.deployment import RUNTIME, SERVER
from builder.stages.faults import Faults

if TYPE_CHECKING:
    from builder.stages.yamltext import Document

_ADD: Final = "add `model: {onnx: FILE, calibration: FILE.npz}` or `model: {factory: module:function, ...}`"


def model_faults(document: Document, faults: Faults) -> None:
    """Adds the faults of `model`, `workshop`, `serve` and `pip.without`; looked up in the text, so that a recipe with
    other faults has these told as well."""
    recipe = document.value if isinstance(document.value, dict) else {}
    has_model = isinstance(recipe.get("model"), dict)
    if has_model and recipe.get("purpose") != "deployment":
        remedy = "write `purpose: deployment`, or remove `model`"
        faults.add("a model is part of a deployment image, and this is none", ("model",), remedy=remedy, at_key=True)
    if not has_model:
        for key in ("workshop", "serve"):
            if recipe.get(key):
                faults.add(f"`{key}` is for a model, and the recipe has none", (key,), remedy=_ADD, at_key=True)
    _without(recipe, faults, has_model=has_model)


def _without(recipe: dict[str, object], faults: Faults, *, has_model: bool) -> None:
    pip = recipe.get("pip")
    if not isinstance(pip, dict) or not isinstance(pip.get("without"), list):
        return
    asked = pip.get("packages")
    wanted = {_name(text) for text in asked if isinstance(text, str)} if isinstance(asked, list) else set()
    implied = (*RUNTIME, *((SERVER,) if recipe.get("serve") is True else ())) if has_model else ()
    for index, name in enumerate(pip["without"]):
        if isinstance(name, str) and canonicalize_name(name) in wanted | set(implied):
            what = f"{name} is left out here and asked for " + (
                "in `packages`" if _name(name) in wanted else "by `model`"
            )
            faults.add(what, ("pip", "without", index), remedy="take one of the two away")


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return ""
