"""The maker with a real torch, in the quickstart image: what a module gives, and how it is written as ONNX."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.models.base import ImageId
from builder.serving.files import workshop_files

pytestmark = [pytest.mark.engine, pytest.mark.quickstart]

RECIPE = '''\
import torch
from torch import nn

torch.manual_seed(0)
CENTRES = torch.randn(5, 12, 16)


def samples():
    random = torch.Generator().manual_seed(1)
    labels = torch.randint(5, (256,), generator=random)
    return CENTRES[labels] + 0.4 * torch.randn(256, 12, 16, generator=random), labels


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.last = nn.LSTM(16, 96, batch_first=True), nn.Linear(96, 5)

    def forward(self, x):
        return self.last(self.cells(x)[0][:, -1])


def recurrent():
    """Trained here."""
    made = Recurrent()
    optimizer = torch.optim.Adam(made.parameters(), 5e-3)
    inputs, labels = samples()
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(inputs), labels).backward()
        optimizer.step()
    return made


class Pair(nn.Module):
    """Two inputs, two outputs."""

    def __init__(self):
        super().__init__()
        self.first, self.left, self.right = nn.Linear(192, 256), nn.Linear(256, 5), nn.Linear(256, 3)

    def forward(self, x, scale):
        hidden = torch.relu(self.first(x.flatten(1)))
        return self.left(hidden) * scale, self.right(hidden)


class Untraceable(Pair):
    """The older exporter calls it, and fails."""

    def forward(self, x, scale):
        if torch.jit.is_tracing():
            raise RuntimeError("not by tracing")
        return super().forward(x, scale)


def pair():
    return Pair()


def untraceable():
    return Untraceable()


def scaled():
    inputs, _ = samples()
    return {"x": inputs, "scale": 1 + torch.rand(len(inputs), 1)}


def weights():
    made = Pair()
    nn.init.constant_(made.right.bias, 0.7109375)
    torch.save(made.state_dict(), "weights.pt")


def number():
    return 7
'''
BIAS = struct.pack("<3f", *[0.7109375] * 3)
UNTRAINED = {"agreement": 0.8, "min_cosine": 0.9}  # classes of a network that nobody trained lie close to one another


@dataclass(frozen=True)
class Torch:
    """The maker's folder, mounted into containers of the quickstart."""

    root: Path
    image: ImageId

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        mount = f"{self.root}:{self.root}"
        command = ["docker", "run", "--rm", "--network=none", "--volume", mount, "--workdir", f"{self.root}/sources"]
        return subprocess.run(
            [*command, self.image, "/opt/env/bin/python", "-B", *argv],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def make(self, name: str, **job: Any) -> subprocess.CompletedProcess[str]:
        (self.root / f"{name}.json").write_text(json.dumps({"name": name, **job}))
        folders = (f"{self.root}/{name}.json", f"{self.root}/sources", f"{self.root}/{name}")
        return self.run(f"{self.root}/make_model.py", *folders)

    def manifest(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.root / name / "manifest.json").read_bytes())
        return told


@pytest.fixture(scope="module")
def made(quickstart: ImageId, tmp_path_factory: pytest.TempPathFactory) -> Torch:
    root = tmp_path_factory.mktemp("torch")
    (root / "serving").mkdir()
    (root / "sources").mkdir()
    for script in workshop_files():
        (root / script.path).write_text(script.content)
    (root / "sources/recipe.py").write_text(RECIPE)
    return Torch(root, quickstart)


def test_a_module_that_its_factory_trains_is_the_same_twice(made: Torch) -> None:
    for name in ("one", "two"):
        done = made.make(name, factory="recipe:recurrent", calibration="recipe:samples")
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = made.manifest("one"), made.manifest("two")
    assert one["files"] == two["files"]
    assert (one["scheme"], one["reference"], one["quality"]["accuracy"] > 0.95) == ("dynamic int8", "torch", True)
    assert one["quality"]["fp32_error"] < 1e-5


def test_weights_are_put_into_what_the_factory_builds(made: Torch) -> None:
    assert made.run("-c", "import recipe; recipe.weights()").returncode == 0
    job = {"factory": "recipe:pair", "calibration": "recipe:scaled", "scheme": "none"}
    for name, own in (("plain", {}), ("weighted", {"weights": "weights.pt"})):
        done = made.make(name, **job, **own)
        assert done.returncode == 0, done.stderr[-2000:]
    plain, weighted = ((made.root / name / "model.onnx").read_bytes() for name in ("plain", "weighted"))
    assert len(plain) == len(weighted)
    assert (BIAS in plain, BIAS in weighted) == (False, True)
    told = made.manifest("weighted")
    assert [tensor["name"] for tensor in told["inputs"]] == ["x", "scale"]
    assert [tensor["shape"] for tensor in told["outputs"]] == [["batch", 5], ["batch", 3]]


def test_what_cannot_be_traced_goes_through_the_other_exporter(made: Torch) -> None:
    done = made.make("other", factory="recipe:untraceable", calibration="recipe:scaled", gates=UNTRAINED)
    assert done.returncode == 0, done.stderr[-2000:]
    assert b"recipe.py" not in (made.root / "other/model.onnx").read_bytes()  # as that exporter writes it


def test_what_is_no_model_is_said(made: Torch) -> None:
    done = made.make("number", factory="recipe:number", calibration="recipe:samples")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "make_model: recipe:number gives int: a torch module or an ONNX model is needed"
    )
