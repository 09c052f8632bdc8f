"""torchvision's architectures with random weights, as they come and woken up, through the quantization engine.

Runs in the interpreter of `BUILDER_TORCHVISION_PYTHON`: torch, torchvision, onnx and onnxruntime, and nothing of this
project but the text of the engine's parts, which comes first. The last line is a JSON object.

As they come: eval mode, no training, pictures with structure. Dead is who answers (almost) the same to all of them,
or the same class. Woken up: batch normalization has seen 64 pictures, zeroed heads are drawn anew, and layer scales are
as far apart as training leaves them (what they multiply is divided by them: the answer is that of scales of 1). What a
random network then computes is arbitrary, but depends on the picture. Classes of an untrained head are near ties, so
their agreement is measured and not asked for.
"""

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import torch

try:
    torch.ops.load_library(Path(find_spec("torchvision").origin).with_name("_C.so"))
except OSError:  # its compiled part needs CUDA's libraries, which not every torch brings, and nothing here needs it
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision

torch.set_num_threads(1)
SIZE = 96


def pictures(number):
    """Ten coloured shapes, shifted, in any light, noisy."""
    random = torch.Generator().manual_seed(1)

    def grown(small):
        return torch.nn.functional.interpolate(small, size=(SIZE, SIZE), mode="bicubic", align_corners=False)

    shapes = grown(torch.randn(10, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    labels = torch.randint(10, (number,), generator=random).tolist()
    shifts = torch.randint(-8, 9, (number, 2), generator=random).tolist()
    moved = torch.stack([torch.roll(shapes[labels[n]], tuple(shifts[n]), (1, 2)) for n in range(number)])
    light = 0.5 + torch.rand(number, 1, 1, 1, generator=random)
    return (moved * light + 0.5 * grown(torch.randn(number, 3, 24, 24, generator=random))).clamp(-2.6, 2.6)


def answered(model, inputs):
    with torch.no_grad():
        return model(inputs).numpy()


def verdict(outputs):
    if sensitivity_db([outputs]) < -30:  # noqa: F821
        return "dead: ignores its input"
    return "alive" if len(numpy.unique(outputs.argmax(1))) > 1 else "dead: one class for all"  # noqa: F821


def woken(model, inputs):
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
            part.train()
        if hasattr(part, "layer_scale"):
            spread = torch.exp(1.5 * torch.randn(len(part.layer_scale)))
            part.layer_scale.data = spread.view(-1, 1, 1)
            for weights in part.block[5].parameters():
                weights.data /= spread.view(-1, *[1] * (weights.dim() - 1))
        if isinstance(part, torch.nn.Linear) and not part.weight.any():
            torch.nn.init.normal_(part.weight, std=0.02)
    answered(model, inputs)
    return model.eval()


def tried_all(model, inputs, folder, names):
    path = str(Path(folder) / "fp32.onnx")
    told = {"input_names": ["input"], "output_names": ["output"], "opset_version": 18, "dynamo": False}
    torch.onnx.export(model, (inputs[:2],), path, dynamic_axes={n: {0: "batch"} for n in ("input", "output")}, **told)
    made_loadable(path, newest()["ir_version"])  # noqa: F821
    feeds = [{"input": part.numpy()} for part in inputs.split(8)]
    want = [answered(model, inputs[32:])]
    task = Task(path, folder, feeds[:4], feeds[4:], want, None, {"agreement": 0}, timed=False)  # noqa: F821
    return searched(task), [searched(task, [one])[0] for one in named(names)]  # noqa: F821


def main():
    name = sys.argv[1]
    inputs = pictures(64)
    torch.manual_seed(0)
    more = {"image_size": SIZE} if name.startswith("vit") else {}
    model = getattr(torchvision.models, name)(weights=None, **more).eval()
    raw = answered(model, inputs[32:])
    said = {"raw": verdict(raw), "sensitivity_db": sensitivity_db([raw])}  # noqa: F821
    if len(sys.argv) > 2:
        with tempfile.TemporaryDirectory() as folder:
            said["searched"], said["others"] = tried_all(woken(model, inputs), inputs, folder, sys.argv[2].split(","))
    sys.stdout.write(json.dumps(said) + "\n")


main()
