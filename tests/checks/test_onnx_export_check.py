from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from image_lab import Lab
from onnx_lab import TEAM

from builder.models.base import ImageId
from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = [pytest.mark.engine, pytest.mark.quickstart]

MODELS = ["cnn", "mlp", "lstm", "transformer"]
ONE = ["torchscript"]
"""Most faults show with either exporter; the dynamo one takes the longer."""


def asked(lab: Lab, image: ImageId, *changes: tuple[str, str], **arguments: object) -> Answer:
    """The answer about the image, with some lines of the script changed."""

    def change(text: str) -> str:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text

    return lab.ask("onnx-export", image, change=change, python="/opt/env/bin/python", timeout=400, **arguments)


def rows(answer: Answer) -> list[dict[str, Any]]:
    return answer.evidence["rows"]  # type: ignore[return-value]


def failure(answer: Answer) -> list[str]:
    assert answer.outcome is Outcome.FAIL, answer
    return answer.evidence["problems"]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def team(lab: Lab, quickstart: ImageId) -> Iterator[ImageId]:
    """The image with a module of models beside torch."""
    own = Lab(lab.engine, quickstart, lab.client)
    yield own.image({"/opt/env/lib/python3.9/site-packages/team.py": TEAM})
    for image in own.made:
        lab.client.api.remove_image(image, force=True)


def test_all_four_models_pass_both_exporters_within_the_bar(lab: Lab, quickstart: ImageId) -> None:
    answer = asked(lab, quickstart, exporters=["torchscript", "dynamo"])
    assert answer.outcome is Outcome.PASS, answer
    chosen = [row for row in rows(answer) if row.get("chosen")]
    assert [(r["model"], r["exporter"]) for r in chosen] == [(m, e) for m in MODELS for e in ("torchscript", "dynamo")]
    for row in chosen:
        assert row["sqnr_db"] >= 20
        assert row["size_ratio"] <= 0.35
        assert row["int8_weights"] >= 0.9
        assert row["int8_kernels"] >= 0.9
        assert row["latency_ratio"] <= 0.7
    assert {r["scheme"] for r in chosen if r["model"] in ("lstm", "transformer")} == {"dynamic int8"}


def test_model_that_learned_nothing_fails(lab: Lab, quickstart: ImageId) -> None:
    (text,) = failure(asked(lab, quickstart, ("STEPS = 120", "STEPS = 0"), models=["mlp"]))
    assert text.startswith("mlp learned nothing: accuracy 0.")


def test_calibration_on_zeros_fails(lab: Lab, quickstart: ImageId) -> None:
    zeros = ("inputs[: min(TRAINING, CALIBRATION)].numpy()", "inputs[:256].numpy() * 0")
    ways = ["static int8", "dynamic int8"]
    (text,) = failure(asked(lab, quickstart, zeros, models=["mlp"], exporters=ONE, schemes=ways))
    assert text.startswith("mlp by torchscript, static int8: sqnr_db is ")  # the dynamic one measures as it goes


def test_search_goes_on_to_what_passes(lab: Lab, quickstart: ImageId) -> None:
    """The twin of the test above: told nothing about schemes, it finds the one that the zeros do not spoil."""
    zeros = ("inputs[: min(TRAINING, CALIBRATION)].numpy()", "inputs[:256].numpy() * 0")
    answer = asked(lab, quickstart, zeros, models=["mlp"], exporters=ONE)
    assert answer.outcome is Outcome.PASS
    assert [r["scheme"] for r in rows(answer) if r.get("chosen")] == ["dynamic int8"]


def test_bar_above_what_int8_reaches_fails(lab: Lab, quickstart: ImageId) -> None:
    got = failure(asked(lab, quickstart, models=["mlp"], exporters=ONE, min_sqnr_db=90))
    assert any(text.startswith("mlp by torchscript, dynamic int8: sqnr_db is ") for text in got)
    got = failure(asked(lab, quickstart, models=["mlp"], exporters=ONE, bounds={"latency_ratio": 0.01}))
    assert any(text.startswith("mlp by torchscript, dynamic int8: latency_ratio is 0.") for text in got)


def test_static_lstm_is_no_int8(lab: Lab, quickstart: ImageId) -> None:
    """onnxruntime leaves the recurrent weights as they are and says nothing; only what is within tells."""
    (text,) = failure(asked(lab, quickstart, models=["lstm"], exporters=ONE, schemes=["static int8"]))
    assert text.startswith("lstm by torchscript, static int8: int8_weights is 0.0")
    assert "; int8_kernels is 0.0" in text
    assert "; size_ratio is " in text
    assert "sqnr_db" not in text  # it is fp32 still


def test_int8_that_is_widened_before_every_product_is_no_int8(lab: Lab, quickstart: ImageId) -> None:
    """Small and exact, and every product is fp32's."""
    weights_alone = """        **own,
    )
    model = onnx.load(target)
    held = {tensor.name for tensor in model.graph.initializer}
    past = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    rest = {n.output[0]: past[n.input[0]] for n in model.graph.node if n.input and n.input[0] in past}
    for node in list(model.graph.node):
        if node.output[0] in past or node.output[0] in rest:
            model.graph.node.remove(node)
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            while node.input[at] in rest:
                node.input[at] = rest[node.input[at]]
    last = model.graph.output[0].name
    if last in rest:
        model.graph.node.append(onnx.helper.make_node("Identity", [rest[last]], [last]))
    onnx.save(model, target)
"""
    change = ("        **own,\n    )\n", weights_alone)
    (text,) = failure(asked(lab, quickstart, change, models=["mlp"], exporters=ONE, schemes=["static int8 narrow"]))
    assert text.startswith("mlp by torchscript, static int8 narrow: int8_kernels is 0.0, the bound is 0.9")
    assert "int8_weights" not in text
    assert "sqnr_db" not in text


def test_export_that_differs_from_torch_fails(lab: Lab, quickstart: ImageId) -> None:
    old = "have = answers(run, subject.held_out)"
    wrong = (old, old + "\n        have = [out * 1.001 for out in have]")
    (text,) = failure(asked(lab, quickstart, wrong, models=["mlp"], exporters=ONE))
    assert text.startswith("mlp by torchscript: fp32 differs from torch by 0.00")


def test_wrong_integer_kernels_fail(lab: Lab, quickstart: ImageId) -> None:
    line = 'return session(model.SerializeToString()).run(None, {"a": a})[0]'
    got = failure(asked(lab, quickstart, (line, line + " + 1"), models=["mlp"], exporters=ONE))
    assert got[:2] == [
        "onnxruntime multiplies 1x64 by 64x64 int8 wrongly",
        "onnxruntime multiplies 1x64 by 64x64 int7 wrongly",
    ]
    assert got[6] == "onnxruntime convolves uint8 wrongly"


def test_kernels_that_saturate_are_named_and_no_failure(lab: Lab, quickstart: ImageId) -> None:
    """As on AVX2 without VNNI: no such processor is here, so the products are made as it would make them."""
    line = 'return session(model.SerializeToString()).run(None, {"a": a})[0]'
    as_avx2 = line + ' if kind == "ConvInteger" else saturating(a, b)'
    answer = asked(lab, quickstart, (line, as_avx2), models=["mlp"], exporters=ONE)
    assert answer.outcome is Outcome.PASS
    assert [row["scheme"] for row in rows(answer)] == ["fp32", "static int7", "dynamic int7"]
    assert answer.evidence["kernels"][0] == "onnxruntime multiplies 1x64 by 64x64 int8 with saturation"  # type: ignore[index, call-overload]


def test_recorded_shapes_of_the_dynamo_exporter_have_to_be_cleared(lab: Lab, quickstart: ImageId) -> None:
    """The trap of FACTS 7."""
    left = ("    del model.graph.value_info[:]\n", "")
    (text,) = failure(asked(lab, quickstart, left, models=["mlp"], schemes=["dynamic int8"]))
    assert text.startswith("mlp by dynamo, dynamic int8: it cannot be made or run: ")
    assert "Inferred shape and existing shape differ" in text


@pytest.mark.parametrize("samples", ["two", "batches"])
def test_own_model_with_several_inputs_and_outputs_passes(lab: Lab, team: ImageId, samples: str) -> None:
    """Its dropout would show, were it left in training mode."""
    names = {"inputs": ["picture", "place"], "outputs": ["class", "size"]} if samples == "two" else {}
    answer = asked(lab, team, model="team:Sides", calibration=f"team:{samples}", exporters=ONE, **names)
    assert answer.outcome is Outcome.PASS, answer
    assert answer.evidence["models"].keys() == {"team:Sides"}  # type: ignore[union-attr]
    assert [row["scheme"] for row in rows(answer) if row.get("chosen")] == ["dynamic int8"]


def test_dead_model_fails_for_being_dead(lab: Lab, team: ImageId) -> None:
    (text,) = failure(asked(lab, team, model="team:Deaf", calibration="team:one"))
    assert text.startswith("team:Deaf ignores its input, its outputs hardly differ: sensitivity_db is -")


def test_model_with_one_answer_for_everything_fails(lab: Lab, team: ImageId) -> None:
    (text,) = failure(asked(lab, team, model="team:Biased", calibration="team:one"))
    assert text.startswith("team:Biased answers all 128 samples with the same class")


def test_model_that_nothing_can_quantize_fails(lab: Lab, team: ImageId) -> None:
    (text,) = failure(asked(lab, team, model="team:Gated", calibration="team:waves", exporters=ONE))
    reason = "no configuration can make its weights int8, they are those of GRU 98%, Gemm 2%"
    assert text == f"team:Gated by torchscript: {reason}"


def test_exporter_that_fails_is_evidence_and_a_failure_where_it_is_asked_for(lab: Lab, team: ImageId) -> None:
    answer = asked(lab, team, model="team:Branching", calibration="team:one")
    assert answer.outcome is Outcome.PASS, answer
    assert "data-dependent" in rows(answer)[-1]["error"]
    (text,) = failure(asked(lab, team, model="team:Branching", calibration="team:one", exporters=["dynamo"]))
    assert text.startswith("team:Branching cannot be exported by dynamo: ")


def test_what_a_recipe_names_wrongly_is_named(lab: Lab, team: ImageId) -> None:
    """One container for all: importing torch takes the time."""
    asks = [
        ("team:Sides", "team:few", "calibration: team:few gives 8 samples, 16 are needed"),
        ("team:Sides", "team:ragged", "calibration: team:ragged gives arrays of 40 and 41 samples"),
        ("team:Sides", "team:number", "calibration: team:number gives a int, not an array, a tuple of arrays"),
        (
            "team:Sides",
            "team:one",
            "model: team:Sides fails on samples of shape (32, 64): TypeError: forward() missing",
        ),
        ("team:number", "team:one", "model: team:number gives a int, not a torch.nn.Module"),
        ("team:Summing", "team:one", "model: output 0 of team:Summing is of shape (5,) for 32 samples"),
        ("team:fails", "team:one", "model: team:fails raises RuntimeError: no weights at /data"),
        ("team:nothing", "team:one", "model: module team has no function nothing"),
        ("tean:Sides", "team:one", "model: tean cannot be imported in the image: ModuleNotFoundError"),
    ]
    collected = f"""seen = []
for model, samples, _ in {asks!r}:
    try:
        users(model, samples, [], [])
        seen.append("nothing is wrong")
    except WrongError as error:
        seen.append(str(error))
finish("FAIL", "", problems=seen)
"""
    got = failure(asked(lab, team, ("try:\n    main()\n", collected + "try:\n    main()\n")))
    assert [text[: len(want)] for text, (_, _, want) in zip(got, asks, strict=True)] == [want for _, _, want in asks]
