"""Architectures that nobody here wrote, with random weights: the dead are called dead, the others find what suits them.

`BUILDER_TORCHVISION_PYTHON` names a Python with torch, torchvision, onnx and onnxruntime 1.19: a program that runs the
quickstart image's own (`docker run --rm -i ... python "$@"`), with torchvision and pillow bound beside it, is one.
"""

from __future__ import annotations

import json
import os
import subprocess
from importlib.resources import files
from typing import Any

import pytest
from tests_root import ROOT

from builder.checks import QUANTIZATION

PYTHON = os.environ.get("BUILDER_TORCHVISION_PYTHON", "")

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not PYTHON, reason="BUILDER_TORCHVISION_PYTHON names no Python with torchvision"),
]


def trial(*arguments: str) -> dict[str, Any]:
    parts = [files("builder.checks").joinpath(part).read_text() for part in QUANTIZATION]
    script = ["import importlib\nload = importlib.import_module", *parts]
    script.append((ROOT / "tests/bench/torchvision_trial.py").read_text())
    done = subprocess.run(
        [PYTHON, "-", *arguments], input="\n".join(script), capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("shufflenet_v2_x1_0", "dead: ignores its input"),
        ("vit_b_16", "dead: ignores its input"),
        ("resnet18", "dead: one class for all"),
        ("mobilenet_v3_small", "alive"),
        ("convnext_tiny", "alive"),
    ],
)
def test_dead_ones_are_called_dead(name: str, wanted: str) -> None:
    assert trial(name)["raw"] == wanted


def test_convnext_needs_its_channels_apart() -> None:
    found = trial("convnext_tiny", "static int8 per tensor,dynamic uint8")
    assert found["searched"][-1]["scheme"] == "dynamic int8"  # whose weights have a scale for each channel
    assert found["searched"][-1]["chosen"]
    for row in found["others"]:  # the two whose weights have one scale
        assert any(text.startswith("centred_sqnr_db") for text in row["problems"]), row


def test_vit_needs_ranges_that_are_measured_as_it_runs() -> None:
    found = trial("vit_b_16", "static int8")
    assert [(row["scheme"], row["chosen"]) for row in found["searched"]] == [("dynamic int8", True)]
    assert any(text.startswith("sqnr_db") for text in found["others"][0]["problems"])
