"""`make_model.py JOB SOURCES OUT`: a recipe's model, exported, quantized, measured, and written for an image."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import run
from .job import AS_IS, AUTO, Job
from .model import CALL, RefusedError, Tensor

if TYPE_CHECKING:
    from .sources import Samples

FIXED = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Kernels that every x86 processor of the last ten years has: newer ones add up in another order.
    "ATEN_CPU_CAPABILITY": "avx2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
ON_X86 = ("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "OPENBLAS_CORETYPE")
COLUMNS = ("sqnr_db", "centred_sqnr_db", "min_cosine", "agreement", "accuracy_drop", "int8_weights", "size_ratio")
MIN_SENSITIVITY_DB = -40
"""A model whose outputs differ by less than a hundredth of their size ignores its input."""


def main(arguments: list[str]) -> int:
    """Exit code 0: made. 1: no configuration passes its gates. 2: the job or the recipe's code is at fault."""
    if len(arguments) != 3:
        raise RefusedError("three arguments are needed: JOB.json, the folder of the recipe's files, the folder to fill")
    from .job import read

    job = read(Path(arguments[0]))
    sources, out = (Path(each).resolve() for each in arguments[1:])
    if out.exists() and any(out.iterdir()):
        raise RefusedError(f"{out} is not empty")
    sys.path.insert(0, str(sources))
    if job.onnxruntime and version("onnxruntime") != job.onnxruntime:
        raise RefusedError(
            f"the image has onnxruntime {job.onnxruntime}, what would measure it {version('onnxruntime')}"
        )
    with tempfile.TemporaryDirectory() as work:
        return made(job, sources, out, Path(work))


@dataclass(frozen=True)
class Subject:
    """An fp32 model, what it is tried on, and what it has to give."""

    plain: Path
    calibration: list[dict[str, Any]]
    measured: Samples
    feeds: list[dict[str, Any]]
    """The measured samples, a call at a time."""
    want: list[Any]
    facts: dict[str, Any]
    """For the manifest: where the model came from, and its quality before it was quantized."""


def made(job: Job, sources: Path, out: Path, work: Path) -> int:
    """The folder, or the table of what was tried."""
    import onnx

    from .finishing import finished
    from .folder import tensors, write

    engine: Any = importlib.import_module(".quantization", __package__)
    subject = exported(engine, job, sources, work)
    source, facts, quality = subject.plain, dict(subject.facts), dict(subject.facts["quality"])
    facts.update(scheme=AS_IS, tried=[])
    before = source.stat().st_size

    def finish(path: str) -> None:
        finished(path, subject.feeds, engine.newest()["ir_version"])

    if job.scheme == AS_IS:
        finish(str(source))
    else:
        rows = searched(engine, job, subject, finish)
        chosen = next((row for row in rows if row.get("chosen")), None)
        if chosen is None:
            print(table(rows), file=sys.stderr)
            return 1
        tried = [{k: v for k, v in row.items() if k in ("scheme", "problems", *COLUMNS)} for row in rows]
        facts.update(scheme=chosen["scheme"], tried=tried)
        quality.update({k: chosen[k] for k in COLUMNS if k in chosen})
        source = Path(chosen["path"])
    model = source.read_bytes()
    quality.update(bytes=len(model), fp32_bytes=before, size_ratio=round(len(model) / before, 3))
    session = engine.session(model)
    facts.update(inputs=tensors(session.get_inputs()), outputs=tensors(session.get_outputs()))
    facts.update(described(onnx.load_model_from_string(model)), quality=quality, versions=versions())
    write(out, model, job, facts, subject.measured)
    print(json.dumps({"scheme": facts["scheme"], **quality}, sort_keys=True))
    return 0


def exported(engine: Any, job: Job, sources: Path, work: Path) -> Subject:
    """The recipe's model as fp32 ONNX, compared with torch where it is torch's, and known to heed its input."""
    from . import exporting
    from .canonical import data
    from .sources import divided, fitting, samples

    exporting.seeded(job.seed)
    came = exporting.origin(job, sources)
    calibration = samples(job.calibration, sources, came.input_names())
    if job.evaluation:
        held_out = samples(job.evaluation, sources, tuple(calibration.inputs))
    else:
        calibration, held_out = divided(job.calibration, calibration)
    newest, plain = engine.newest(), work / "plain.onnx"
    if came.torch is None:
        exporting.known_opset(came.onnx, newest["opset"], str(job.onnx or job.factory))
        plain.write_bytes(data(came.onnx))
    else:
        exporting.exported(came.torch, held_out.part(slice(0, 2)).inputs, plain, newest["opset"])
    session = loaded(engine, plain, newest["ir_version"], str(job.onnx or job.factory))
    wanted = inputs_of(session)
    calibration = fitting(job.calibration, calibration, wanted)
    held_out = fitting(job.evaluation or job.calibration, held_out, wanted)
    size, whole = call_size(session)
    if min(len(calibration), len(held_out)) < size * whole:
        raise RefusedError(f"the model takes {size} samples at once: there are too few")
    feeds = held_out.feeds(size, whole)
    measured = held_out.part(slice(0, size * len(feeds)))
    try:
        have = want = engine.answers(session, feeds)
    except Exception as error:  # the runtime's own, which differ between its versions
        raise RefusedError(f"the model fails on what {job.calibration} gives: {exporting.said(error)}") from error
    quality: dict[str, Any] = {"samples": len(measured)}
    if came.torch is not None:
        want = exporting.reference(came.torch, feeds)
        quality["fp32_error"] = float(f"{exporting.parity(have, want):.2g}")
    quality["sensitivity_db"] = engine.sensitivity_db(want)
    if measured.labels is not None:
        if want[0].ndim != 2:
            raise RefusedError(f"there are labels, but the model's first output is no row of scores: {want[0].shape}")
        quality["accuracy"] = round(float((want[0].argmax(1) == measured.labels).mean()), 4)
    if quality["sensitivity_db"] < MIN_SENSITIVITY_DB:
        raise RefusedError(f"the model ignores its input: {quality['sensitivity_db']} dB between samples")
    facts = {"reference": "onnx" if came.torch is None else "torch", "gates": dict(job.gates), "quality": quality}
    return Subject(plain, calibration.feeds(size, whole), measured, feeds, want, facts)


def loaded(engine: Any, plain: Path, newest_ir: int, name: str) -> Any:
    """A session of the fp32 model, its file canonical but for the nodes' names, which quantizers ask for."""
    import onnx

    from .canonical import canonical, data
    from .exporting import said

    try:
        plain.write_bytes(data(canonical(onnx.load(str(plain)), newest_ir, node_names=True)))
        engine.made_loadable(str(plain), newest_ir)
        return engine.session(str(plain))
    except Exception as error:  # the checker's and the runtime's own, in their own classes
        raise RefusedError(f"{name}: the runtime does not take the model: {said(error)}") from error


def inputs_of(session: Any) -> tuple[Tensor, ...]:
    """What the model takes."""
    from .folder import tensors

    return tuple(Tensor(one["name"], one["dtype"], tuple(one["shape"])) for one in tensors(session.get_inputs()))


def call_size(session: Any) -> tuple[int, bool]:
    """How many samples a call takes, and whether it has to be so many."""
    first = {value.shape[0] if value.shape else None for value in session.get_inputs()}
    fixed = [size for size in first if isinstance(size, int)]
    return (fixed[0], True) if fixed else (CALL, False)


def searched(engine: Any, job: Job, subject: Subject, finish: Callable[[str], None]) -> list[dict[str, Any]]:
    """Every configuration that was tried; what none suits, and kernels that cannot be trusted, are refused."""
    wrong = engine.known_answer_problems()
    if wrong:
        raise RefusedError(f"no int8 model can be measured on this processor: {wrong[0]}")
    try:
        configurations = None if job.scheme == AUTO else engine.named([job.scheme])
    except KeyError:
        known = ", ".join(each.name for each in engine.CONFIGURATIONS)
        raise RefusedError(f"scheme {job.scheme!r} is none of {AUTO}, {AS_IS}, {known}") from None
    task = engine.Task(
        source=str(subject.plain),
        folder=str(subject.plain.parent),
        calibration=subject.calibration,
        inputs=subject.feeds,
        want=subject.want,
        labels=subject.measured.labels,
        bounds=dict(job.gates),
        finish=finish,
        timed=False,
    )
    rows: list[dict[str, Any]] = engine.searched(task, configurations)
    if not rows:
        raise RefusedError(
            "no configuration can make 90 % of this model's weights int8; `scheme: none` keeps it as it is"
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """What was tried and why it will not do."""
    head = ("scheme", *COLUMNS)
    lines = [head, *([str(row.get(name, "")) for name in head] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    text += [f"{row['scheme']}: {'; '.join(row['problems'])}" for row in rows]
    return "\n".join(["make_model: no int8 form of the model passes its gates", *text])


def described(model: Any) -> dict[str, Any]:
    """Of the model itself: what it is written in, and how often it has which operator."""
    from .canonical import graphs

    operators: dict[str, int] = {}
    for node in (node for graph in graphs(model.graph) for node in graph.node):
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    return {"ir_version": model.ir_version, "opsets": opsets, "operators": operators}


def versions() -> dict[str, str]:
    """Of what made the model."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "onnx", "onnxruntime", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def begin() -> None:
    """Runs in a process whose hashes, threads and kernels are fixed, of which some only a new process takes."""
    wanted = {k: v for k, v in FIXED.items() if k not in ON_X86 or platform.machine() in ("x86_64", "AMD64")}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, "-B", *sys.argv], {**os.environ, **wanted})  # noqa: S606 - this program again
    run("make_model", main)
