"""`selftest`: whether the model is the one that was made, and answers here as it did there."""

from __future__ import annotations

import json
import time
from typing import Any

from .command import parser
from .model import Deployed, RefusedError, folder

EXAMPLES = """\
It asks three things: whether every file has the hash that the manifest gives; whether the outputs of the stored
inputs are the stored ones, as near as the manifest asks; whether different inputs have different outputs.
One line of JSON; exit code 0 if all hold, 1 if one does not.

examples:
  docker run --rm --network none --read-only IMAGE selftest
"""
MIN_SPREAD = 1e-3
"""Of the outputs' own size: a model that ignores its input gives less."""


def main(arguments: list[str]) -> int:
    """Answers with one line of JSON."""
    parser("selftest", "Checks the model in this image.", EXAMPLES).parse_args(arguments)
    begun = time.perf_counter()
    found: dict[str, Any] = {"problems": []}
    try:
        found.update(examined(Deployed(folder())))
    except RefusedError as error:
        found["problems"].append(str(error))
    outcome = "FAIL" if found["problems"] else "PASS"
    print(json.dumps({"outcome": outcome, **found, "seconds": round(time.perf_counter() - begun, 3)}))
    return int(outcome == "FAIL")


def examined(model: Deployed) -> dict[str, Any]:
    """Everything that is wrong with a model's folder, and what was measured."""
    found: dict[str, Any] = {
        "model": model.title,
        "manifest": f"sha256:{model.digest}",
        "files": len(model.manifest["files"]),
        "threads": model.threads(),
        "problems": model.file_problems(),
    }
    try:
        found.update(answered(model, found["problems"]))
    except RefusedError as error:
        found["problems"].append(str(error))
    return found


def answered(model: Deployed, problems: list[str]) -> dict[str, Any]:
    """Runs the stored inputs; adds to the problems."""
    import onnxruntime

    inputs, wanted = model.answers()
    outputs = model.run_stored(inputs)
    least = float(model.manifest["answers"]["min_sqnr_db"])
    worst = 200.0
    for name, want in wanted.items():
        have = outputs[name]
        worst = min(worst, compared(name, want, have, least, problems))
    if not any(moves(array) for array in outputs.values()):
        problems.append("the outputs do not depend on the input")
    return {"answers": len(next(iter(wanted.values()))), "sqnr_db": worst, "onnxruntime": onnxruntime.__version__}


def compared(name: str, want: Any, have: Any, least: float, problems: list[str]) -> float:
    """How near an output is to the stored one, in dB; whole numbers have to be the same."""
    from .tensors import decibels

    if have.shape != want.shape or have.dtype != want.dtype:
        problems.append(f"{name} is {have.dtype} {have.shape}, the stored answer {want.dtype} {want.shape}")
        return -200.0
    near = round(decibels(want, have), 1)
    if near < (least if want.dtype.kind == "f" else 200.0):
        problems.append(f"{name} is not as stored: {near} dB on this processor, at least {least} are needed")
    return near


def moves(array: Any) -> bool:
    """Whether an output differs from sample to sample."""
    values = array.astype("float64")
    return bool(((values - values.mean(0)) ** 2).sum() > MIN_SPREAD**2 * (values**2).sum())
