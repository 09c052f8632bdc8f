"""A small float model as an ONNX file and samples for it, from the standard library alone: for tests of the image."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INPUTS, HIDDEN, OUTPUTS, SAMPLES = 16, 256, 4, 96


@dataclass(frozen=True)
class Tiny:
    """The model and what goes in and comes out."""

    model: bytes
    samples: bytes
    """An `.npz` file of inputs."""
    bias: tuple[float, ...]
    """What a dead one says to anything."""


def tiny(*, alive: bool = True) -> Tiny:
    """Dense layers; `alive`: whether the output depends on the input."""
    dice = random.Random(0)
    first = [dice.gauss(0, 0.2 if alive else 0.0) for _ in range(INPUTS * HIDDEN)]
    second = [dice.gauss(0, 0.2) for _ in range(HIDDEN * HIDDEN)]
    last = [dice.gauss(0, 0.2) for _ in range(HIDDEN * OUTPUTS)]
    bias = tuple(dice.gauss(0, 1) for _ in range(OUTPUTS))
    numbers = [dice.gauss(0, 1) for _ in range(SAMPLES * INPUTS)]
    samples = npz({"input": ((SAMPLES, INPUTS), numbers)})
    return Tiny(_model(first, second, last, bias), samples, bias)


def write(folder: Path) -> None:
    """`tiny.onnx` and `samples.npz`, as a recipe names them."""
    made = tiny()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.onnx").write_bytes(made.model)
    (folder / "samples.npz").write_bytes(made.samples)


def _model(first: Sequence[float], second: Sequence[float], last: Sequence[float], bias: Sequence[float]) -> bytes:
    """input -> MatMul, Relu, MatMul, Relu, MatMul, Add -> output. The field numbers are those of onnx.proto."""
    nodes = (
        ("MatMul", ("input", "a"), "b"),
        ("Relu", ("b",), "c"),
        ("MatMul", ("c", "d"), "e"),
        ("Relu", ("e",), "f"),
        ("MatMul", ("f", "g"), "h"),
        ("Add", ("h", "i"), "output"),
    )
    graph = b"".join(_bytes(1, _node(*node)) for node in nodes) + _bytes(2, b"tiny")
    tensors = (
        ("a", (INPUTS, HIDDEN), first),
        ("d", (HIDDEN, HIDDEN), second),
        ("g", (HIDDEN, OUTPUTS), last),
        ("i", (OUTPUTS,), bias),
    )
    graph += b"".join(_bytes(5, _tensor(*tensor)) for tensor in tensors)
    graph += _bytes(11, _value("input", INPUTS)) + _bytes(12, _value("output", OUTPUTS))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 17))


def _node(kind: str, inputs: Iterable[str], output: str) -> bytes:
    return b"".join(_bytes(1, name.encode()) for name in inputs) + _bytes(2, output.encode()) + _bytes(4, kind.encode())


def _tensor(name: str, shape: Iterable[int], values: Sequence[float]) -> bytes:
    raw = struct.pack(f"<{len(values)}f", *values)
    return b"".join(_number(1, n) for n in shape) + _number(2, 1) + _bytes(8, name.encode()) + _bytes(9, raw)


def _value(name: str, width: int) -> bytes:
    shape = _bytes(1, _bytes(2, b"batch")) + _bytes(1, _number(1, width))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, 1) + _bytes(2, shape)))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def npz(arrays: Mapping[str, tuple[tuple[int, ...], Sequence[float]]]) -> bytes:
    """A `.npz` file of float32 arrays: shape and values by name."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, (shape, values) in arrays.items():
            header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
            header += " " * (-(len(header) + 11) % 64) + "\n"
            array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array + struct.pack(f"<{len(values)}f", *values))
    return made.getvalue()
