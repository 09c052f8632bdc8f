from importlib import import_module as load
# The image's ONNX Runtime, asked: what it loads, how long it takes, and whether its integer kernels add up.
#
# Part of the checks and stages that quantize, after the prelude; numpy, onnx and onnxruntime are the image's own.
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Tuple

if TYPE_CHECKING:
    from builder.checks._prelude import load

numpy: Any = load("numpy")
onnx: Any = load("onnx")
ort: Any = load("onnxruntime")

ROUNDS = 7  # of timing
SLOW = 50  # milliseconds


def session(model: Any) -> Any:
    """The model (a path or bytes) in the runtime, on one thread: waiting threads make times on busy hosts useless."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def one_operator(kind: str, inputs: "Dict[str, Any]", constant: Any, made: "Tuple[int, List[int]]", **fit: Any) -> Any:
    """A model of one operator with inputs, perhaps a constant, and an output of a type and shape."""
    types = onnx.helper.np_dtype_to_tensor_dtype
    told = [onnx.helper.make_tensor_value_info(n, types(a.dtype), a.shape) for n, a in inputs.items()]
    held = [] if constant is None else [onnx.numpy_helper.from_array(constant, "constant")]
    node = onnx.helper.make_node(kind, [*inputs, *(t.name for t in held)], ["y"])
    output = onnx.helper.make_tensor_value_info("y", made[0], made[1])
    graph = onnx.helper.make_graph([node], "one", told, [output], held)
    opsets = [onnx.helper.make_opsetid("", fit.get("opset", 13))]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=fit.get("ir_version", 7))


def loads(**fit: int) -> bool:
    """Whether the runtime takes a model of this IR version and opset."""
    one = {"x": numpy.zeros((1, 1), "float32")}
    try:
        session(one_operator("Relu", one, None, (onnx.TensorProto.FLOAT, [1, 1]), **fit).SerializeToString())
    except Exception:  # of the runtime's own, whose names differ between its versions
        return False
    return True


def newest() -> "Dict[str, int]":
    """The newest IR version and opset that both the library writes and the runtime loads."""
    ir = next((v for v in range(onnx.IR_VERSION, 3, -1) if loads(ir_version=v)), 3)
    last = onnx.defs.onnx_opset_version()
    return {"ir_version": ir, "opset": next((v for v in range(last, 7, -1) if loads(ir_version=ir, opset=v)), 7)}


def latency(runs: "Dict[str, Callable[[], Any]]", rounds: int = ROUNDS) -> "Dict[str, float]":
    """Milliseconds of each by turns: of several rounds the best, in a round the median of five, of one for slow ones.

    Of processor time, which other processes' turns do not lengthen; with one thread it is what an idle host's
    clock would show.
    """
    times = 1 if sum(cost(run) for run in runs.values()) > SLOW else 5
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            best[name] = min(best[name], sorted(cost(run) for _ in range(times))[times // 2])
    return best


def cost(run: "Callable[[], Any]") -> float:
    begun = time.process_time()
    run()
    return 1000 * (time.process_time() - begun)


# --- the runtime's integer kernels


def known_answers() -> "Tuple[List[str], List[str]]":
    """Integer kernels against exact arithmetic: what is wrong, and what is only saturated.

    onnxruntime 1.21 to 1.24 compute wrong int8 results on some Xeons. Saturation is known of AVX2 without VNNI, and
    what the 7-bit configurations are for; it equals exact arithmetic in which sums of two products stop at 16 bits.
    """
    random = numpy.random.RandomState(0)
    wrong, saturated = [], []
    for rows, inner, columns in ((1, 64, 64), (33, 258, 65), (128, 1024, 256)):
        a = random.randint(0, 256, (rows, inner)).astype("uint8")
        for bits in (8, 7):
            b = random.randint(-(1 << bits - 1), 1 << bits - 1, (inner, columns)).astype("int8")
            have = integer("MatMulInteger", a, b, [rows, columns])
            what = "onnxruntime multiplies {}x{} by {}x{} int{} ".format(rows, inner, inner, columns, bits)
            if numpy.array_equal(have, a.astype("int32") @ b.astype("int32")):
                continue
            if bits == 8 and numpy.array_equal(have, saturating(a, b)):
                saturated.append(what + "with saturation")
            else:
                wrong.append(what + "wrongly")
    image = random.randint(0, 256, (1, 8, 5, 5)).astype("uint8")
    weights = random.randint(0, 256, (4, 8, 5, 5)).astype("uint8")
    have = integer("ConvInteger", image, weights, [1, 4, 1, 1])
    if not numpy.array_equal(have.ravel(), (weights.astype("int32") * image.astype("int32")).sum(axis=(1, 2, 3))):
        wrong.append("onnxruntime convolves uint8 wrongly")
    return wrong, saturated


def known_answer_problems() -> "List[str]":
    return known_answers()[0]


def saturating(a: Any, b: Any) -> Any:
    """The product as vpmaddubsw makes it: pairs of products are added in 16 bits."""
    left, right = a.astype("int32"), b.astype("int32")
    total = numpy.zeros((len(a), b.shape[1]), "int32")
    for k in range(0, a.shape[1], 2):
        total += numpy.clip(left[:, k : k + 2] @ right[k : k + 2], -32768, 32767)
    return total


def integer(kind: str, a: Any, b: Any, shape: "List[int]") -> Any:
    """What one integer operator of the runtime makes of a tensor and a constant."""
    model = one_operator(kind, {"a": a}, b, (onnx.TensorProto.INT32, shape))
    return session(model.SerializeToString()).run(None, {"a": a})[0]

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
