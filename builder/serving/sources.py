"""What a recipe's own files give: a model, and samples for it."""

from __future__ import annotations

import importlib
import traceback
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from .model import RefusedError, Tensor, described
from .tensors import fit

Array = Any
LEAST = 32
"""Samples, of which half calibrate and half measure."""


@dataclass(frozen=True)
class Samples:
    """Inputs by name, and perhaps which class each is of."""

    inputs: Mapping[str, Array]
    labels: Array | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def part(self, which: slice) -> Samples:
        """Some of them."""
        inputs = {name: array[which] for name, array in self.inputs.items()}
        return Samples(inputs, None if self.labels is None else self.labels[which])

    def feeds(self, size: int, whole: bool) -> list[dict[str, Array]]:
        """Calls of so many samples; what remains is a call as well, unless it has to be a whole one."""
        starts = range(0, len(self) - size + 1 if whole else len(self), size)
        return [{name: array[at : at + size] for name, array in self.inputs.items()} for at in starts]


def called(reference: str, sources: Path) -> Any:
    """What `module:function` of the recipe's files returns; what it raises is told by its own lines."""
    module, _, name = reference.partition(":")
    try:
        function: Callable[[], Any] = getattr(importlib.import_module(module), name)
        return function()
    except (Exception, SystemExit) as error:
        own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(sources)]
        where = f"{Path(own[-1].filename).name}, line {own[-1].lineno}: " if own else ""
        raise RefusedError(f"{reference}: {where}{type(error).__name__}: {error}") from error


def samples(reference: str, sources: Path, names: tuple[str, ...]) -> Samples:
    """The samples of a function or a .npz file; names are the model's inputs, empty where it has none yet."""
    labels = None
    if reference.endswith(".npz"):
        given: Any = stored(reference, sources)
        labels = given.pop("labels", None)
    else:
        given = called(reference, sources)
        if isinstance(given, tuple) and len(given) == 2:
            given, labels = given
    if not isinstance(given, Mapping):
        given = {names[0] if names else "input": given}
    try:
        inputs = {name: _plain(array) for name, array in given.items()}
        found = Samples(inputs, None if labels is None else _plain(labels))
    except ValueError:
        raise RefusedError(f"{reference} gives lists of different lengths: every sample has the same shape") from None
    _sound(reference, found)
    if names and set(inputs) != set(names):
        raise RefusedError(f"{reference} gives {', '.join(inputs)}; the model has {', '.join(names)}")
    return found


def stored(reference: str, sources: Path) -> dict[str, Array]:
    """The arrays of a .npz file by name."""
    try:
        with numpy.load(sources / reference, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise RefusedError(f"{reference} is not among the recipe's files") from None
    except (OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise RefusedError(f"{reference} is no .npz file: {error}") from None
    except ValueError as error:  # pickled objects, which nobody else's file may have
        raise RefusedError(f"{reference}: {error}: save arrays of numbers, all samples of one shape") from None


def fitting(reference: str, found: Samples, wanted: tuple[Tensor, ...]) -> Samples:
    """The samples in the types that the model takes, as its image will take them; what differs is named."""
    inputs = {}
    for tensor in wanted:
        if tensor.name not in found.inputs:
            raise RefusedError(
                f"{reference} gives {', '.join(found.inputs)}; the model has no other input {tensor.name}"
            )
        array = found.inputs[tensor.name]
        free = Tensor(tensor.name, tensor.dtype, ("samples", *tensor.shape[1:]))
        try:
            if array.ndim != len(free.shape):
                raise RefusedError(f"{tensor.name}: expected {free}, seen {described(array.dtype, array.shape)}")
            inputs[tensor.name] = fit(free, array)
        except RefusedError as error:
            raise RefusedError(f"what {reference} gives does not fit the model: {error}") from None
    return Samples(inputs, found.labels)


def _plain(value: Any) -> Array:
    """A numpy array of what may be a tensor; double precision is what numpy makes of anything, not what models take."""
    array = numpy.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    return array.astype("float32") if array.dtype == numpy.float64 else array


def _sound(reference: str, found: Samples) -> None:
    arrays = [*found.inputs.values(), *([] if found.labels is None else [found.labels])]
    if any(array.ndim == 0 or array.dtype.kind not in "fiub" for array in arrays):
        raise RefusedError(f"{reference} has to give arrays of numbers, one sample after the other")
    if len({len(array) for array in arrays}) != 1:
        raise RefusedError(f"{reference} gives arrays of different lengths: {', '.join(str(len(a)) for a in arrays)}")
    if not all(numpy.isfinite(array).all() for array in arrays):
        raise RefusedError(f"{reference} gives numbers that are not finite")
    if found.labels is not None and found.labels.ndim != 1:
        raise RefusedError(
            f"{reference} gives labels of shape {found.labels.shape}: a number for each sample is needed"
        )


def divided(job_calibration: str, found: Samples) -> tuple[Samples, Samples]:
    """What calibrates, and what is held out to measure."""
    if len(found) < LEAST:
        raise RefusedError(f"{job_calibration} gives {len(found)} samples, at least {LEAST} are needed")
    return found.part(slice(0, None, 2)), found.part(slice(1, None, 2))
