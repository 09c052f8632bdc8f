"""What the workshop is asked to make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .model import RefusedError

GATES = ("sqnr_db", "centred_sqnr_db", "min_cosine", "agreement", "accuracy_drop", "int8_weights", "size_ratio")
"""The engine's bounds that a job may replace; none is of a time, which is not the same twice."""

AUTO, AS_IS = "auto", "none"


@dataclass(frozen=True)
class Job:
    """One model's making. Paths are relative to the folder of the recipe's files."""

    name: str
    version: str = "1.0"
    factory: str | None = None
    """`module:function` without arguments: a torch module, trained or not, or ONNX (a path, bytes, or proto)."""
    onnx: str | None = None
    """An ONNX file, where there is no factory."""
    weights: str | None = None
    """A file of the factory's state_dict."""
    calibration: str = ""
    """`module:function` without arguments, or a .npz file: samples, or (samples, labels)."""
    evaluation: str | None = None
    """The same, held out; left out, every second sample of the calibration is."""
    scheme: str = AUTO
    """`auto`, the name of one of the engine's configurations, or `none`: the model as it is."""
    gates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    """That infer in the image, where MODEL_THREADS does not say otherwise."""
    serve: bool = False
    """Whether MLServer's settings are written."""
    onnxruntime: str | None = None
    """The version that the image has."""


_KINDS: dict[str, tuple[type, ...]] = {"gates": (dict,), "seed": (int,), "threads": (int,), "serve": (bool,)}


def read(path: Path) -> Job:
    """The job in a JSON file."""
    try:
        given: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RefusedError(f"{path}: {error}") from None
    if not isinstance(given, dict):
        raise RefusedError(f"{path}: an object is needed")
    known = {each.name for each in fields(Job)}
    faults = [f"unknown key {key!r}" for key in sorted(set(given) - known)]
    faults += [
        f"{key} is {value!r}"
        for key, value in sorted(given.items())
        if key in known and value is not None and (type(value) not in _KINDS.get(key, (str,)))
    ]
    faults += [f"{key} is missing" for key in ("name", "calibration") if not given.get(key)]
    if bool(given.get("factory")) == bool(given.get("onnx")):
        faults.append("one of factory and onnx is needed")
    if given.get("weights") and not given.get("factory"):
        faults.append("weights are a factory's")
    gates = given.get("gates") or {}
    faults += [f"gates: {key!r} is none of {', '.join(GATES)}" for key in sorted(set(gates) - set(GATES))]
    faults += [f"gates: {k} is {v!r}" for k, v in sorted(gates.items()) if type(v) not in (int, float)]
    if faults:
        raise RefusedError(f"{path.name}: {'; '.join(faults)}")
    return Job(**{key: value for key, value in given.items() if value is not None})
