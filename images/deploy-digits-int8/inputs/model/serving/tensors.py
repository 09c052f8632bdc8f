"""What a caller gives, as the arrays that the model takes; and arrays as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy

from .model import RefusedError, Tensor, described

Array = Any


def read(data: bytes, wanted: tuple[Tensor, ...]) -> dict[str, Array]:
    """The inputs in a .npy or .npz file, or in JSON: a list for the only input, or an object by names."""
    if not data.strip():
        raise RefusedError("the input is empty: JSON, .npy or .npz is needed")
    return fitted(_binary(data) if data[:6] == b"\x93NUMPY" or data[:2] == b"PK" else _json(data), wanted)


def _binary(data: bytes) -> object:
    try:
        loaded = numpy.load(io.BytesIO(data), allow_pickle=False)
        return loaded if isinstance(loaded, numpy.ndarray) else {name: loaded[name] for name in loaded.files}
    except Exception as error:  # a damaged file: zipfile, zlib and numpy each have their own
        raise RefusedError(f"the input is a damaged .npy or .npz file: {error}") from None


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"the input is neither .npy nor .npz nor JSON: {error}") from None


def fitted(given: object, wanted: tuple[Tensor, ...]) -> dict[str, Array]:
    """Each of the model's inputs, as it takes it."""
    if not isinstance(given, Mapping):
        if len(wanted) > 1:
            raise RefusedError(f"the model has {len(wanted)} inputs: give an object with {_names(wanted)}")
        given = {wanted[0].name: given}
    surplus = sorted(set(map(str, given)) - {tensor.name for tensor in wanted})
    if surplus:
        raise RefusedError(f"no input is called {surplus[0]!r}: the model has {_names(wanted)}")
    for tensor in wanted:
        if tensor.name not in given:
            raise RefusedError(f"the input {tensor.name!r} is missing: expected {tensor}")
    arrays = {tensor.name: fit(tensor, given[tensor.name]) for tensor in wanted}
    agreed(arrays, wanted)
    return arrays


def fit(tensor: Tensor, value: object) -> Array:
    """The value as the model takes it; one sample alone becomes a batch of one."""
    array = _array(tensor, value)
    batches = tensor.shape[:1] == (1,) or isinstance((*tensor.shape, 0)[0], str)
    if batches and array.ndim == len(tensor.shape) - 1:
        array = array[None]
    same = len(array.shape) == len(tensor.shape) and all(
        isinstance(want, str) or want == have for want, have in zip(tensor.shape, array.shape)
    )
    if not same or 0 in array.shape:
        raise RefusedError(f"{tensor.name}: expected {tensor}, seen {described(array.dtype, array.shape)}")
    if array.dtype.kind == "f" and not numpy.isfinite(array).all():
        raise RefusedError(f"{tensor.name}: not every number is finite in {tensor.dtype}")
    return numpy.ascontiguousarray(array)


def _array(tensor: Tensor, value: object) -> Array:
    """An array of the declared type: JSON's numbers are what they are asked to be, an array's type has to fit."""
    try:
        given = value if isinstance(value, numpy.ndarray) else numpy.asarray(value)
    except ValueError:
        raise RefusedError(f"{tensor.name}: expected {tensor}, seen lists of different lengths") from None
    if given.dtype == object or given.dtype.kind in "USMmV":
        raise RefusedError(f"{tensor.name}: expected {tensor}, seen what is no array of numbers") from None
    if not numpy.can_cast(given.dtype, tensor.dtype, casting="same_kind"):
        raise RefusedError(f"{tensor.name}: expected {tensor}, seen {described(given.dtype, given.shape)}")
    with numpy.errstate(over="ignore"):
        cast: Array = given.astype(tensor.dtype)
    if cast.dtype.kind in "iu" and not numpy.array_equal(cast, given):
        raise RefusedError(f"{tensor.name}: a number is outside of what {tensor.dtype} holds")
    return cast


def agreed(arrays: Mapping[str, Array], wanted: tuple[Tensor, ...]) -> None:
    """Lengths that have one name have to be one length."""
    seen: dict[str, int] = {}
    for tensor in wanted:
        for want, have in zip(tensor.shape, arrays[tensor.name].shape):
            if isinstance(want, str) and seen.setdefault(want, have) != have:
                raise RefusedError(f"{tensor.name}: {want} is {have} here and {seen[want]} in another input")


def _names(wanted: tuple[Tensor, ...]) -> str:
    return ", ".join(f"{tensor.name} {tensor}" for tensor in wanted)


def decibels(want: Array, have: Array) -> float:
    """How far the error lies below the signal, in dB: 200 stands for no error at all."""
    signal, noise = (float((part.astype("float64") ** 2).sum()) for part in (want, want - have.astype("float64")))
    if noise == 0:
        return 200.0
    return float(10 * numpy.log10(signal / noise)) if signal and numpy.isfinite(noise) else -200.0
