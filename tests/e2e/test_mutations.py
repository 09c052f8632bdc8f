"""`builder check --mutate`: images broken for real, each caught by the check that is there for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from chain_project import BUILDER, identity, names_of
from conftest import First

CHECKED = {"python", "trust", "audit"}


def mutants() -> set[str]:
    """The images that were made of others to be broken."""
    listed = ["docker", "images", "--all", "--no-trunc", "--quiet", "--filter", "label=builder.check"]
    return set(subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.engine
@pytest.mark.upstream
def test_a_small_images_mutations_are_all_caught_and_leave_nothing(first: First) -> None:
    tagged = identity(first.tag)
    ran = first.place.builder("check", first.name, "--mutate", "--json")
    assert ran.code == 0, ran.out + ran.err
    found = ran.data["mutations"]
    tried = [m for m in found if m["verdict"] != "not here"]
    assert {m["check"] for m in tried} == CHECKED
    assert [m["name"] for m in tried if m["verdict"] != "caught"] == []
    assert {m["check"] for m in found} - CHECKED >= {"cuda", "cudnn", "onnx-export", "condarc"}
    assert mutants() == set()
    assert (identity(first.tag), names_of(first.name)) == (tagged, [first.tag])


NEITHER = {"condarc", "command", "nvidia-smi"}
"""What neither recipe asks for, and what needs a GPU: `test_prove_elsewhere.py` has a stand-in."""
GPU_AND_EXPORT = {"imports", "cuda", "cudnn", "onnx-export"}
"""What a deployment image has no part of."""


@pytest.mark.engine
@pytest.mark.quickstart
@pytest.mark.parametrize(
    ("name", "absent"), [("quickstart", NEITHER | {"model"}), ("deploy-digits-int8", NEITHER | GPU_AND_EXPORT)]
)
def test_every_mutation_of_a_real_image_is_caught(name: str, absent: set[str]) -> None:
    if not names_of(name):
        pytest.skip(f"no image {name}: `builder build {name}` makes it")
    argv = [*BUILDER, "check", name, "--mutate", "--json"]
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=root, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["mutations"]
    assert {m["check"] for m in found if m["verdict"] == "not here"} == absent
    assert {m["verdict"] for m in found} == {"caught", "not here"}, found
