# Trained models survive both exporters and int8, measured against torch on data held out: the four that are trained
# here, or the recipe's own.
#
# Of the configurations that suit a model's operators, the fastest that is within every bound is chosen.
import os
import re
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Tuple

if TYPE_CHECKING:
    from builder.checks._int8_quality import Row, answers, decided, gate, sensitivity_db
    from builder.checks._onnx_models import MODELS, torch
    from builder.checks._onnx_runtime import known_answers, newest, numpy, onnx, ort, session
    from builder.checks._onnx_subject import MIN_ACCURACY, Subject, WrongError, own, told, users
    from builder.checks._prelude import ARGS, conclude, finish
    from builder.checks._quantization import Task, made_loadable, named, searched, weights_by_operator

# Nothing may be written outside of /tmp, and the user may have no name.
os.environ.update({"TORCHINDUCTOR_CACHE_DIR": "/tmp/inductor", "XDG_CACHE_HOME": "/tmp/cache", "USER": "check"})

OPSET = 18  # the lowest that the dynamo exporter writes
MAX_ERROR = 1e-4  # of the largest output: fp32 against torch


def export_torchscript(subject: Subject, path: str, opset: int) -> None:
    axes = {name: {0: "batch"} for name in (*subject.inputs, *subject.outputs)}
    names: Dict[str, Any] = {"input_names": subject.inputs, "output_names": subject.outputs, "dynamic_axes": axes}
    torch.onnx.export(subject.model, subject.samples, path, dynamo=False, opset_version=opset, **names)


def export_dynamo(subject: Subject, path: str, opset: int) -> None:
    batch = torch.export.Dim("batch")
    names: Dict[str, Any] = {"input_names": subject.inputs, "output_names": subject.outputs}
    names["dynamic_shapes"] = tuple({0: batch} for _ in subject.samples)
    quiet: Dict[str, Any] = {"external_data": False, "verbose": False}
    torch.onnx.export(subject.model, subject.samples, path, dynamo=True, opset_version=opset, **quiet, **names)


EXPORTERS = {"torchscript": export_torchscript, "dynamo": export_dynamo}


def bounds() -> "Dict[str, float]":
    """The recipe's own bounds; its `min_sqnr_db` is that of both ratios."""
    least = {name: ARGS["min_sqnr_db"] for name in ("sqnr_db", "centred_sqnr_db") if "min_sqnr_db" in ARGS}
    return {**least, **ARGS.get("bounds", {})}


def lifeless(subject: Subject) -> "List[str]":
    """Why comparing with this model would prove nothing: whatever ignores its input agrees with everything."""
    if not all(numpy.isfinite(out).all() for out in subject.want):
        return ["{}: torch itself answers with infinities or no numbers".format(subject.name)]
    problems = []
    if subject.labels is not None and subject.accuracy() < MIN_ACCURACY:
        text = "{} learned nothing: accuracy {} on held-out data"
        problems.append(text.format(subject.name, subject.accuracy()))
    for text in gate({"sensitivity_db": sensitivity_db(subject.want)}, bounds()):
        problems.append("{} ignores its input, its outputs hardly differ: {}".format(subject.name, text))
    return problems or undecided(subject)


def undecided(subject: Subject) -> "List[str]":
    """The same class for every sample: then agreement says nothing."""
    answers_ = [decided(out) for out in subject.want if decided(out) is not None]
    if not answers_ or bounds().get("agreement") == 0 or any(len(numpy.unique(one)) > 1 for one in answers_):
        return []
    text = "{} answers all {} samples with the same class: agreement would prove nothing (give samples of several)"
    return [text.format(subject.name, len(subject.want[0]))]


class Asked(NamedTuple):
    """How every subject is exported and quantized."""

    folder: str
    ir_version: int
    opset: int

    def path(self, *parts: str) -> str:
        """A folder of its own for each export."""
        folder = os.path.join(self.folder, *(re.sub(r"\W", "-", part) for part in parts))
        os.makedirs(folder)
        return folder


def exported(subject: Subject, exporter: str, path: str, asked: Asked) -> "Tuple[Row, List[str]]":
    """The fp32 model's row, and what is wrong with it."""
    row: Row = {"model": subject.name, "exporter": exporter, "scheme": "fp32"}
    begun = time.time()
    try:
        EXPORTERS[exporter](subject, path, asked.opset)
        made_loadable(path, asked.ir_version)
        run = session(path)
        unread = sorted(set(subject.inputs) - {one.name for one in run.get_inputs()})
        if unread:
            raise WrongError("the exported model has no input {}: nothing reads it".format(unread[0]))
        have = answers(run, subject.held_out)
    except Exception as error:  # torch's, onnx's and the runtime's own, in their own classes
        row["error"] = told(error)
        return row, ["{} cannot be exported by {}: {}".format(subject.name, exporter, row["error"])]
    off = max(float(numpy.abs(a - b).max() / max(numpy.abs(b).max(), 1e-30)) for a, b in zip(have, subject.want))  # noqa: B905 - 3.6
    row.update(relative_error=float("{:.2g}".format(off)), bytes=os.path.getsize(path))
    row.update(sensitivity_db=sensitivity_db(subject.want), export_seconds=round(time.time() - begun, 1))
    if row["relative_error"] <= MAX_ERROR:
        return row, []
    text = "{model} by {exporter}: fp32 differs from torch by {relative_error} of the largest output"
    return row, [text.format(**row)]


def quantized_rows(subject: Subject, exporter: str, path: str) -> "Tuple[List[Row], List[str]]":
    """Every configuration's row; where none passes, or one that the recipe asks for does not, what is wrong."""
    task = Task(
        path, os.path.dirname(path), subject.calibration, subject.held_out, subject.want, subject.labels, bounds()
    )
    rows = searched(task, named(ARGS["schemes"]) if "schemes" in ARGS else None)
    for row in rows:
        row.update(model=subject.name, exporter=exporter)
        del row["path"]
    where, ready = "{} by {}".format(subject.name, exporter), os.path.join(task.folder, "prepared.onnx")
    if not rows:
        text = "{}: no configuration can make its weights int8, they are those of {}"
        return [], [text.format(where, holders(ready))]
    if "schemes" not in ARGS and any(row.get("chosen") for row in rows):
        return rows, []
    return rows, ["{}, {}: {}".format(where, r["scheme"], "; ".join(r["problems"])) for r in rows if r["problems"]]


def holders(path: str) -> str:
    """Which operators hold how much of an fp32 model's weights: `GRU 98%, Gemm 2%`."""
    held = weights_by_operator(onnx.load(path))
    shares = sorted(((number / sum(held.values()), kind) for kind, number in held.items()), reverse=True)
    return ", ".join("{} {:.0%}".format(kind, share) for share, kind in shares) or "no operator"


def through(subject: Subject, asked: Asked) -> "Tuple[List[Row], List[str]]":
    """One model by every exporter. One that fails is evidence, unless the recipe asks for it or no other one works."""
    rows: List[Row] = []
    problems: List[str] = []
    failures: List[str] = []
    for exporter in ARGS.get("exporters", list(EXPORTERS)):
        path = os.path.join(asked.path(subject.name, exporter), "fp32.onnx")
        first, wrong = exported(subject, exporter, path, asked)
        (failures if "error" in first else problems).extend(wrong)
        more, wrong = ([], []) if "error" in first else quantized_rows(subject, exporter, path)
        for row in more[:1]:
            first.update(ms=row.get("fp32_ms"))
        rows += [first, *more]
        problems += wrong
        print(rows[-1 - len(more) :], file=sys.stderr)
    insisted = "exporters" in ARGS or len(failures) == len(EXPORTERS)
    return rows, (failures if insisted else []) + problems


def subjects() -> "Iterator[Subject]":
    """The recipe's model, those of this folder that it names, or all of these."""
    if "model" in ARGS:
        yield users(ARGS["model"], ARGS["calibration"], ARGS.get("inputs", []), ARGS.get("outputs", []))
    for name in ARGS.get("models", [] if "model" in ARGS else list(MODELS)):
        yield own(name)


def main() -> None:
    wrong, saturated = known_answers()
    problems, rows, about = list(wrong), [], {}
    fit = newest()
    with tempfile.TemporaryDirectory() as folder:
        asked = Asked(folder, fit["ir_version"], min(OPSET, fit["opset"]))
        for subject in subjects():
            about[subject.name] = {"sensitivity_db": sensitivity_db(subject.want)}
            if subject.labels is not None:
                about[subject.name]["accuracy"] = subject.accuracy()
            dead = lifeless(subject)
            new, failed = ([], []) if dead else through(subject, asked)
            rows += new
            problems += dead + failed
    conclude(
        problems,
        summary(rows),
        rows=rows,
        models=about,
        kernels=saturated or "exact",
        versions={"torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": ort.__version__},
        runtime=fit,
        opset=asked.opset,
    )


def summary(rows: "List[Row]") -> str:
    names = list(dict.fromkeys(row["model"] for row in rows))
    chosen = [row for row in rows if row.get("chosen")]
    least, most = min([row["sqnr_db"] for row in chosen] or [0]), max([row["latency_ratio"] for row in chosen] or [0])
    text = (
        "what is exported of {} agrees with torch; as int8 it keeps {} dB or more and takes {:.0%} of the time or less"
    )
    return text.format(", ".join(names), least, most)


try:
    main()
except WrongError as error:
    finish("FAIL", str(error), problems=[str(error)])
