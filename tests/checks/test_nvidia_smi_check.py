"""No GPU can be had where these run: the driver is a stand-in, and so is torch where it has to compute."""

from __future__ import annotations

from pathlib import Path

import pytest
import stand_in_gpu
from image_lab import Lab, compiled
from stand_in_gpu import Gpu

from builder.checks.tables import cuda_table
from builder.models.base import ImageId
from builder.models.report import Outcome
from builder.stages.answer import Answer, answer_of

pytestmark = pytest.mark.engine

WORKS = stand_in_gpu.torch("1e-7")
GPU = Gpu()
TWO_VERSIONS = "the driver's library and its kernel module are of two versions: the host has to be restarted"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"


def asked(
    lab: Lab,
    tmp_path: Path,
    torch: str | None = None,
    gpu: Gpu = GPU,
    *,
    compat: bool = False,
    cuda: bool = True,
    env: dict[str, str] | None = None,
    **asks: object,
) -> Answer:
    library = compiled(tmp_path, stand_in_gpu.nvml(gpu))
    files: dict[str, str | bytes] = {f"{LIBRARIES}/libnvidia-ml.so.1": library}
    if cuda:
        files[f"{LIBRARIES}/libcuda.so.1"] = compiled(tmp_path, stand_in_gpu.cuda(gpu))
    if torch is not None:
        files["/usr/lib/python3/dist-packages/torch.py"] = torch
    if compat:
        files["/usr/local/cuda-12.8/compat/libcuda.so.1"] = library
    image = lab.image(files, env or {})
    return lab.ask("nvidia-smi", image, runtime="12.8", drivers=cuda_table().drivers("12.8"), **asks)


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


@pytest.mark.parametrize(
    ("gpu", "summary"),
    [
        (Gpu(status=9), "no GPU to prove it on: the NVIDIA driver is not loaded (NVML 9)"),
        (Gpu(count=0), "no GPU to prove it on: driver 570.86.10 shows none to the container"),
        (
            Gpu(driver="470.57.02"),
            "this host cannot prove it: the driver is 470.57.02, the image's CUDA 12.8 needs 525.60.13 or newer",
        ),
        (
            Gpu(driver="390.10"),
            "this host cannot prove it: the driver is 390.10, the image's CUDA 12.8 needs 525.60.13 or newer",
        ),
        (Gpu(driver="571.1"), "this host cannot prove it: the driver is 571.1, the recipe wants <571"),
        (
            Gpu(memory=5_000_000_000, cuda_name="Stub MIG 1g.5gb"),
            "this host cannot prove it: Stub MIG 1g.5gb has 5.0 GB of memory, the recipe wants 16GB",
        ),
        (
            Gpu(cuda_status=804),
            "this host cannot prove it: the image's compatibility package is for other GPUs",
        ),
    ],
)
def test_host_that_cannot_prove_it_leaves_it_unproven(lab: Lab, tmp_path: Path, gpu: Gpu, summary: str) -> None:
    asks = {"driver": "<571"} if gpu.driver == "571.1" else {}
    answer = asked(lab, tmp_path, stand_in_gpu.torch("0.5"), gpu, memory="16GB", **asks)
    assert (answer.outcome, answer.summary) == (Outcome.UNPROVEN, summary)


@pytest.mark.parametrize(
    ("gpu", "summary"),
    [
        (
            Gpu(status=15),
            "the host's GPUs cannot be asked: a GPU has fallen off the bus: the host has to be looked at (NVML 15)",
        ),
        (Gpu(count=2, lost=1), "GPU 1: a GPU has fallen off the bus: the host has to be looked at"),
        (
            Gpu(status=18),
            f"the host's GPUs cannot be asked: {TWO_VERSIONS} (NVML 18)",
        ),
        (
            Gpu(status=999),
            "the host's GPUs cannot be asked: the driver does not say why: the host has to be looked at (NVML 999)",
        ),
        (Gpu(status=3), "the host's GPUs cannot be asked: this code is not known (NVML 3)"),
        (
            Gpu(cuda_status=803),
            f"CUDA does not start: cuInit gives 803, {TWO_VERSIONS}",
        ),
        (Gpu(cuda_status=100), "CUDA does not start: cuInit gives 100"),
        (Gpu(cuda_count=0), "CUDA sees no GPU, though the driver shows one"),
        (
            Gpu(context=46),
            "CUDA cannot compute on Stub GPU: cuCtxCreate_v2 gives 46, another program has the GPU to itself",
        ),
        (Gpu(wrong=1), "Stub GPU computes 65536 of 65536 products wrongly"),
    ],
)
def test_broken_host_is_an_error_and_says_nothing_of_the_image(
    lab: Lab, tmp_path: Path, gpu: Gpu, summary: str
) -> None:
    answer = asked(lab, tmp_path, stand_in_gpu.torch("0.5"), gpu)
    assert (answer.outcome, answer.summary) == (Outcome.ERROR, summary)


def test_engine_that_gives_a_gpu_and_no_cuda_is_an_error(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, WORKS, cuda=False)
    assert answer.outcome is Outcome.ERROR
    assert answer.summary.startswith("the engine gives the container a GPU and no CUDA: libcuda.so.1: cannot open")


@pytest.mark.parametrize(
    ("env", "gpu", "summary"),
    [
        (
            {"NVIDIA_DRIVER_CAPABILITIES": "utility"},
            GPU,
            "the image's NVIDIA_DRIVER_CAPABILITIES is utility: without `compute` it gets no CUDA",
        ),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, Gpu(cuda_status=100), "hides every GPU"),
        ({"CUDA_VISIBLE_DEVICES": ""}, Gpu(cuda_count=0), "hides every GPU"),
    ],
)
def test_image_that_hides_the_gpu_from_itself_fails(
    lab: Lab, tmp_path: Path, env: dict[str, str], gpu: Gpu, summary: str
) -> None:
    answer = asked(lab, tmp_path, WORKS, gpu, cuda="CUDA_VISIBLE_DEVICES" in env, env=env)
    assert answer.outcome is Outcome.FAIL
    assert summary in answer.summary


def test_too_old_driver_with_the_compatibility_package_passes(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, WORKS, Gpu(driver="470.57.02"), compat=True)
    assert (answer.outcome, answer.evidence["driver_verdict"]) == (Outcome.PASS, "needs the compatibility package")


def test_torch_that_cannot_use_the_gpu_fails(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, "raise RuntimeError('CUDA unknown error')\n")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "torch cannot compute: RuntimeError: CUDA unknown error"


def test_torch_that_sees_fewer_gpus_than_cuda_fails(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, WORKS, Gpu(count=2))
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "torch sees 1 of 2 GPUs")


@pytest.mark.parametrize("error", ["0.5", "float('nan')"])
def test_torch_that_computes_wrongly_fails(lab: Lab, tmp_path: Path, error: str) -> None:
    answer = asked(lab, tmp_path, stand_in_gpu.torch(error))
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("matmul on cuda:0 is wrong by ")


def test_gpus_that_compute_rightly_pass(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, stand_in_gpu.torch("1e-7", "1e-7"), Gpu(count=2), memory="16GB")
    assert (answer.outcome, answer.summary) == (
        Outcome.PASS,
        "Stub GPU and Stub GPU with driver 570.86.10: torch computes on it",
    )


def test_slice_of_a_gpu_is_one_for_cuda_however_many_gpus_the_driver_shows(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path, WORKS, Gpu(count=4, cuda_count=1))
    assert answer.outcome is Outcome.PASS, answer


def test_without_torch_cuda_itself_has_to_compute(lab: Lab, tmp_path: Path) -> None:
    answer = asked(lab, tmp_path)
    assert (answer.outcome, answer.summary) == (
        Outcome.PASS,
        "Stub GPU with driver 570.86.10: CUDA computes on it; the image has no torch",
    )
    assert answer.evidence["by_driver"] == {
        "cuda": "12.8",
        "devices": [{"memory": 16_000_000_000, "name": "Stub GPU", "wrong": 0}],
        "library": [f"{LIBRARIES}/libcuda.so.1"],
    }


@pytest.mark.quickstart
def test_real_torch_without_a_driver_fails_on_a_gpu_that_is_only_claimed(lab: Lab, quickstart: ImageId) -> None:
    def claim(text: str) -> str:
        return text.replace("    found = managed()\n", CLAIM)

    answer = lab.ask("nvidia-smi", quickstart, change=claim, python="/opt/env/bin/python")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("torch cannot compute: RuntimeError: Found no NVIDIA driver")


CLAIM = """\
    found = {"driver": "570.86.10"}
    global by_driver
    by_driver = lambda: {"devices": [{"name": "claimed", "memory": 1, "wrong": 0}]}
"""
