# What an ONNX file says of its weights, read without the onnx package, which a deployment image does not have.
# Protocol buffers: https://protobuf.dev/programming-guides/encoding; the numbers are onnx.proto's. After the prelude.
from typing import Iterator, List, Tuple, Union

GRAPH, INITIALIZER, DIMS, DATA_TYPE = 7, 5, 1, 2
INT8 = (2, 3)  # UINT8, INT8


def _varint(data: bytes, at: int) -> "Tuple[int, int]":
    """A number of variable length, and where the next field begins."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 128:
            return value, at


def fields(data: bytes) -> "Iterator[Tuple[int, Union[int, bytes]]]":
    """Number and value of each field of a message; raises IndexError or ValueError where it is none."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("a field ends after its message")
            yield number, data[at : at + length]
            at += length
        else:
            raise ValueError("wire type {}".format(kind))


def weights(model: bytes) -> "List[Tuple[int, int]]":
    """Data type and number of elements of each weight: an initializer of two dimensions or more."""
    found = []
    for graph in (value for number, value in fields(model) if number == GRAPH and isinstance(value, bytes)):
        for tensor in (value for number, value in fields(graph) if number == INITIALIZER and isinstance(value, bytes)):
            kind, dims = 0, []
            for number, value in fields(tensor):
                if number == DATA_TYPE and isinstance(value, int):
                    kind = value
                elif number == DIMS:
                    dims += [value] if isinstance(value, int) else _packed(value)
            if len(dims) >= 2:
                count = 1
                for dim in dims:
                    count *= dim
                found.append((kind, count))
    return found


def _packed(data: bytes) -> "List[int]":
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def int8_share(model: bytes) -> float:
    """The part of the weights that is stored as 8-bit integers."""
    every = weights(model)
    return round(sum(count for kind, count in every if kind in INT8) / max(1, sum(count for _, count in every)), 4)
