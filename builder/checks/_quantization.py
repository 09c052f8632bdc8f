# How int8 models are made, measured and chosen: configurations in the order that suits a model's operators, the
# numbers of each against fp32 and against the reference, the bounds, and the fastest one within them.
#
# Part of the checks and stages that quantize, after the prelude, _onnx_runtime.py and _int8_quality.py.
import os
import re
import time
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from builder.checks._int8_quality import (
        BOUNDS,
        Feed,
        Row,
        answers,
        count,
        gate,
        int8_fraction,
        int8_kernels,
        quality,
    )
    from builder.checks._onnx_runtime import known_answers, latency, onnx, session
    from builder.checks._prelude import load

quantization: Any = load("onnxruntime.quantization")

ATTEMPTS, NEAR = 3, 1.25  # at timing what misses its bound by no more than a quarter
HISTOGRAMS = 64  # samples at most for calibrators that keep every activation in memory


class Configuration(NamedTuple):
    """One way to quantize."""

    name: str
    kind: str  # static (QDQ, calibrated) | dynamic
    operators: "Tuple[str, ...]"
    """Those whose weights it makes int8."""
    weights: str = "QInt8"
    per_channel: bool = True
    calibrator: str = "MinMax"
    narrow: bool = False
    """Activations are quantized at those operators only, not at every one between them."""
    reduced: bool = False
    """Weights of 7 bits: AVX2 processors without VNNI add two products in 16 bits, which saturate with 8."""
    reserve: bool = False
    """Tried only where none of the earlier ones passes."""


CONSTANT = ("Conv", "ConvTranspose", "MatMul", "Gemm")
MATRICES = ("MatMul", "Gemm", "LSTM", "Gather", "Attention")

CONFIGURATIONS = (
    # uint8 activations: with int8 ones, the library's default, static models are slower than fp32 on x86
    Configuration("static int8", "static", CONSTANT),
    Configuration("static int8 narrow", "static", CONSTANT, narrow=True),
    Configuration("dynamic int8", "dynamic", MATRICES),
    Configuration("static int8 per tensor", "static", CONSTANT, per_channel=False, reserve=True),
    Configuration("static int8 percentile", "static", CONSTANT, calibrator="Percentile", reserve=True),
    Configuration("static int8 entropy", "static", CONSTANT, calibrator="Entropy", reserve=True),
    # the runtime has no dynamic convolution with int8 weights, only with uint8 ones
    Configuration("dynamic uint8", "dynamic", ("Conv", *MATRICES), weights="QUInt8", per_channel=False, reserve=True),
    Configuration("static int7", "static", CONSTANT, reduced=True, reserve=True),
    Configuration("dynamic int7", "dynamic", MATRICES, reduced=True, reserve=True),
)


# --- what suits a model


def weights_by_operator(model: Any) -> "Dict[str, int]":
    """How many weights (of tensors of two dimensions or more) each kind of operator reads."""
    sizes = {tensor.name: count(tensor) for tensor in model.graph.initializer if len(tensor.dims) >= 2}
    held: "Dict[str, int]" = {}
    for node in model.graph.node:
        for name in node.input:
            held[node.op_type] = held.get(node.op_type, 0) + sizes.pop(name, 0)
    return {kind: number for kind, number in sorted(held.items()) if number}


def candidates(model: Any, saturating: bool = False) -> "List[Configuration]":
    """The configurations that can make enough of a prepared model's weights int8, those that suit it best first.

    Where activations are multiplied with each other (attention), dynamic ones go first: their ranges differ from
    sample to sample. Where the processor's products saturate, 7 bits go before 8, which become the reserve: an MLP
    of 58 dB has 28 dB there, and 54 dB with 7 bits.
    """
    held = weights_by_operator(model)
    least = {name: bound for name, _, bound in BOUNDS}["int8_weights"] * sum(held.values())
    fit = [c for c in CONFIGURATIONS if held and sum(held.get(kind, 0) for kind in c.operators) >= least]
    first = "dynamic" if attends(model) else "static"
    if saturating:
        fit = [c._replace(reserve=not c.reduced) for c in fit]
    return sorted(fit, key=lambda c: (c.reserve, c.kind != first))


def attends(model: Any) -> bool:
    """Whether some matrix product has no constant factor."""
    known = {tensor.name for tensor in model.graph.initializer}
    return any(node.op_type == "MatMul" and not known & set(node.input) for node in model.graph.node)


def named(names: "Sequence[str]") -> "List[Configuration]":
    """Configurations by name, in that order."""
    known = {c.name: c for c in CONFIGURATIONS}
    return [known[name]._replace(reserve=False) for name in names]


# --- quantizing


def made_loadable(path: str, ir_version: int) -> None:
    """An IR version that the runtime knows; no recorded shapes, as the dynamo exporter's disagree with inference's.

    Nor its stack traces and paths, which make a fifth of a small int8 file and differ between hosts.
    """
    model = onnx.load(path)
    model.ir_version = min(model.ir_version, ir_version)
    del model.graph.value_info[:]
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        part.ClearField("doc_string")
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    onnx.save(model, path)
    onnx.checker.check_model(path, full_check=True)


def prepared(source: str, target: str) -> str:
    """The model with constants folded and shapes inferred, as the quantizers want it; gives the target."""
    steps = load("onnxruntime.quantization.shape_inference")
    steps.quant_pre_process(source, target, skip_symbolic_shape=True)
    return target


class Calibration:
    """Representative inputs, a call at a time, as onnxruntime's calibrator asks for them."""

    def __init__(self, feeds: "Sequence[Feed]") -> None:
        self.feeds = iter(feeds)

    def get_next(self) -> "Optional[Feed]":
        return next(self.feeds, None)


def quantized(config: Configuration, source: str, target: str, calibration: "Sequence[Feed]") -> str:
    """Writes the int8 form of a prepared model; gives the target. Same inputs, same bytes."""
    kinds = quantization.QuantType
    own: "Dict[str, Any]" = {"per_channel": config.per_channel, "reduce_range": config.reduced}
    if config.kind == "dynamic":
        own.update(weight_type=getattr(kinds, config.weights), op_types_to_quantize=list(config.operators))
        quantization.quantize_dynamic(source, target, **own)
        return target
    quantization.quantize_static(
        source,
        target,
        Calibration(calibration if config.calibrator == "MinMax" else first_samples(calibration, HISTOGRAMS)),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=kinds.QUInt8,
        weight_type=getattr(kinds, config.weights),
        op_types_to_quantize=list(config.operators) if config.narrow else None,
        calibrate_method=getattr(quantization.CalibrationMethod, config.calibrator),
        extra_options={"MatMulConstBOnly": config.narrow},
        **own,
    )
    return target


def first_samples(feeds: "Sequence[Feed]", most: int) -> "List[Feed]":
    """As many calls from the beginning as hold so many samples, and one at least."""
    kept: "List[Feed]" = []
    for feed in feeds:
        if kept and sum(len(next(iter(f.values()))) for f in kept) >= most:
            break
        kept.append(feed)
    return kept


# --- the search


class Task(NamedTuple):
    """What every configuration is tried on."""

    source: str
    """The fp32 model: loadable by the runtime, as made_loadable leaves it."""
    folder: str
    """Where the int8 models go."""
    calibration: "Sequence[Feed]"
    inputs: "Sequence[Feed]"
    """Held out: what quality is measured on; the first call is what is timed."""
    want: "List[Any]"
    """The reference's outputs for the inputs, concatenated along the first axis; a list, one for each output."""
    labels: Any = None
    bounds: "Optional[Dict[str, float]]" = None
    finish: Any = None
    """What is done to an int8 model, by its path, before it is measured: what is measured is then what is used."""
    timed: bool = True
    """Without it nothing depends on the host's speed: the first configuration that passes is chosen."""


def searched(task: Task, configs: "Optional[List[Configuration]]" = None) -> "List[Row]":
    """A row for each configuration that was tried; the fastest that is within the bounds has `chosen`.

    Each row has its model's `path` and its `problems`, texts. An empty list: none can make 90 % of the weights int8.
    """
    ready = prepared(task.source, os.path.join(task.folder, "prepared.onnx"))
    exact = session(task.source)
    rows: "List[Row]" = []
    if configs is None:
        configs = candidates(onnx.load(ready), saturating=task.timed and bool(known_answers()[1]))
    for config in configs:
        passed = [row for row in rows if not row["problems"]]
        if passed and (config.reserve or not task.timed):
            break
        rows.append(tried(config, task, ready, exact))
    passed = [row for row in rows if not row["problems"]]
    if passed:
        min(passed, key=lambda row: row.get("latency_ratio", 0))["chosen"] = True
    return rows


def tried(config: Configuration, task: Task, ready: str, exact: Any) -> Row:
    """One configuration's numbers and what is wrong with them."""
    row: Row = {"scheme": config.name, "path": os.path.join(task.folder, config.name.replace(" ", "-") + ".onnx")}
    begun = time.time()
    try:
        quantized(config, ready, row["path"], task.calibration)
        if task.finish:
            task.finish(row["path"])
        run = session(row["path"])
        have = answers(run, task.inputs)
    except Exception as error:  # the library's and the runtime's own, in their own classes
        row["problems"] = ["it cannot be made or run: {}".format(re.sub(r"\s+", " ", str(error))[:300])]
        return row
    row.update(quality(have, task.want, task.labels), int8_weights=int8_fraction(row["path"]))
    row["int8_kernels"] = int8_kernels(row["path"], os.path.join(task.folder, "optimized.onnx"))
    row["bytes"] = os.path.getsize(row["path"])
    row["size_ratio"] = round(row["bytes"] / os.path.getsize(task.source), 3)
    row["problems"] = gate(row, task.bounds)
    if task.timed:
        row.update(timed(exact, run, task))
        row["problems"] = gate(row, task.bounds)
    row["seconds"] = round(time.time() - begun, 1)
    return row


def timed(exact: Any, run: Any, task: Task) -> Row:
    """Milliseconds of a call, and their ratio to fp32's; measured again where that nearly keeps its bound."""
    runs = {"fp32": lambda: exact.run(None, task.inputs[0]), "int8": lambda: run.run(None, task.inputs[0])}
    best = latency(runs)
    for _ in range(ATTEMPTS - 1):
        ratio = best["int8"] / best["fp32"]
        if not gate({"latency_ratio": ratio}, task.bounds) or gate({"latency_ratio": ratio / NEAR}, task.bounds):
            break
        again = latency(runs)
        best = {name: min(best[name], again[name]) for name in best}
    return {
        "ms": round(best["int8"], 3),
        "fp32_ms": round(best["fp32"], 3),
        "latency_ratio": round(best["int8"] / best["fp32"], 3),
    }
