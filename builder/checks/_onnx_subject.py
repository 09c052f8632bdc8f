# What onnx-export exports: a model with its reference, from this folder's own or from a recipe's `module:factory`.
#
# Part of onnx-export, after _onnx_models.py.
import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

if TYPE_CHECKING:
    from builder.checks._int8_quality import Feed
    from builder.checks._onnx_models import HELD_OUT, MODELS, TRAINING, torch, trained
    from builder.checks._onnx_runtime import numpy

BATCH = 32  # samples a call: what quality and time are measured on
CALIBRATION = 256  # samples at most
LEAST_SAMPLES = 16

MIN_ACCURACY = 0.9  # of what is trained here


class WrongError(Exception):
    """What a recipe names is not what it has to be."""


class Subject(NamedTuple):
    """A model on its way through exporters and configurations."""

    name: str
    model: Any
    samples: "Tuple[Any, ...]"
    """An example of each input, as torch wants it: two samples."""
    inputs: "List[str]"
    outputs: "List[str]"
    calibration: "List[Feed]"
    held_out: "List[Feed]"
    want: "List[Any]"
    """What torch answers to `held_out`, an array for each output."""
    labels: Any = None

    def accuracy(self) -> float:
        return round(float((self.want[0].argmax(1) == self.labels).mean()), 4)


def own(name: str) -> Subject:
    """One of the models that are trained here."""
    make, data = MODELS[name]
    torch.manual_seed(0)
    inputs, labels = data(7)
    model = trained(make(), (inputs, labels))
    parts = inputs[: min(TRAINING, CALIBRATION)].numpy(), inputs[-HELD_OUT:].numpy()
    return subject(name, model, [(part,) for part in parts], ["input"], ["output"])._replace(
        labels=labels[-HELD_OUT:].numpy()
    )


def users(reference: str, samples: str, inputs: "List[str]", outputs: "List[str]") -> Subject:
    """The recipe's model. Every other sample calibrates; quality is measured on the rest. Raises WrongError."""
    torch.manual_seed(0)
    model = called(reference, "model")
    if not isinstance(model, torch.nn.Module):
        raise WrongError("model: {} gives a {}, not a torch.nn.Module".format(reference, type(model).__name__))
    arrays = sampled(called(samples, "calibration"), samples)
    names = inputs or parameters(model, len(arrays))
    if len(names) != len(arrays):
        text = "inputs: {} names ({}), and {} gives {} arrays"
        raise WrongError(text.format(len(names), ", ".join(names), samples, len(arrays)))
    parts = [tuple(array[start::2] for array in arrays) for start in (0, 1)]
    parts[0] = tuple(array[:CALIBRATION] for array in parts[0])
    return subject(reference, model.eval(), parts, names, outputs)


def subject(
    name: str, model: Any, parts: "Sequence[Tuple[Any, ...]]", inputs: "List[str]", outputs: "List[str]"
) -> Subject:
    """With what torch answers to the second part of the samples."""
    calibration, held_out = (feeds(inputs, arrays) for arrays in parts)
    calls = [answered(name, model, [torch.from_numpy(feed[n]) for n in inputs]) for feed in held_out]
    for number, answer in enumerate(calls[0]):
        rows = tuple(answer.shape)[:1]
        if rows != (len(held_out[0][inputs[0]]),):
            text = "model: output {} of {} is of shape {} for {} samples: its first axis has to be the samples"
            raise WrongError(text.format(number, name, tuple(answer.shape), len(held_out[0][inputs[0]])))
    want = [numpy.concatenate([answer.numpy() for answer in each]) for each in zip(*calls)]  # noqa: B905 - 3.6
    usual = ["output"] if len(want) == 1 else ["output_{}".format(n) for n in range(len(want))]
    if outputs and len(outputs) != len(want):
        raise WrongError("outputs: {} names, and {} gives {} outputs".format(len(outputs), name, len(want)))
    examples = tuple(torch.from_numpy(array[:2]) for array in parts[1])
    return Subject(name, model, examples, inputs, outputs or usual, calibration, held_out, want)


def feeds(names: "List[str]", arrays: "Tuple[Any, ...]") -> "List[Feed]":
    """Calls of one batch each."""
    batches: "List[Dict[str, Any]]" = []
    for start in range(0, len(arrays[0]), BATCH):
        batches.append({n: array[start : start + BATCH] for n, array in zip(names, arrays)})  # noqa: B905 - 3.6
    return batches


def answered(name: str, model: Any, inputs: "List[Any]") -> "List[Any]":
    """What torch makes of one batch. Raises WrongError."""
    try:
        with torch.no_grad():
            return flat(model(*inputs))
    except Exception as error:
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in inputs)
        raise WrongError("model: {} fails on samples of shape {}: {}".format(name, shapes, told(error))) from error


def flat(answer: Any) -> "List[Any]":
    """The tensors of a model's answer: of one, of several or of named ones."""
    if isinstance(answer, torch.Tensor):
        return [answer]
    parts = list(answer.values()) if isinstance(answer, dict) else list(answer)
    return [tensor for part in parts for tensor in flat(part)]


def told(error: BaseException) -> str:
    """What an error says in one line, from where it began: torch wraps its own in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", str(error))).strip()
    return text[:400] if isinstance(error, WrongError) else "{}: {}".format(type(error).__name__, text[:400])


def called(reference: str, argument: str) -> Any:
    """What the function `module:name` gives. Raises WrongError."""
    function = named_object(reference, argument)
    try:
        return function()
    except Exception as error:
        raise WrongError("{}: {} raises {}".format(argument, reference, told(error))) from error


def named_object(reference: str, argument: str) -> "Callable[[], Any]":
    """What `module:name` names. Raises WrongError."""
    module, _, name = reference.partition(":")
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise WrongError("{}: {} cannot be imported in the image: {}".format(argument, module, told(error))) from error
    if not callable(getattr(found, name, None)):
        raise WrongError("{}: module {} has no function {}".format(argument, module, name))
    return getattr(found, name)  # type: ignore[no-any-return]


def sampled(given: Any, reference: str) -> "Tuple[Any, ...]":
    """An array for each input: from an array, a tuple of them, or batches of either. Raises WrongError."""
    if not isinstance(given, tuple) and not is_array(given):
        if not hasattr(given, "__iter__"):
            text = (
                "calibration: {} gives a {}, not an array, a tuple of arrays (one for each input) or batches of these"
            )
            raise WrongError(text.format(reference, type(given).__name__))
        batches = [batch if isinstance(batch, tuple) else (batch,) for batch in given]
        given = tuple(numpy.concatenate([as_array(p) for p in parts]) for parts in zip(*batches))  # noqa: B905 - 3.6
    arrays = tuple(as_array(part) for part in (given if isinstance(given, tuple) else (given,)))
    lengths = sorted({len(array) if array.ndim else 0 for array in arrays})
    if len(lengths) > 1:
        raise WrongError(
            "calibration: {} gives arrays of {} samples".format(reference, " and ".join(map(str, lengths)))
        )
    if not lengths or lengths[0] < LEAST_SAMPLES:
        seen = lengths[0] if lengths else 0
        raise WrongError("calibration: {} gives {} samples, {} are needed".format(reference, seen, LEAST_SAMPLES))
    return arrays


def is_array(given: Any) -> bool:
    return isinstance(given, (numpy.ndarray, torch.Tensor))


def as_array(given: Any) -> Any:
    return given.detach().numpy() if isinstance(given, torch.Tensor) else numpy.asarray(given)


def parameters(model: Any, count: int) -> "List[str]":
    """The names of the inputs: `input` of a single one, else as `forward` calls them."""
    if count == 1:
        return ["input"]
    known = [p.name for p in inspect.signature(model.forward).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD]
    return known[:count] if len(known) >= count else ["input_{}".format(n) for n in range(count)]
