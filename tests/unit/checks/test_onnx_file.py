"""Weights of an ONNX file, counted without the onnx package: as the onnx package counts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import builder.checks

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    """What the part defines."""
    found: dict[str, Any] = {}
    exec(Path(builder.checks.__file__).with_name("_onnx_file.py").read_text(), found)
    return found


def model(*tensors: Any) -> bytes:
    graph = onnx.helper.make_graph([], "g", [], [], initializer=list(tensors))
    return onnx.helper.make_model(graph, doc_string="x" * 300).SerializeToString()


def tensor(kind: str, *shape: int, raw: bool = True) -> Any:
    number = getattr(onnx.TensorProto, kind)
    count = 1
    for size in shape:
        count *= size
    data = bytes(count * {"FLOAT": 4, "INT8": 1, "UINT8": 1}[kind]) if raw else [0] * count
    return onnx.helper.make_tensor("t", number, shape, data, raw=raw)


def test_int8_among_float_is_counted_by_its_elements(reader: dict[str, Any]) -> None:
    data = model(tensor("INT8", 10, 20), tensor("UINT8", 5, 20), tensor("FLOAT", 10, 10))
    assert reader["weights"](data) == [(3, 200), (2, 100), (1, 100)]
    assert reader["int8_share"](data) == 0.75


def test_vectors_and_scalars_are_no_weights(reader: dict[str, Any]) -> None:
    assert reader["int8_share"](model(tensor("INT8", 2, 2), tensor("FLOAT", 1000), tensor("FLOAT"))) == 1.0


def test_values_that_are_not_raw_count_too(reader: dict[str, Any]) -> None:
    assert reader["weights"](model(tensor("FLOAT", 30, 40, raw=False))) == [(1, 1200)]


def test_a_model_without_weights_has_no_int8(reader: dict[str, Any]) -> None:
    assert reader["int8_share"](model()) == 0.0


@pytest.mark.parametrize("data", [b"no model at all", b"\x3a\xff\xff\xff\x7fx", b"\x3a", b"\x80"])
def test_what_is_no_model_raises_and_does_not_hang(reader: dict[str, Any], data: bytes) -> None:
    with pytest.raises((IndexError, ValueError)):
        reader["int8_share"](data)
