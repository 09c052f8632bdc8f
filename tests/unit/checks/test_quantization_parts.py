"""What onnx-export's arguments may be, against the parts that need onnx and cannot be imported here."""

from __future__ import annotations

import ast
from importlib.resources import files

import pytest

from builder.checks import BOUNDED, CHECKS, QUANTIZATION, SCHEMES, faults_of
from builder.models.recipe import Recipe


def assigned(part: str, name: str) -> list[str]:
    """The first text of each entry of a tuple in a part."""
    tree = ast.parse(files("builder.checks").joinpath(part).read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return [
                next(leaf.value for leaf in ast.walk(entry) if isinstance(leaf, ast.Constant))  # type: ignore[misc]
                for entry in node.value.elts  # type: ignore[attr-defined]
            ]
    raise AssertionError(name)


def faults(**arguments: object) -> list[str]:
    asked = [{"check": "onnx-export", "with": arguments}]
    recipe = Recipe.model_validate({"name": "x", "base": "y", "checks": asked}, strict=False)
    return [fault.what for fault in faults_of(recipe)]


def test_schemes_are_the_configurations() -> None:
    assert list(SCHEMES) == assigned("_quantization.py", "CONFIGURATIONS")


def test_bounded_are_the_bounds() -> None:
    assert list(BOUNDED) == assigned("_int8_quality.py", "BOUNDS")


def test_engine_comes_before_the_models() -> None:
    assert CHECKS["onnx-export"].parts[: len(QUANTIZATION)] == QUANTIZATION


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (
            {"model": "team", "calibration": "a:b"},
            'model has to be a function of a module in the image, as in "pkg.module:factory"',
        ),
        ({"model": "team:two:three", "calibration": "a:b"}, "model has to be a function of a module in the image"),
        ({"model": "team:make"}, "calibration is missing: give a function that returns samples"),
        ({"calibration": "team:samples"}, "calibration belongs to a model of your own: give `model: "),
        ({"outputs": ["class"]}, "outputs belongs to a model of your own: give `model: "),
        (
            {"model": "a:b", "calibration": "a:c", "inputs": "ids"},
            "inputs has to be a list of names, as in [ids, mask]",
        ),
        ({"model": "a:b", "calibration": "a:c", "inputs": ["ids", "ids"]}, "inputs names one of them twice"),
        ({"exporters": ["onnx"]}, "exporters has to be a list of some of torchscript, dynamo"),
        ({"schemes": ["int4"]}, "schemes has to be a list of some of static int8, "),
        ({"bounds": {"snr": 20}}, "bounds has no snr: known are sensitivity_db, sqnr_db, "),
        ({"bounds": {"sqnr_db": "20"}}, "bounds has to give sqnr_db a number"),
        ({"bounds": 20}, "bounds has to be a mapping, as in {sensitivity_db: 1}"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], wanted: str) -> None:
    (what,) = faults(**arguments)
    assert what.startswith(f"onnx-export: {wanted}")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"models": ["lstm", "transformer"], "exporters": ["torchscript", "dynamo"], "min_sqnr_db": 25},
        {"model": "pkg.module:factory", "calibration": "pkg.module:samples", "inputs": ["ids"], "outputs": ["class"]},
        {"schemes": ["dynamic int8"], "bounds": {"latency_ratio": 1.0, "agreement": 0}},
    ],
)
def test_good_arguments_are_taken(arguments: dict[str, object]) -> None:
    assert faults(**arguments) == []
