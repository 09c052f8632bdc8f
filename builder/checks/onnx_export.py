# Models trained here survive both exporters and both int8 schemes, measured against torch on data held out.
#
# The gates hold on trained models with representative data (FACTS 7): SQNR, the same with the batch's mean removed,
# the smallest cosine of one sample, the same answer, the size, and how much of the weights really is int8.
import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

if TYPE_CHECKING:
    from builder.checks._onnx_models import HELD_OUT, MODELS, TRAINING, torch, trained
    from builder.checks._prelude import ARGS, conclude, load

# Nothing may be written outside of /tmp, and the user may have no name.
os.environ.update({"TORCHINDUCTOR_CACHE_DIR": "/tmp/inductor", "XDG_CACHE_HOME": "/tmp/cache", "USER": "check"})

numpy: Any = load("numpy")
onnx: Any = load("onnx")
ort: Any = load("onnxruntime")
quantization: Any = load("onnxruntime.quantization")

OPSET = 18
IR_VERSION = 10  # onnxruntime 1.19 loads nothing newer; onnx 1.19 writes 12

MAX_ERROR = 1e-4  # of the largest output: fp32 against torch
MIN_ACCURACY = 0.9
MIN_COSINE = 0.98
MIN_AGREEMENT = 0.98
MAX_ACCURACY_DROP = 0.01
MAX_SIZE = 0.35
MIN_INT8 = 0.9

Row = Dict[str, Any]


def export_torchscript(model: Any, example: Any, path: str) -> None:
    axes = {"input": {0: "batch"}, "output": {0: "batch"}}
    names: Dict[str, Any] = {"input_names": ["input"], "output_names": ["output"], "dynamic_axes": axes}
    torch.onnx.export(model, (example,), path, dynamo=False, opset_version=OPSET, **names)


def export_dynamo(model: Any, example: Any, path: str) -> None:
    shapes = ({0: torch.export.Dim("batch")},)
    names: Dict[str, Any] = {"input_names": ["input"], "output_names": ["output"], "dynamic_shapes": shapes}
    torch.onnx.export(
        model, (example,), path, dynamo=True, opset_version=OPSET, external_data=False, verbose=False, **names
    )


EXPORTERS = {"torchscript": export_torchscript, "dynamo": export_dynamo}


class Calibration:
    """Representative inputs, a batch at a time, as onnxruntime's calibrator asks for them."""

    def __init__(self, inputs: Any) -> None:
        self.batches = iter(numpy.array_split(inputs, 8))

    def get_next(self) -> "Dict[str, Any] | None":
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch}


def int8_dynamic(source: str, target: str, _inputs: Any) -> None:
    """Convolutions get uint8 weights: the runtime has no ConvInteger for int8 ones."""
    convolves = any(node.op_type == "Conv" for node in onnx.load(source).graph.node)
    kinds = quantization.QuantType
    kind = kinds.QUInt8 if convolves else kinds.QInt8
    quantization.quantize_dynamic(source, target, weight_type=kind, per_channel=not convolves)


def int8_static(source: str, target: str, inputs: Any) -> None:
    """QDQ with uint8 activations and int8 weights per channel: the default (S8S8) is slower than fp32 on x86."""
    kinds = quantization.QuantType
    quantization.quantize_static(
        source,
        target,
        Calibration(inputs),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=kinds.QUInt8,
        weight_type=kinds.QInt8,
        per_channel=True,
    )


SCHEMES = {"int8 dynamic": int8_dynamic, "int8 static": int8_static}


def made_loadable(path: str) -> None:
    """An IR version that the runtime knows, and no recorded shapes: the dynamo exporter's disagree with inference's."""
    model = onnx.load(path)
    model.ir_version = min(model.ir_version, IR_VERSION)
    del model.graph.value_info[:]
    onnx.save(model, path)
    onnx.checker.check_model(path, full_check=True)


def session(path: str) -> Any:
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"])


def milliseconds(run: Any, inputs: Any) -> float:
    """The median of 20 runs on 32 samples."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        run.run(None, {"input": inputs[:32]})
        times.append(time.perf_counter() - begun)
    return float(1000 * sorted(times)[10])


def decibels(signal: Any, noise: Any) -> float:
    """10 log10 of the ratio of powers; 200 stands for no noise at all."""
    power = float((noise.astype("float64") ** 2).sum())
    return 200.0 if power == 0 else float(10 * numpy.log10((signal.astype("float64") ** 2).sum() / power))


def compared(have: Any, want: Any, labels: Any) -> Row:
    """How near quantized outputs come to torch's, sample by sample and as a whole."""
    lengths = numpy.linalg.norm(have, axis=1) * numpy.linalg.norm(want, axis=1)
    cosines = (have * want).sum(axis=1) / numpy.maximum(lengths, 1e-12)
    same = have.argmax(1) == want.argmax(1)
    drop = (want.argmax(1) == labels).mean() - (have.argmax(1) == labels).mean()
    return {
        "sqnr_db": round(decibels(want, have - want), 1),
        "centred_sqnr_db": round(decibels(want - want.mean(0), (have - have.mean(0)) - (want - want.mean(0))), 1),
        "min_cosine": round(float(cosines.min()), 4),
        "agreement": round(float(same.mean()), 4),
        "accuracy_drop": round(float(drop), 4),
    }


def int8_fraction(path: str) -> float:
    """The part of the weights (tensors of two dimensions or more) that is stored as 8-bit integers."""
    counts = {True: 0, False: 0}
    for tensor in onnx.load(path).graph.initializer:
        if len(tensor.dims) >= 2:
            eight = tensor.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
            counts[eight] += int(numpy.prod(tensor.dims))
    return round(counts[True] / max(1, sum(counts.values())), 4)


def quantized_problems(row: Row) -> "List[str]":
    least = ARGS.get("min_sqnr_db", 20)
    gates: "Tuple[Tuple[str, bool, Any], ...]" = (
        ("sqnr_db", row["sqnr_db"] >= least, least),
        ("centred_sqnr_db", row["centred_sqnr_db"] >= least, least),
        ("min_cosine", row["min_cosine"] >= MIN_COSINE, MIN_COSINE),
        ("agreement", row["agreement"] >= MIN_AGREEMENT, MIN_AGREEMENT),
        ("accuracy_drop", row["accuracy_drop"] <= MAX_ACCURACY_DROP, MAX_ACCURACY_DROP),
        ("size_ratio", row["size_ratio"] <= MAX_SIZE, MAX_SIZE),
        ("int8_weights", row["int8_weights"] >= MIN_INT8, MIN_INT8),
    )
    where = "{model} by {exporter}, {scheme}".format(**row)
    return ["{}: {} is {}, the bound is {}".format(where, name, row[name], to) for name, good, to in gates if not good]


def parity_problems(row: Row) -> "List[str]":
    if row["relative_error"] <= MAX_ERROR:
        return []
    text = "{model} by {exporter}: fp32 differs from torch by {relative_error} of the largest output"
    return [text.format(**row)]


def kernel_problems() -> "List[str]":
    """Integer kernels against exact arithmetic: onnxruntime 1.21 to 1.24 compute wrong int8 results on some Xeons."""
    random = numpy.random.RandomState(0)
    problems = []
    for rows, inner, columns in ((1, 64, 64), (33, 257, 65), (128, 1024, 256)):
        a = random.randint(0, 256, (rows, inner)).astype("uint8")
        b = random.randint(-128, 128, (inner, columns)).astype("int8")
        have = kernel("MatMulInteger", a, b, [rows, columns])
        if not numpy.array_equal(have, a.astype("int32") @ b.astype("int32")):
            problems.append("onnxruntime multiplies {}x{} by {}x{} int8 wrongly".format(rows, inner, inner, columns))
    image, weights = random.randint(0, 256, (1, 8, 5, 5)).astype("uint8"), random.randint(0, 256, (4, 8, 5, 5))
    have = kernel("ConvInteger", image, weights.astype("uint8"), [1, 4, 1, 1])
    if not numpy.array_equal(have.ravel(), (weights * image.astype("int32")).sum(axis=(1, 2, 3))):
        problems.append("onnxruntime convolves uint8 wrongly")
    return problems


def kernel(operator: str, a: Any, b: Any, shape: "List[int]") -> Any:
    """One integer operator of the runtime, on given tensors."""
    helper, types = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["y"])],
        "known-answer",
        [helper.make_tensor_value_info("a", types.UINT8, a.shape)],
        [helper.make_tensor_value_info("y", types.INT32, shape)],
        [onnx.numpy_helper.from_array(b, "b")],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    run = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return run.run(None, {"a": a})[0]


class Trial:
    """One model on its way through exporters and schemes."""

    def __init__(self, name: str, folder: str) -> None:
        make, data = MODELS[name]
        torch.manual_seed(0)
        self.name, self.folder = name, folder
        inputs, labels = data(7)
        self.model = trained(make(), (inputs, labels))
        self.calibration = inputs[:TRAINING][:256].numpy()
        self.example, self.inputs = inputs[:2], inputs[-HELD_OUT:].numpy()
        self.labels = labels[-HELD_OUT:].numpy()
        with torch.no_grad():
            self.want = self.model(inputs[-HELD_OUT:]).numpy()

    def accuracy(self) -> float:
        return round(float((self.want.argmax(1) == self.labels).mean()), 4)

    def learned(self) -> "List[str]":
        """A model that ignores its input passes every comparison: it has to have learned something."""
        if self.accuracy() >= MIN_ACCURACY:
            return []
        return ["{} learned nothing: accuracy {} on held-out data".format(self.name, self.accuracy())]

    def path(self, *parts: str) -> str:
        return os.path.join(self.folder, "-".join((self.name, *parts)).replace(" ", "-") + ".onnx")

    def through(self, exporter: str) -> "Tuple[List[Row], List[str]]":
        """Exported, compared, quantized both ways, compared again."""
        begun, plain, ready = time.time(), self.path(exporter), self.path(exporter, "ready")
        EXPORTERS[exporter](self.model, self.example, plain)
        made_loadable(plain)
        exact = session(plain)
        have = exact.run(None, {"input": self.inputs})[0]
        error = float(numpy.abs(have - self.want).max() / numpy.abs(self.want).max())
        base: Row = {"model": self.name, "exporter": exporter}
        first = dict(base, scheme="fp32", relative_error=float("{:.2g}".format(error)), bytes=os.path.getsize(plain))
        first["export_seconds"] = round(time.time() - begun, 1)
        first["ms"] = round(milliseconds(exact, self.inputs), 3)
        load("onnxruntime.quantization.shape_inference").quant_pre_process(plain, ready, skip_symbolic_shape=True)
        rows = [first] + [self.quantized(dict(base, scheme=scheme), ready, first) for scheme in SCHEMES]
        problems = parity_problems(first) + [text for row in rows[1:] for text in quantized_problems(row)]
        return rows, problems

    def quantized(self, row: Row, source: str, exact: Row) -> Row:
        target = self.path(row["exporter"], row["scheme"])
        SCHEMES[row["scheme"]](source, target, self.calibration)
        run = session(target)
        row.update(compared(run.run(None, {"input": self.inputs})[0], self.want, self.labels))
        row.update(int8_weights=int8_fraction(target), bytes=os.path.getsize(target))
        row["size_ratio"] = round(row["bytes"] / exact["bytes"], 3)
        row["ms"] = round(milliseconds(run, self.inputs), 3)
        row["latency_ratio"] = round(row["ms"] / exact["ms"], 2)
        return row


def main() -> None:
    rows: List[Row] = []
    problems = kernel_problems()
    accuracies = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ARGS.get("models", list(MODELS)):
            trial = Trial(name, folder)
            accuracies[name] = trial.accuracy()
            problems += trial.learned()
            for exporter in EXPORTERS:
                new, wrong = trial.through(exporter)
                rows += new
                problems += wrong
                print(new, file=sys.stderr)
    least = min([row["sqnr_db"] for row in rows if "sqnr_db" in row] or [0.0])
    conclude(
        problems,
        "{} exports and {} int8 models agree with torch, the worst at {} dB".format(
            len(accuracies) * len(EXPORTERS), len(rows) - len(accuracies) * len(EXPORTERS), least
        ),
        rows=rows,
        accuracy=accuracies,
        versions={"torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": ort.__version__},
        opset=OPSET,
    )


main()
