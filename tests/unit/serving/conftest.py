"""A model's folder, made once by the maker as a workshop runs it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.serving.files import workshop_files

RECIPE = '''\
"""Sixteen measurements, one of four groups: made here, so that neither torch nor a download is needed."""
import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

RANDOM = numpy.random.RandomState(0)
CENTRES = RANDOM.randn(4, 16).astype("float32")


def model():
    """A network that was never trained, but whose outputs are as different as its inputs."""
    first, last = RANDOM.randn(16, 256) / 4, RANDOM.randn(256, 4) / 16
    weights = [numpy_helper.from_array(a.astype("float32"), n) for n, a in (("first", first), ("last", last))]
    nodes = [
        helper.make_node("MatMul", ["measured", "first"], ["/secret/path/hidden"], name="one", doc_string="line 12"),
        helper.make_node("Relu", ["/secret/path/hidden"], ["positive"], name="two"),
        helper.make_node("MatMul", ["positive", "last"], ["group"], name="three"),
    ]
    sides = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", w])] for n, w in (("measured", 16), ("group", 4))
    ]
    graph = helper.make_graph(nodes, "made at noon", *sides, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="me")


def dead():
    """The same, but it is multiplied with nothing."""
    given = model()
    given.graph.initializer[0].CopyFrom(numpy_helper.from_array(numpy.zeros((16, 256), "float32"), "first"))
    bias = numpy_helper.from_array(numpy.ones(256, "float32"), "bias")
    given.graph.initializer.append(bias)
    given.graph.node[1].CopyFrom(helper.make_node("Add", ["/secret/path/hidden", "bias"], ["positive"]))
    return given


def samples():
    random = numpy.random.RandomState(1)
    labels = random.randint(0, 4, 256)
    return CENTRES[labels] + 0.3 * random.randn(256, 16)


def pairs():
    """Takes two samples at a time and no other number."""
    given = model()
    for value in (*given.graph.input, *given.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    return given


def few():
    return samples()[:10]


def broken():
    return {}["absent"]


def newer():
    """In an opset that no runtime knows yet."""
    given = model()
    given.opset_import[0].version = 99
    return given


def words():
    """Takes the numbers of four words."""
    given = model()
    table = numpy_helper.from_array(RANDOM.randn(64, 16).astype("float32"), "table")
    given.graph.initializer.append(table)
    nodes = [
        helper.make_node("Gather", ["table", "words"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors"], ["measured"], axes=[1], keepdims=0),
        *given.graph.node,
    ]
    taken = helper.make_tensor_value_info("words", TensorProto.INT64, ["batch", 4])
    del given.graph.node[:], given.graph.input[:]
    given.graph.node.extend(nodes)
    given.graph.input.append(taken)
    return given


def short_numbers():
    return numpy.random.RandomState(2).randint(0, 64, (128, 4)).astype("int32")


def halves():
    return short_numbers() + 0.5


def narrow():
    return samples()[:, :8]


def ragged():
    return [[1.0], [1.0, 2.0]] * 32


def one_hot():
    return samples(), numpy.eye(4)[numpy.zeros(256, int)]
'''


@dataclass(frozen=True)
class Workshop:
    """Where models are made."""

    root: Path

    def job(self, **changed: Any) -> dict[str, Any]:
        """A job that can be done, with changes."""
        job = {"name": "groups", "version": "1.0", "factory": "recipe:model", "calibration": "recipe:samples"}
        return {**job, **changed}

    def make(
        self, out: Path, *, serve: bool = True, hash_seed: str = "1", **changed: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs the maker as an image's build does."""
        job = out.with_suffix(".json")
        job.write_text(json.dumps(self.job(serve=serve, **changed)))
        return subprocess.run(
            [sys.executable, "-B", self.root / "make_model.py", job, self.root / "sources", out],
            cwd=out.parent,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    root = tmp_path_factory.mktemp("workshop")
    for script in workshop_files():
        (root / script.path).parent.mkdir(exist_ok=True)
        (root / script.path).write_text(script.content)
    (root / "sources").mkdir()
    (root / "sources" / "recipe.py").write_text(RECIPE)
    return Workshop(root)


@pytest.fixture(scope="session")
def made(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sound model; not to be changed."""
    out = tmp_path_factory.mktemp("made") / "model"
    done = workshop.make(out)
    assert done.returncode == 0, done.stderr
    return out
