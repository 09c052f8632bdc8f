# How near an int8 model comes to its reference, how much of it is int8, and the bounds of both.
#
# Part of the checks and stages that quantize, after the prelude and _onnx_runtime.py.
import re
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from builder.checks._onnx_runtime import numpy, onnx, ort

Row = Dict[str, Any]
Feed = Dict[str, Any]  # one call: the name of each input to its array

LOUDEST = 200.0  # dB; stands for no noise at all

BOUNDS: "Tuple[Tuple[str, str, float], ...]" = (
    ("sensitivity_db", ">=", -30),
    ("sqnr_db", ">=", 20),
    ("centred_sqnr_db", ">=", 20),
    ("min_cosine", ">=", 0.98),
    ("agreement", ">=", 0.98),
    ("accuracy_drop", "<=", 0.01),
    ("int8_weights", ">=", 0.9),
    ("int8_kernels", ">=", 0.9),
    ("size_ratio", "<=", 0.35),
    ("latency_ratio", "<=", 0.7),
)
"""What a model and its int8 form have to keep (FACTS 7). What was not measured, such as a time, is not asked for."""


def count(tensor: Any) -> int:
    return int(numpy.prod(tensor.dims, dtype="int64"))


def int8_fraction(path: str) -> float:
    """The part of the weights (tensors of two dimensions or more) that is stored as 8-bit integers."""
    counts = {True: 0, False: 0}
    for tensor in onnx.load(path).graph.initializer:
        if len(tensor.dims) >= 2:
            counts[is_int8(tensor)] += count(tensor)
    return round(counts[True] / max(1, sum(counts.values())), 4)


def int8_kernels(path: str, scratch: str) -> float:
    """The part of what products read (convolutions, matrix products, recurrent layers) that integer kernels multiply.

    Read in the graph that the runtime really carries out, which it writes to `scratch`: weights may be stored as
    integers and turned back into fp32 before every product.
    """
    options = ort.SessionOptions()
    options.optimized_model_filepath = scratch
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # what follows are only layouts
    options.log_severity_level = 3
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    graph = onnx.load(scratch).graph
    weights = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) >= 2}
    widened = {node.output[0]: weights[node.input[0]] for node in graph.node if is_widened(node, weights)}
    counts = {True: 0, False: 0}
    for node in graph.node:
        if re.search("Conv|MatMul|Gemm|LSTM|GRU|RNN|Attention", node.op_type):
            for name in {name for name in node.input if name in weights or name in widened}:
                counts[name in weights and is_int8(weights[name])] += count(weights.get(name) or widened[name])
    return round(counts[True] / max(1, sum(counts.values())), 4)


def is_widened(node: Any, weights: "Dict[str, Any]") -> bool:
    return node.op_type == "DequantizeLinear" and node.input[0] in weights


def is_int8(tensor: Any) -> bool:
    return tensor.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def answers(run: Any, feeds: "Sequence[Feed]") -> "List[Any]":
    """Every output of a session, its calls one after the other along the first axis."""
    calls = [run.run(None, feed) for feed in feeds]
    return [numpy.concatenate(parts) for parts in zip(*calls)]  # noqa: B905 - 3.6


def decibels(signal: Any, noise: Any) -> float:
    """10 log10 of the ratio of powers, within +-200."""
    loud, quiet = (float((part.astype("float64") ** 2).sum()) for part in (signal, noise))
    if quiet == 0 or loud == 0:
        return LOUDEST if quiet == 0 else -LOUDEST
    return float(numpy.clip(10 * numpy.log10(loud / quiet), -LOUDEST, LOUDEST))


def decided(output: Any) -> Any:
    """Which class each decision takes: on the second axis of images, else on the last one; None of single values."""
    axis = 1 if output.ndim >= 4 else output.ndim - 1
    return output.argmax(axis) if output.ndim >= 2 and output.shape[axis] > 1 else None


def quality(have: "List[Any]", want: "List[Any]", labels: Any = None) -> Row:
    """How near outputs come to the reference's, sample by sample and as a whole; of several outputs, the worst one.

    The centred ratio leaves out what all samples have in common: without that, a model that ignores its input is
    reproduced perfectly.
    """
    rows = [one_quality(*pair) for pair in zip(have, want)]  # noqa: B905 - 3.6
    worst = {name: min(row[name] for row in rows if name in row) for name in sorted(set().union(*rows))}
    if labels is not None:
        drop = (want[0].argmax(1) == labels).mean() - (have[0].argmax(1) == labels).mean()
        worst["accuracy_drop"] = round(float(drop), 4)
    return worst


def one_quality(have: Any, want: Any) -> Row:
    ours, theirs = (part.reshape(len(part), -1).astype("float64") for part in (have, want))
    if not numpy.isfinite(ours).all():
        return {"sqnr_db": -LOUDEST, "centred_sqnr_db": -LOUDEST, "min_cosine": -1.0, "agreement": 0.0}
    lengths = numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1)
    cosines = numpy.where(lengths > 0, (ours * theirs).sum(axis=1) / numpy.maximum(lengths, 1e-300), 1.0)
    centred = theirs - theirs.mean(0)
    row: Row = {
        "sqnr_db": round(decibels(theirs, ours - theirs), 1),
        "centred_sqnr_db": round(decibels(centred, ours - ours.mean(0) - centred), 1),
    }
    if theirs.shape[1] > 1:  # of single values it is nothing but the sign
        row["min_cosine"] = round(float(cosines.min()), 4)
    if decided(want) is not None:
        row["agreement"] = round(float((decided(have) == decided(want)).mean()), 4)
    return row


def sensitivity_db(outputs: "List[Any]") -> float:
    """How much the outputs differ between samples, against how large they are; of several outputs, the liveliest.

    -40 dB: they differ by a hundredth of their size.
    """
    flat = [out.reshape(len(out), -1).astype("float64") for out in outputs]
    spread = [(out - out.mean(0), out) for out in flat]
    return round(max(decibels(own, out) if own.any() else -LOUDEST for own, out in spread), 1)


def gate(row: Row, bounds: "Optional[Dict[str, float]]" = None) -> "List[str]":
    """What of a row is out of bounds; `bounds` replaces some by name."""
    problems = []
    for name, sign, usual in BOUNDS:
        bound = (bounds or {}).get(name, usual)
        if row.get(name) is not None and not (row[name] >= bound if sign == ">=" else row[name] <= bound):
            problems.append("{} is {}, the bound is {}".format(name, row[name], bound))
    return problems
