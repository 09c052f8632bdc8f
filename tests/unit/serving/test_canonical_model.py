"""Canonical models: the same computation, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from builder.serving.canonical import canonical, data

IR = 10


def branching(*, prefix: str, reverse: bool, **told: str) -> Any:
    """A graph whose inner graphs use its values; names, texts and the order of constants vary."""
    scale, shift = (numpy_helper.from_array(numpy.float32(v), f"{prefix}{n}") for n, v in (("scale", 3), ("shift", 5)))
    inner = [
        helper.make_graph(
            [helper.make_node(kind, [f"{prefix}doubled", f"{prefix}scale"], [f"{prefix}{kind}"], **told)],
            f"{prefix}{kind}",
            [],
            [helper.make_tensor_value_info(f"{prefix}{kind}", TensorProto.FLOAT, ["n"])],
        )
        for kind in ("Mul", "Sub")
    ]
    nodes = [
        helper.make_node("Add", ["x", "x"], [f"{prefix}doubled"], name=f"{prefix}1", **told),
        helper.make_node("ReduceSum", [f"{prefix}doubled"], [f"{prefix}sum"], keepdims=0),
        helper.make_node("Greater", [f"{prefix}sum", f"{prefix}shift"], [f"{prefix}large"]),
        helper.make_node("If", [f"{prefix}large"], ["y"], then_branch=inner[0], else_branch=inner[1]),
    ]
    sides = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])] for name in "xy"]
    constants = [shift, scale] if reverse else [scale, shift]
    graph = helper.make_graph(nodes, f"{prefix}graph", *sides, constants, **told)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name=prefix, **told)
    if told:
        made.metadata_props.add(key="path", value="/home/somebody/model.py")
    return made


def outputs(model: bytes) -> list[Any]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [session.run(None, {"x": numpy.float32(x)})[0].tolist() for x in ([1, 2, 3], [-4, 1])]


def test_what_computes_the_same_has_the_same_bytes() -> None:
    one = branching(prefix="/first/", reverse=False, doc_string="in line 7 of /home/somebody/model.py")
    other = branching(prefix="second.", reverse=True)
    assert data(one) != data(other)
    assert data(canonical(one, IR)) == data(canonical(other, IR))


def test_the_canonical_model_computes_the_same() -> None:
    model = branching(prefix="/first/", reverse=False)
    made = data(canonical(model, IR))
    assert outputs(made) == outputs(data(model)) == [[6.0, 12.0, 18.0], [-11.0, -1.0]]
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)


def test_a_canonical_model_is_canonical() -> None:
    once = canonical(branching(prefix="p", reverse=True), IR)
    assert data(canonical(once, IR)) == data(once)


def test_no_text_is_left() -> None:
    made = data(canonical(branching(prefix="/first/", reverse=False, doc_string="somebody"), IR))
    for trace in (b"first", b"somebody", b"com.microsoft"):
        assert trace not in made


def test_names_that_would_collide_stay_apart() -> None:
    sides = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])] for name in ("t2", "t3")]
    nodes = [helper.make_node("Neg", ["t2"], ["between"]), helper.make_node("Abs", ["between"], ["t3"])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", *sides), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    session = onnxruntime.InferenceSession(data(canonical(model, IR)), providers=["CPUExecutionProvider"])
    assert session.run(None, {"t2": numpy.float32([1, -2])})[0].tolist() == [1.0, 2.0]


def test_the_ir_is_no_newer_than_the_runtime_loads() -> None:
    assert canonical(branching(prefix="p", reverse=False), 8).ir_version == 8
    assert canonical(branching(prefix="p", reverse=False), 13).ir_version == 9


def test_other_computations_have_other_bytes() -> None:
    model = branching(prefix="p", reverse=False)
    model.graph.node[0].op_type = "Mul"
    assert data(canonical(model, IR)) != data(canonical(branching(prefix="p", reverse=False), IR))
