"""From what a factory returned to an fp32 ONNX model and the outputs that it has to reproduce."""

from __future__ import annotations

import importlib.util
import inspect
import os
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import onnx

from .job import Job
from .model import RefusedError
from .sources import Array, called

MAX_ERROR = 1e-4
"""Of the largest output: fp32 ONNX against torch."""
OPSET = 18


@dataclass(frozen=True)
class Origin:
    """Where the model comes from: one of the two."""

    onnx: Any | None = None
    torch: Any | None = None

    def input_names(self) -> tuple[str, ...]:
        """Of an ONNX model; a torch module takes whatever the samples are called."""
        if self.onnx is None:
            return ()
        constants = {tensor.name for tensor in self.onnx.graph.initializer}
        return tuple(value.name for value in self.onnx.graph.input if value.name not in constants)


def origin(job: Job, sources: Path) -> Origin:
    """The recipe's model, trained by its factory or with its weights."""
    if job.onnx:
        return Origin(onnx=_loaded(sources / job.onnx))
    given = called(str(job.factory), sources)
    if isinstance(given, onnx.ModelProto):
        return Origin(onnx=given)
    if isinstance(given, bytes):
        return Origin(onnx=onnx.load_model_from_string(given))
    if isinstance(given, (str, os.PathLike)):
        return Origin(onnx=_loaded(sources / given))
    if not (hasattr(given, "forward") and hasattr(given, "state_dict")):
        raise RefusedError(f"{job.factory} gives {type(given).__name__}: a torch module or an ONNX model is needed")
    if job.weights:
        given.load_state_dict(_weights(sources / job.weights))
    return Origin(torch=given.eval().cpu())


def known_opset(model: Any, newest: int, name: str) -> None:
    """Refuses a model that is newer than the runtime: what it would say is of its own insides."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset > newest:
        raise RefusedError(
            f"{name} has opset {opset}, the image's onnxruntime knows {newest} and older ones: "
            f"export it with opset_version={newest}, or convert it with onnx.version_converter"
        )


def _loaded(path: Path) -> Any:
    try:
        return onnx.load(str(path))
    except Exception as error:  # protobuf's own, which differ between its versions
        raise RefusedError(f"{path.name} is no ONNX model: {' '.join(str(error).split())[:200]}") from None


def _weights(path: Path) -> Any:
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RefusedError(f"{path.name} is no file of weights: {' '.join(str(error).split())[:200]}") from None


def exported(module: Any, example: Mapping[str, Array], path: Path, opset: int) -> None:
    """Writes the module as ONNX, with a batch of any length, by the first exporter that can.

    The older one first: it needs no onnxscript, and writes the same bytes each time by itself.
    """
    import torch

    inputs = tuple(torch.from_numpy(array.copy()) for array in example.values())
    with torch.no_grad():
        outputs = named_outputs(module(*inputs))
    named = {"input_names": list(example), "output_names": list(outputs), "opset_version": min(opset, OPSET)}
    ways: list[dict[str, Any]] = [{"dynamic_axes": {name: {0: "batch"} for name in (*example, *outputs)}}]
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        ways[0]["dynamo"] = False
        batch = torch.export.Dim("batch")
        shapes = tuple({0: batch} for _ in inputs)
        ways.append({"dynamo": True, "dynamic_shapes": shapes, "external_data": False, "verbose": False})
    problems = []
    for way in ways:
        try:
            torch.onnx.export(module, inputs, str(path), **named, **way)
            return
        except Exception as error:  # whatever the module's own code raises, or the exporter's
            problems.append(said(error))
    raise RefusedError(f"the model cannot be exported: {'; or: '.join(problems)}")


def said(error: BaseException) -> str:
    """What an exception goes back to, in a line: exporters wrap the module's own in pages of advice, in colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(r"\x1b\[[0-9;]*m", "", f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:300]


def named_outputs(given: Any) -> dict[str, Any]:
    """Outputs by name: of a tensor, a list or a mapping of them."""
    if hasattr(given, "keys"):
        return dict(given)
    if isinstance(given, (tuple, list)):
        return (
            {f"output_{number}": value for number, value in enumerate(given)}
            if len(given) > 1
            else {"output": given[0]}
        )
    return {"output": given}


def reference(module: Any, feeds: list[dict[str, Array]]) -> list[Array]:
    """What the module itself gives for the feeds."""
    import torch

    with torch.no_grad():
        calls = [
            [value.numpy() for value in named_outputs(module(*map(torch.from_numpy, feed.values()))).values()]
            for feed in ({name: array.copy() for name, array in feed.items()} for feed in feeds)
        ]
    return [numpy.concatenate(parts) for parts in zip(*calls)]


def parity(have: list[Array], want: list[Array]) -> float:
    """The largest error of fp32 ONNX against torch, of the largest output; too large is refused."""
    worst = 0.0
    for ours, theirs in zip(have, want):
        if ours.shape != theirs.shape:
            raise RefusedError(
                f"ONNX gives {ours.shape} where torch gives {theirs.shape}: is the first axis the batch?"
            )
        scale = float(numpy.abs(theirs).max()) or 1.0
        worst = max(worst, float(numpy.abs(ours.astype("float64") - theirs).max()) / scale)
    if not worst <= MAX_ERROR:
        raise RefusedError(f"the exported model differs from torch by {worst:.2g} of the largest output")
    return worst


def seeded(seed: int) -> None:
    """One thread, and every generator where the job wants it."""
    random.seed(seed)
    numpy.random.seed(seed)
    if importlib.util.find_spec("torch"):
        import torch

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True, warn_only=True)
