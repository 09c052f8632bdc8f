"""What goes into images: whole, small, for Python 3.9, and without anything of the builder's."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import builder.serving
from builder.serving.files import RUNTIME, SERVER, WORKSHOP, runtime_files, workshop_files

FOLDER = Path(str(builder.serving.__file__)).parent
IN_THE_IMAGE = {"numpy", "onnxruntime"}
IN_THE_WORKSHOP = IN_THE_IMAGE | {"onnx", "torch", "safetensors"}


def imported(text: str) -> set[str]:
    """What a file imports from outside of its package."""
    nodes = list(ast.walk(ast.parse(text)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    taken = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | taken} - sys.stdlib_module_names


def test_every_file_goes_somewhere() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {*RUNTIME, *SERVER, *WORKSHOP, "files"}


@pytest.mark.parametrize("name", [*RUNTIME, *SERVER, *WORKSHOP])
def test_what_runs_in_images_is_python_39(name: str) -> None:
    ast.parse((FOLDER / f"{name}.py").read_text(), feature_version=(3, 9))


def test_an_image_imports_numpy_and_onnxruntime_alone() -> None:
    assert {name for each in RUNTIME for name in imported((FOLDER / f"{each}.py").read_text())} == IN_THE_IMAGE


def test_a_served_one_also_mlserver() -> None:
    found = {name for each in SERVER for name in imported((FOLDER / f"{each}.py").read_text())}
    assert found == {"mlserver"}


def test_a_workshop_imports_nothing_of_the_builder() -> None:
    assert {name for each in WORKSHOP for name in imported((FOLDER / f"{each}.py").read_text())} == IN_THE_WORKSHOP


@pytest.mark.parametrize("names", [RUNTIME, (*RUNTIME, *SERVER), WORKSHOP])
def test_what_a_file_needs_goes_with_it(names: tuple[str, ...]) -> None:
    for name in names:
        nodes = ast.walk(ast.parse((FOLDER / f"{name}.py").read_text()))
        own = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]
        needed = {node.module or alias.name for node in own for alias in node.names}
        assert needed <= set(names), name


def test_commands_are_run_by_the_images_own_python_and_see_nothing_of_a_users() -> None:
    files = {script.path: script for script in runtime_files(python="/opt/env/bin/python", serve=False)}
    commands = {path: script for path, script in files.items() if script.mode == "755"}
    assert set(commands) == {f"/opt/builder/bin/{name}" for name in ("predict", "selftest", "healthcheck")}
    assert all(script.content.startswith("#!/opt/env/bin/python -IB\n") for script in commands.values())


def test_serving_adds_its_command() -> None:
    plain, served = (runtime_files(python="/p", serve=serve) for serve in (False, True))
    assert {s.path for s in served} - {s.path for s in plain} == {
        "/opt/builder/bin/serve",
        "/opt/builder/serving/bounded.py",
        "/opt/builder/serving/runtime.py",
        "/opt/builder/serving/serve.py",
    }


def test_the_engine_is_the_gates_own() -> None:
    (engine,) = (script.content for script in workshop_files() if script.path == "serving/quantization.py")
    ast.parse(engine)
    for name in ("def searched", "def known_answer_problems", "def gate", "def newest"):
        assert name in engine
