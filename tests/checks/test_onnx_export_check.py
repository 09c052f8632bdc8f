from __future__ import annotations

import pytest
from image_lab import Lab

from builder.models.base import ImageId
from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = [pytest.mark.engine, pytest.mark.quickstart]


ONE_EXPORTER = ('{"torchscript": export_torchscript, "dynamo": export_dynamo}', '{"torchscript": export_torchscript}')
"""Most faults show with either exporter; the dynamo one takes the longer."""


def asked(lab: Lab, image: ImageId, *changes: tuple[str, str], least: float = 20) -> Answer:
    """The answer about the MLP, with some lines of the script changed."""

    def change(text: str) -> str:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text

    python = "/opt/env/bin/python"
    return lab.ask("onnx-export", image, change=change, python=python, timeout=300, models=["mlp"], min_sqnr_db=least)


def failure(answer: Answer) -> list[str]:
    assert answer.outcome is Outcome.FAIL, answer
    return answer.evidence["problems"]  # type: ignore[return-value]


def test_both_models_pass_both_exporters_and_both_schemes(lab: Lab, quickstart: ImageId) -> None:
    models = ["cnn", "mlp"]
    answer = lab.ask(
        "onnx-export", quickstart, python="/opt/env/bin/python", timeout=300, models=models, min_sqnr_db=20
    )
    assert answer.outcome is Outcome.PASS, answer
    rows = [(r["model"], r["exporter"], r["scheme"]) for r in answer.evidence["rows"]]  # type: ignore[index, union-attr, call-overload]
    schemes = ("fp32", "int8 dynamic", "int8 static")
    assert rows == [(m, e, s) for m in models for e in ("torchscript", "dynamo") for s in schemes]


def test_model_that_learned_nothing_fails(lab: Lab, quickstart: ImageId) -> None:
    got = failure(asked(lab, quickstart, ONE_EXPORTER, ("STEPS = 120", "STEPS = 0")))
    assert got[0].startswith("mlp learned nothing: accuracy 0.")


def test_model_that_ignores_its_input_fails(lab: Lab, quickstart: ImageId) -> None:
    dead = "for p in model.parameters(): p.data.mul_(0 if p.dim() > 1 else 1)\n    return model.eval()"
    got = failure(asked(lab, quickstart, ONE_EXPORTER, ("return model.eval()", dead)))
    assert got[0].startswith("mlp learned nothing: accuracy 0.")


def test_calibration_on_zeros_fails(lab: Lab, quickstart: ImageId) -> None:
    got = failure(asked(lab, quickstart, ONE_EXPORTER, ("inputs[:TRAINING][:256].numpy()", "inputs[:256].numpy() * 0")))
    assert any(text.startswith("mlp by torchscript, int8 static: sqnr_db is ") for text in got)
    assert not any("int8 dynamic" in text for text in got)


def test_bar_above_what_int8_reaches_fails(lab: Lab, quickstart: ImageId) -> None:
    got = failure(asked(lab, quickstart, ONE_EXPORTER, least=90))
    assert any(text.startswith("mlp by torchscript, int8 dynamic: centred_sqnr_db is ") for text in got)


def test_quantization_that_leaves_the_weights_alone_fails(lab: Lab, quickstart: ImageId) -> None:
    old = "per_channel=not convolves)"
    got = failure(asked(lab, quickstart, ONE_EXPORTER, (old, "op_types_to_quantize=['LSTM'])")))
    assert "mlp by torchscript, int8 dynamic: int8_weights is 0.0, the bound is 0.9" in got
    assert any(text.startswith("mlp by torchscript, int8 dynamic: size_ratio is ") for text in got)
    assert not any("sqnr_db" in text for text in got)  # it is fp32 still, and nothing else would tell


def test_export_that_differs_from_torch_fails(lab: Lab, quickstart: ImageId) -> None:
    old = 'have = exact.run(None, {"input": self.inputs})[0]'
    (first, *_) = failure(asked(lab, quickstart, ONE_EXPORTER, (old, old + " * 1.001")))
    assert first.startswith("mlp by torchscript: fp32 differs from torch by 0.00")


def test_wrong_integer_kernels_fail(lab: Lab, quickstart: ImageId) -> None:
    line = 'return run.run(None, {"a": a})[0]'
    got = failure(asked(lab, quickstart, ONE_EXPORTER, (line, line + " + 1")))
    assert got[:2] == [
        "onnxruntime multiplies 1x64 by 64x64 int8 wrongly",
        "onnxruntime multiplies 33x257 by 257x65 int8 wrongly",
    ]
    assert got[3] == "onnxruntime convolves uint8 wrongly"


def test_recorded_shapes_of_the_dynamo_exporter_have_to_be_cleared(lab: Lab, quickstart: ImageId) -> None:
    """The trap of FACTS 7: without it the check could not be carried out at all."""
    answer = asked(lab, quickstart, ("    del model.graph.value_info[:]\n", ""))
    assert answer.outcome is Outcome.ERROR
    assert "Inferred shape and existing shape differ" in answer.summary
