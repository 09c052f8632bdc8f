"""An ONNX model without anything of where, when and how it was made.

The same computation gives the same bytes: constants in order, short names, no texts, no paths, no producer, and no
more of the format than it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx

PRODUCER = "builder"


def canonical(model: Any, newest_ir: int, *, node_names: bool = False) -> Any:
    """A copy that computes the same.

    newest_ir: what the runtime loads. node_names: give the nodes short ones, which quantizers ask for.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for name in ("doc_string", "domain", "model_version", "producer_version", "metadata_props", "training_info"):
        made.ClearField(name)
    made.producer_name = PRODUCER
    made.graph.name = "model"
    for graph in graphs(made.graph):
        _stripped(graph)
    for function in made.functions:
        _plain(function.node)
        _clear(function, "doc_string", "metadata_props", "value_info")
    _renamed(made.graph, node_names)
    _constants_in_order(made.graph)
    used = {node.domain for graph in graphs(made.graph) for node in graph.node} | {f.domain for f in made.functions}
    used |= {node.domain for function in made.functions for node in function.node}
    kept = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in made.opset_import}
    del made.opset_import[:]
    made.opset_import.extend(
        onnx.helper.make_opsetid(domain, version)
        for domain, version in sorted(kept.items())
        if domain == "" or domain in used
    )
    made.ir_version = min(newest_ir, made.ir_version)
    return made


def data(model: Any) -> bytes:
    """The model's bytes."""
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


def graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside of it."""
    yield graph
    for node in graph.node:
        for inner in _inside(node):
            yield from graphs(inner)


def _inside(node: Any) -> list[Any]:
    return [g for a in node.attribute for g in (*([a.g] if a.HasField("g") else []), *a.graphs)]


def _clear(proto: Any, *names: str) -> None:
    for name in names:
        if name in proto.DESCRIPTOR.fields_by_name:  # metadata_props of nodes and values are newer than the rest
            proto.ClearField(name)


def _stripped(graph: Any) -> None:
    _clear(graph, "doc_string", "metadata_props", "value_info", "quantization_annotation")
    for value in (*graph.input, *graph.output):
        _clear(value, "doc_string", "metadata_props")
    for tensor in graph.initializer:
        _clear(tensor, "doc_string", "metadata_props")
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]  # as of IR 4 constants are no inputs
    del graph.input[:]
    graph.input.extend(inputs)
    _plain(graph.node)


def _plain(nodes: Any) -> None:
    for node in nodes:
        _clear(node, "doc_string", "metadata_props")
        for attribute in node.attribute:
            _clear(attribute, "doc_string")
        ordered = sorted(node.attribute, key=lambda a: str(a.name))
        del node.attribute[:]
        node.attribute.extend(ordered)


def _renamed(main: Any, node_names: bool) -> None:
    """Every name but the model's inputs and outputs, in the order in which they are met.

    One map for all graphs: what was one name stays one, what were two stay two, so that inner graphs still see what
    they saw of the outer ones.
    """
    fixed = [value.name for value in (*main.input, *main.output)]
    names: dict[str, str] = {"": "", **{name: name for name in fixed}}
    taken = set(fixed)

    def short(name: str) -> str:
        if name not in names:
            number = len(names)
            while f"t{number}" in taken:
                number += 1
            taken.add(f"t{number}")
            names[name] = f"t{number}"
        return names[name]

    count = 0
    for graph in graphs(main):
        for node in graph.node:
            node.input[:] = [short(name) for name in node.input]
            node.output[:] = [short(name) for name in node.output]
            node.name = f"n{count}" if node_names else ""
            count += 1
        for tensor in graph.initializer:
            tensor.name = short(tensor.name)
        for sparse in graph.sparse_initializer:
            sparse.values.name = short(sparse.values.name)
        if graph is not main:
            graph.name = "inner"
            for value in (*graph.input, *graph.output):
                value.name = short(value.name)


def _constants_in_order(main: Any) -> None:
    """By name, which is the order in which the nodes use them."""
    for graph in graphs(main):
        ordered = sorted(graph.initializer, key=lambda t: (len(t.name), t.name))
        del graph.initializer[:]
        graph.initializer.extend(ordered)
