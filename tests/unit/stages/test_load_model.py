"""What a recipe says of its model, and the faults that are told."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

import builder.checks
from builder.errors import Fault, RecipeError
from builder.models.deployment import Gates, Scheme
from builder.models.recipe import Recipe
from builder.serving.job import GATES
from builder.stages.load import parse_recipe

HEAD = "name: a\nbase: b\npurpose: deployment\nchecks: [trust]\n"
MODEL = "model: {onnx: m.onnx, calibration: c.npz}\n"


def faults(text: str) -> list[tuple[str, str | None]]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "r.yaml")
    found: tuple[Fault, ...] = caught.value.faults
    return [(fault.what, fault.where) for fault in found]


def read(text: str) -> Recipe:
    return parse_recipe(text, "r.yaml")


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        (
            HEAD.replace("deployment", "training") + MODEL,
            "a model is part of a deployment image, and this is none",
            "r.yaml:5:1 (model)",
        ),
        (HEAD + "serve: true\n", "`serve` is for a model, and the recipe has none", "r.yaml:5:1 (serve)"),
        (
            HEAD + "workshop: {pip: [torch]}\n",
            "`workshop` is for a model, and the recipe has none",
            "r.yaml:5:1 (workshop)",
        ),
        (
            HEAD + "model: {onnx: m.onnx, factory: 'a:b', calibration: c.npz}\n",
            "a model comes from a `factory` or from an `onnx` file: name one of the two",
            "r.yaml:5:8 (model)",
        ),
        (
            HEAD + "model: {onnx: m.onnx, weights: w.pt, calibration: c.npz}\n",
            "`weights` fill what a `factory` gives: an ONNX file has its own",
            "r.yaml:5:8 (model)",
        ),
        (HEAD + "model: {onnx: m.onnx}\n", "`calibration` is missing", "r.yaml:5:1 (model)"),
        (
            HEAD + "model: {onnx: ../m.onnx, calibration: c.npz}\n",
            "wants a path below the recipe's folder, of letters, digits, `.`, `_`, `+`, `-` and `/`",
            "r.yaml:5:15 (model.onnx)",
        ),
        (
            HEAD + "model: {onnx: m.onnx, calibration: c.csv}\n",
            "wants `module:function`, or a file below the recipe's folder that ends in .npz",
            "r.yaml:5:36 (model.calibration)",
        ),
        (
            HEAD + "model: {factory: digits, calibration: c.npz}\n",
            "wants `module:function`, as in digits:model",
            "r.yaml:5:18 (model.factory)",
        ),
        (
            HEAD + "model: {onnx: m.onnx, calibration: c.npz, gates: {size_ratio: 2}}\n",
            "wants 1.0 or less",
            "r.yaml:5:63 (model.gates.size_ratio)",
        ),
        (
            HEAD + "model: {onnx: m.onnx, calibration: c.npz, gates: {sqnr_db: much}}\n",
            "a number is wanted here",
            "r.yaml:5:60 (model.gates.sqnr_db)",
        ),
        (
            HEAD + MODEL + "pip: {without: [NumPy]}\n",
            "NumPy is left out here and asked for by `model`",
            "r.yaml:6:17 (pip.without[0])",
        ),
        (
            HEAD + "pip: {packages: [Sym_Py==1], without: [sym.py]}\n",
            "sym.py is left out here and asked for in `packages`",
            "r.yaml:5:40 (pip.without[0])",
        ),
    ],
)
def test_a_fault_is_told_with_line_and_column(text: str, what: str, where: str) -> None:
    assert faults(text) == [(what, where)]


def test_an_unknown_key_of_a_model_names_the_nearest_one() -> None:
    with pytest.raises(RecipeError) as caught:
        read(HEAD + "model: {onnx: m.onnx, calibration: c.npz, gates: {sqnr: 20}}\n")
    assert [(f.what, f.remedy) for f in caught.value.faults] == [("unknown key `sqnr`", "did you mean `sqnr_db`?")]


def test_its_files_are_named_once_in_order_and_functions_are_no_files() -> None:
    recipe = read(
        HEAD + "model: {factory: 'net:model', weights: w.pt, calibration: c.npz, evaluation: 'net:held_out',"
        " files: [net.py, c.npz]}\n"
    )
    assert recipe.model is not None
    assert recipe.model.paths() == ("w.pt", "c.npz", "net.py")


def test_what_runs_and_serves_a_model_is_wanted_unless_it_is_named() -> None:
    assert read(HEAD + MODEL).requirements() == ("numpy", "onnxruntime")
    served = read(HEAD + MODEL + "serve: true\npip: {packages: ['NumPy==2.0.2']}\n")
    assert served.requirements() == ("NumPy==2.0.2", "onnxruntime", "mlserver")
    assert read(HEAD + MODEL + "workshop: {pip: [onnx==1.19.1]}\n").tools() == ("onnx==1.19.1", "numpy", "onnxruntime")


def test_a_recipe_without_a_model_wants_nothing_of_its_own() -> None:
    assert (read(HEAD).requirements(), read(HEAD).tools()) == ((), ())


def test_the_gates_are_those_that_the_maker_knows_with_the_engine_s_bounds() -> None:
    bounds = {name: bound for name, _, bound in constant("_int8_quality.py", "BOUNDS")}
    assert Gates().model_dump() == {name: bounds[name] for name in GATES}


def test_the_schemes_are_the_engine_s_and_two_more() -> None:
    text = Path(builder.checks.__file__).with_name("_quantization.py").read_text()
    named = {
        call.args[0].value
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Configuration"
    }
    assert set(get_args(Scheme)) == named | {"auto", "none"}


def constant(file: str, name: str) -> list[tuple[str, str, float]]:
    """What a script of the checks, which nothing here can import, assigns to a name."""
    tree = ast.parse(Path(builder.checks.__file__).with_name(file).read_text())
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(getattr(target, "id", "") == name for target in targets) and node.value is not None:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{file} has no {name}")
