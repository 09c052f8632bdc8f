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
