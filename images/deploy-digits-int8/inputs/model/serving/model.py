"""A model's folder: its manifest, its files, its stored answers, and the model itself, ready to infer."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Array = Any
    """numpy.ndarray; where the builder itself is checked there is no numpy."""
    Arrays = dict[str, Array]

FORMAT = 1
"""Of the manifest."""

FOLDER = "/opt/model"
MODEL, MANIFEST, ANSWERS = "model.onnx", "manifest.json", "answers.npz"
HEALTH, SETTINGS, MODEL_SETTINGS = "health.json", "settings.json", "model-settings.json"
"""Of a served model alone."""

CALL = 32
"""Samples in one call of a model that takes any number: what its quality was measured with, and what bounds the memory
of a long batch's inference.
"""


class RefusedError(Exception):
    """What cannot be done, in one line for a person."""


@dataclass(frozen=True)
class Tensor:
    """An input or an output as the model declares it; a name in the shape stands for any length."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return described(self.dtype, self.shape)


def described(dtype: object, shape: tuple[int | str, ...]) -> str:
    """`float32 (batch, 1, 8, 8)`."""
    return f"{dtype} ({', '.join(map(str, shape))})"


def folder() -> Path:
    """Where the model lies: `/opt/model`, or what MODEL_FOLDER says."""
    return Path(os.environ.get("MODEL_FOLDER") or FOLDER)


class Deployed:
    """A model's folder, read as far as it is asked for."""

    def __init__(self, place: Path) -> None:
        self.place = place
        try:
            data = (place / MANIFEST).read_bytes()
        except OSError as error:
            raise RefusedError(f"no model: {place / MANIFEST}: {error.strerror}") from None
        try:
            self.manifest: dict[str, Any] = json.loads(data)
            self.inputs = tuple(_tensor(entry) for entry in self.manifest["inputs"])
            self.outputs = tuple(_tensor(entry) for entry in self.manifest["outputs"])
            self.title = f"{self.manifest['name']} {self.manifest['version']}"
            known = self.manifest["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"{place / MANIFEST} is no manifest: {type(error).__name__}: {error}") from None
        if not known:
            raise RefusedError(f"{place / MANIFEST} has format {self.manifest['format']}, this runtime reads {FORMAT}")
        self.digest = hashlib.sha256(data).hexdigest()
        self._session: Any = None

    def threads(self) -> int:
        """How many infer: MODEL_THREADS, otherwise what the recipe says; never whatever the host has."""
        text = os.environ.get("MODEL_THREADS") or str(self.manifest["threads"])
        if not text.isdecimal() or not 1 <= int(text) <= 1024:
            raise RefusedError(f"MODEL_THREADS is {text!r}: a whole number from 1 to 1024 is needed")
        return int(text)

    def file_problems(self) -> list[str]:
        """What in the folder is not as the manifest says."""
        recorded: dict[str, dict[str, Any]] = self.manifest["files"]
        try:
            present = {path.name for path in self.place.iterdir()} - {MANIFEST}
        except OSError as error:
            return [f"{self.place}: {error.strerror}"]
        problems = [f"{name} is not in the manifest" for name in sorted(present - set(recorded))]
        for name, entry in sorted(recorded.items()):
            try:
                seen = hashlib.sha256((self.place / name).read_bytes()).hexdigest()
            except OSError as error:
                problems.append(f"{name}: {error.strerror}")
                continue
            if seen != entry["sha256"]:
                problems.append(f"{name} has the hash {seen[:16]}..., the manifest says {entry['sha256'][:16]}...")
        return problems

    def run(self, inputs: Arrays) -> Arrays:
        """The outputs of inputs that fit; a long batch is inferred piece by piece."""
        number = self._samples(inputs)
        if number <= CALL:
            return self._call(inputs)
        import numpy

        pieces = [{name: array[at : at + CALL] for name, array in inputs.items()} for at in range(0, number, CALL)]
        calls = [self._call(piece) for piece in pieces]
        return {name: numpy.concatenate([call[name] for call in calls]) for name in calls[0]}

    def _samples(self, inputs: Arrays) -> int:
        """How many can be told apart in the inputs: one where the model says how many it takes, or none has a batch."""
        free = all(isinstance((*tensor.shape, 0)[0], str) for tensor in (*self.inputs, *self.outputs))
        lengths = {len(array) for array in inputs.values()} if free else {1}
        return lengths.pop() if len(lengths) == 1 else 1

    def _call(self, inputs: Arrays) -> Arrays:
        names = [tensor.name for tensor in self.outputs]
        try:
            return dict(zip(names, self.session().run(names, inputs)))
        except RefusedError:
            raise
        except Exception as error:  # the runtime's own, which differ between its versions
            raise RefusedError(f"the model fails: {' '.join(str(error).split())}") from None

    @property
    def call(self) -> int:
        """How many stored samples are asked for at once: one, unless the model says how many it takes.

        What is quantized dynamically depends on what else is in a call.
        """
        first = self.inputs[0].shape[:1]
        return first[0] if first and isinstance(first[0], int) else 1

    def run_stored(self, inputs: Arrays) -> Arrays:
        """The outputs of stored samples, call by call."""
        import numpy

        from .tensors import fitted

        starts = range(0, len(next(iter(inputs.values()))), self.call)
        feeds = ({name: array[at : at + self.call] for name, array in inputs.items()} for at in starts)
        calls = [self.run(fitted(feed, self.inputs)) for feed in feeds]
        return {name: numpy.concatenate([call[name] for call in calls]) for name in calls[0]}

    def session(self) -> Any:
        """The runtime's, made when it is first needed."""
        if self._session is None:
            self._session = session(self.place / MODEL, self.threads())
        return self._session

    def answers(self) -> tuple[Arrays, Arrays]:
        """The stored inputs and the outputs that the model gave for them where it was made."""
        import numpy

        try:
            with numpy.load(self.place / ANSWERS, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            inputs = {tensor.name: arrays[f"input/{tensor.name}"] for tensor in self.inputs}
            return inputs, {tensor.name: arrays[f"output/{tensor.name}"] for tensor in self.outputs}
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RefusedError(f"{ANSWERS} cannot be read: {error}") from None


def session(model: Path, number: int) -> Any:
    """An inference session on the CPU with so many threads and no more."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = number
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle thread takes no processor time
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RefusedError(f"{model.name} cannot be loaded: {' '.join(str(error).split())}") from None


def _tensor(entry: dict[str, Any]) -> Tensor:
    return Tensor(entry["name"], entry["dtype"], tuple(entry["shape"]))
