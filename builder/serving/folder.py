"""A model's folder, written: the same bytes for the same model."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from .job import AS_IS, Job
from .model import ANSWERS, FORMAT, HEALTH, MANIFEST, MODEL, MODEL_SETTINGS, SETTINGS, Deployed
from .selftest import examined
from .sources import Array, Samples

STORED = 16
"""Samples whose answers are kept, or two calls of a model that takes more at once."""
INT8_DB, EXACT_DB = 20, 60
"""Between the stored answers and another processor's. Where two products are added in 16 bits (AVX2 without VNNI) int8
saturates: as much is allowed as the gate allows between int8 and fp32. fp32 is only added up in another order.
"""

DATATYPES = {"float16": "FP16", "float32": "FP32", "float64": "FP64", "bool": "BOOL"}


def tensors(session_values: Any) -> list[dict[str, Any]]:
    """The inputs or outputs of a session, as the manifest has them; what has no name may have any length."""
    kinds = {"tensor(float)": "float32", "tensor(double)": "float64"}
    return [
        {
            "name": value.name,
            "dtype": kinds.get(value.type, value.type[len("tensor(") : -1]),
            "shape": [size if size is not None else "any" for size in value.shape],
        }
        for value in session_values
    ]


def as_text(value: object) -> bytes:
    """JSON for people and machines, its keys in order."""
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def write(out: Path, model: bytes, job: Job, facts: Mapping[str, Any], samples: Samples) -> None:
    """Fills the folder, then examines it as the image's own `selftest` will."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = {"format": FORMAT, "name": job.name, "version": job.version, "threads": job.threads, **facts}
    least = EXACT_DB if job.scheme == AS_IS else job.gates.get("sqnr_db", INT8_DB)
    manifest.update(answers={"min_sqnr_db": least, "samples": 0}, files={})
    (out / MODEL).write_bytes(model)
    (out / MANIFEST).write_bytes(as_text(manifest))
    deployed = Deployed(out)
    inputs = stored_inputs(samples, deployed.call)
    outputs = deployed.run_stored(inputs)
    arrays = {f"input/{k}": v for k, v in inputs.items()}
    arrays.update({f"output/{name}": array for name, array in outputs.items()})
    manifest["answers"]["samples"] = len(next(iter(inputs.values())))
    (out / ANSWERS).write_bytes(archive(arrays))
    if job.serve:
        (out / HEALTH).write_bytes(as_text(health(job, inputs, outputs, number=deployed.call, least=least)))
        for name, content in settings(job, manifest).items():
            (out / name).write_bytes(as_text(content))
    manifest["files"] = {path.name: _file(path) for path in sorted(out.iterdir()) if path.name != MANIFEST}
    (out / MANIFEST).write_bytes(as_text(manifest))
    for path in out.iterdir():
        path.chmod(0o644)
    problems = examined(Deployed(out))["problems"]
    if problems:
        raise RuntimeError(f"the folder that was just written is not sound: {'; '.join(problems)}")


def stored_inputs(samples: Samples, call: int) -> dict[str, Array]:
    """Samples from all over those held out, in whole calls, and two at least so that they can differ."""
    number = min(max(STORED // call, 2), len(samples) // call) * call
    chosen = [at * len(samples) // number for at in range(number)]
    return {name: numpy.ascontiguousarray(array[chosen]) for name, array in samples.inputs.items()}


def archive(arrays: Mapping[str, Array]) -> bytes:
    """A .npz file without times."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as made:
        for name, array in sorted(arrays.items()):
            one = io.BytesIO()
            numpy.lib.format.write_array(one, numpy.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            made.writestr(zipfile.ZipInfo(f"{name}.npy"), one.getvalue())
    return file.getvalue()


def health(
    job: Job, inputs: Mapping[str, Array], outputs: Mapping[str, Array], *, number: int, least: float
) -> dict[str, Any]:
    """One call and its answer, as the Open Inference Protocol has them."""
    return {
        "path": f"/v2/models/{job.name}/infer",
        "request": {"inputs": [_v2(name, array[:number]) for name, array in inputs.items()]},
        "outputs": {name: array[:number].ravel().tolist() for name, array in outputs.items()},
        "min_sqnr_db": least,
    }


def _v2(name: str, array: Array) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": datatype(str(array.dtype)),
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }


def datatype(dtype: str) -> str:
    """`FP32` for float32, `INT8` for int8."""
    return DATATYPES.get(dtype, dtype.upper())


def settings(job: Job, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What MLServer is told. Host and ports are left to its own variables, which a file would beat."""
    told = {
        kind: [
            {
                "name": each["name"],
                "datatype": datatype(each["dtype"]),
                "shape": [size if isinstance(size, int) else -1 for size in each["shape"]],
            }
            for each in manifest[kind]
        ]
        for kind in ("inputs", "outputs")
    }
    server = {
        "debug": False,  # an access log line for each request otherwise
        "parallel_workers": 0,  # processes of their own, and folders that they write to
        "kafka_enabled": False,
        "gzip_enabled": False,
    }
    model = {
        "name": job.name,
        "implementation": "serving.runtime.DeployedModel",
        "platform": "onnx",
        "versions": [job.version],
        "parameters": {"version": job.version},
        **told,
    }
    return {SETTINGS: server, MODEL_SETTINGS: model}


def _file(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
