"""A model as its image has it: canonical, and known to compute what it did before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime

from .canonical import canonical, data


def finished(path: str, feeds: list[Any], newest_ir: int) -> None:
    """Makes the file canonical. Done before it is measured, since names and texts are a part of its size."""
    final = canonical(onnx.load(path), newest_ir)
    onnx.checker.check_model(final, full_check=True)
    model = data(final)
    same_answers(path, model, feeds)
    Path(path).write_bytes(model)


def same_answers(before: str, after: bytes, feeds: list[Any]) -> None:
    """Nothing but names and texts may have changed.

    Asked without the runtime's optimizations, which fuse by the order of names: a transformer's sums then end in other
    last digits.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    sessions = [onnxruntime.InferenceSession(m, options, providers=["CPUExecutionProvider"]) for m in (before, after)]
    for feed in feeds:
        if not all(numpy.array_equal(*pair) for pair in zip(*(s.run(None, feed) for s in sessions))):
            raise RuntimeError("the canonical model gives other outputs than the one that it was made from")
