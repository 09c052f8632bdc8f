"""No GPU can be had where these run: the driver is a stub, and so is torch where it has to compute. What a real GPU
answers is proven only on a host that has one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from image_lab import Lab, compiled

from builder.checks.tables import cuda_table
from builder.models.base import ImageId
from builder.models.report import Outcome
from builder.stages.answer import Answer, answer_of

pytestmark = pytest.mark.engine

NVML = """
static void put(char *to, const char *from) {{ while ((*to++ = *from++)) ; }}
int nvmlInit_v2(void) {{ return {status}; }}
int nvmlSystemGetDriverVersion(char *b, unsigned n) {{ put(b, "{driver}"); return 0; }}
int nvmlDeviceGetCount_v2(unsigned *n) {{ *n = {count}; return 0; }}
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) {{ *h = 0; return i < {lost} ? 0 : 15; }}
int nvmlDeviceGetMemoryInfo(void *h, unsigned long long m[3]) {{ m[0] = 16000000000ULL; m[1] = m[0]; return 0; }}
int nvmlDeviceGetCudaComputeCapability(void *h, int *a, int *b) {{ *a = 9; *b = 0; return 0; }}
int nvmlDeviceGetName(void *h, char *b, unsigned n) {{ put(b, "Stub GPU"); return 0; }}
"""
COMPUTES = "import json; print(json.dumps({'errors': {'matmul': %s}, 'torch': 'stub'})); raise SystemExit(0)\n"


@dataclass(frozen=True)
class Stub:
    """A driver's management library that gives these answers."""

    status: int = 0
    count: int = 1
    lost: int = 99
    """The first GPU that is lost."""
    driver: str = "570.86.10"


def asked(
    lab: Lab, tmp_path: Path, torch: str | None = None, stub: Stub = Stub(), *, compat: bool = False, **asks: object
) -> Answer:
    library = compiled(tmp_path, NVML.format(**vars(stub)))
    files: dict[str, str | bytes] = {"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": library}
    if torch is not None:
        files["/usr/lib/python3/dist-packages/torch.py"] = torch
    if compat:
        files["/usr/local/cuda-12.8/compat/libcuda.so.1"] = library
    return lab.ask("nvidia-smi", lab.image(files), runtime="12.8", drivers=cuda_table().drivers("12.8"), **asks)


def test_engine_that_gives_no_gpu_leaves_it_unproven_with_its_reason(lab: Lab) -> None:
    if lab.engine.version().nvidia:
        pytest.skip("this engine can give a GPU")
    completed = lab.engine.run_check(lab.image(), argv=("true",), stdin=b"", timeout=30, gpus=True)
    answer = answer_of(completed, timeout=30)
    assert answer.outcome is Outcome.UNPROVEN
    assert answer.summary == ('the engine gives no GPU: could not select device driver "" with capabilities: [[gpu]]')


def test_container_without_a_driver_is_unproven(lab: Lab) -> None:
    answer = lab.ask("nvidia-smi", lab.image())
    assert answer.outcome is Outcome.UNPROVEN
    assert answer.summary.startswith("no GPU to prove it on: the container has no NVIDIA driver library (libnvidia-ml")


def test_driver_that_is_not_loaded_is_unproven(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, stub=Stub(status=9))
    assert answer.outcome is Outcome.UNPROVEN
    assert answer.summary == "no GPU to prove it on: the NVIDIA driver is not loaded (NVML 9)"


def test_driver_without_a_gpu_is_unproven(lab: Lab, tmp_path: Path) -> None:
    assert asked(lab, tmp_path, stub=Stub(count=0)).summary == (
        "no GPU to prove it on: driver 570.86.10 shows none to the container"
    )


@pytest.mark.parametrize(
    ("stub", "summary"),
    [
        (Stub(status=15), "a GPU has fallen off the bus: the host has to be looked at"),
        (Stub(count=2, lost=1), "GPU 1: a GPU has fallen off the bus: the host has to be looked at"),
        (
            Stub(status=18),
            "the driver's library and its kernel module are of two versions: the host has to be restarted",
        ),
        (Stub(status=3), "NVML does not start: error 3"),
    ],
)
def test_broken_gpu_fails(lab: Lab, tmp_path: Path, stub: Stub, summary: str) -> None:
    answer = asked(lab, tmp_path, COMPUTES % "0.0", stub)
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, summary)


def test_gpu_without_torch_is_unproven(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path)
    assert answer.outcome is Outcome.UNPROVEN
    assert answer.summary == "there is a GPU, but no torch in the image to compute with"


@pytest.mark.parametrize("driver", ["470.57.02", "390.10"])
def test_too_old_driver_fails(lab: Lab, tmp_path: Path, driver: str) -> None:
    answer = asked(lab, tmp_path, COMPUTES % "0.0", Stub(driver=driver))
    assert (answer.outcome, answer.summary) == (
        Outcome.FAIL,
        f"the driver is {driver}, the image's CUDA 12.8 needs 525.60.13 or newer",
    )


def test_too_old_driver_with_the_compatibility_package_passes(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, COMPUTES % "0.0", Stub(driver="470.57.02"), compat=True)
    assert (answer.outcome, answer.evidence["driver_verdict"]) == (Outcome.PASS, "needs the compatibility package")


def test_driver_older_than_the_recipe_asks_for_fails(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, COMPUTES % "0.0", driver=">=575")
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "the driver is 570.86.10, the recipe wants >=575")


def test_gpu_with_less_memory_than_asked_for_fails(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, COMPUTES % "0.0", memory="24GB")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "Stub GPU has 16.0 GB of memory, the recipe wants 24GB"


def test_torch_that_cannot_use_the_gpu_fails(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, "raise RuntimeError('CUDA unknown error')\n")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "torch cannot compute on cuda:0: RuntimeError: CUDA unknown error"


@pytest.mark.parametrize("error", ["0.5", "float('nan')"])
def test_gpu_that_computes_wrongly_fails(lab: Lab, tmp_path: Path, error: str) -> None:
    answer = asked(lab, tmp_path, COMPUTES % error)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("matmul on cuda:0 is wrong by ")


def test_gpu_that_computes_rightly_passes(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, COMPUTES % "1e-7", Stub(count=2), memory="16GB")
    assert (answer.outcome, answer.summary) == (
        Outcome.PASS,
        "Stub GPU and Stub GPU with driver 570.86.10: torch computes on it",
    )


@pytest.mark.quickstart
def test_real_torch_without_a_driver_fails_on_a_gpu_that_is_only_claimed(lab: Lab, quickstart: ImageId) -> None:
    def claim(text: str) -> str:
        return text.replace(
            "    try:\n        nvml = Nvml()", "    class Nvml:\n" + CLAIM + "    try:\n        nvml = Nvml()"
        )

    answer = lab.ask("nvidia-smi", quickstart, change=claim, python="/opt/env/bin/python")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("torch cannot compute on cuda:0: RuntimeError: Found no NVIDIA driver")


CLAIM = """\
        start = staticmethod(lambda: 0)
        text = staticmethod(lambda function: "570.86.10")
        devices = staticmethod(lambda: [{"name": "claimed", "memory": -1}])
"""
