"""Integer kernels on a processor that is not here: an emulated Haswell, which has AVX2 and no VNNI.

`apt-get install qemu-user-static` brings the emulator; the test takes a minute and a half.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from shutil import which

import pytest
from image_lab import Lab

from builder.checks import QUANTIZATION
from builder.models.base import ImageId
from builder.stages.answer import answer_of
from builder.stages.check import _BOOT

pytestmark = [pytest.mark.bench, pytest.mark.engine, pytest.mark.quickstart]

EMULATOR = which("qemu-x86_64-static")

ASKED = """
random = numpy.random.RandomState(0)
weights = [random.randn(64, 512) / 8, random.randn(512, 512) / 16, random.randn(512, 10) / 16]
helper, held, nodes, name = onnx.helper, [], [], "input"
for n, one in enumerate(weights):
    held.append(onnx.numpy_helper.from_array(one.astype("float32"), "w%d" % n))
    out = "output" if n == 2 else "h%d" % n
    nodes.append(helper.make_node("MatMul", [name, "w%d" % n], [out]))
    if n < 2:
        nodes.append(helper.make_node("Relu", [out], ["r%d" % n]))
    name = "r%d" % n
told = [helper.make_tensor_value_info(n, 1, ["batch", size]) for n, size in (("input", 64), ("output", 10))]
graph = helper.make_graph(nodes, "three layers", told[:1], told[1:], held)
opsets = [helper.make_opsetid("", 18)]
onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), "/tmp/fp32.onnx")
inputs = [{"input": random.randn(32, 64).astype("float32")} for _ in range(8)]
want = answers(session("/tmp/fp32.onnx"), inputs)
task = Task("/tmp/fp32.onnx", "/tmp", inputs, inputs, want, timed=False)
wrong, saturated = known_answers()
rows = [searched(task, [one])[0] for one in named(["static int8", "static int7", "dynamic int8", "dynamic int7"])]
ordered = [one.name for one in candidates(onnx.load("/tmp/prepared.onnx"), bool(saturated)) if not one.reserve]
conclude([], "", wrong=wrong, saturated=saturated, sqnr={r["scheme"]: r["sqnr_db"] for r in rows}, ordered=ordered)
"""


@pytest.mark.skipif(EMULATOR is None, reason="no qemu-x86_64-static here: apt-get install qemu-user-static")
def test_haswell_saturates_as_assumed_and_7_bits_are_what_helps(lab: Lab, quickstart: ImageId) -> None:
    own = Lab(lab.engine, quickstart, lab.client)
    image = own.image({"/qemu": Path(str(EMULATOR)).read_bytes()})
    folder = files("builder.checks")
    script = "\n".join(folder.joinpath(part).read_text() for part in ("_prelude.py", *QUANTIZATION)) + ASKED
    argv = ("/qemu", "-cpu", "Haswell", "/opt/env/bin/python", "-B", "-c", _BOOT, str(len(script.encode())), "{}")
    try:
        done = lab.engine.run_check(image, argv=argv, stdin=script.encode(), timeout=600)
    finally:
        lab.client.api.remove_image(image, force=True)
    found = answer_of(done, timeout=600).evidence
    assert found["wrong"] == []
    assert len(found["saturated"]) == 3  # type: ignore[arg-type]
    sqnr: dict[str, float] = found["sqnr"]  # type: ignore[assignment]
    assert sqnr["dynamic int7"] > sqnr["dynamic int8"] + 3  # 30.6 and 26.2 dB; of a trained MLP 54.4 and 27.8
    assert sqnr["static int7"] > sqnr["static int8"] + 3
    assert found["ordered"] == ["static int7", "dynamic int7"]
