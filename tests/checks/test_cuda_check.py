from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from image_lab import Lab, compiled

from builder.checks.tables import cuda_table
from builder.models.base import ImageId
from builder.models.report import Outcome

pytestmark = pytest.mark.engine

GIVEN = {
    "drivers": cuda_table().drivers("12.8"),
    "capabilities": dict(cuda_table().gpus),
    "libraries": {"12": ["libcudart.so.12"]},
}
CUDART = "int cudaRuntimeGetVersion(int *v) {{ *v = {number}; return 0; }}"
TORCH = """
__version__ = "stub"
class version:
    cuda = {cuda!r}
class _C:
    _cuda_getArchFlags = staticmethod(lambda: {flags!r})
"""


def files(
    tmp_path: Path, cuda: str | None = "12.8", flags: str = "sm_90", number: int = 12080
) -> dict[str, str | bytes]:
    """A stand-in of torch's and cudart's shape, for the faults; the real ones are asked in the quickstart."""
    return {
        "/usr/lib/python3/dist-packages/torch.py": TORCH.format(cuda=cuda, flags=flags),
        "/usr/local/lib/libcudart.so.12": compiled(tmp_path, CUDART.format(number=number)),
    }


def test_torch_and_libraries_of_the_recipes_cuda_pass(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cuda", lab.image(files(tmp_path)), runtime="12.8", driver=">=525", **GIVEN)
    assert answer.outcome is Outcome.PASS
    assert (
        answer.summary
        == "torch stub for CUDA 12.8, sm_90; 1 CUDA libraries load; driver 525 runs by minor version compatibility"
    )


def test_torch_for_the_cpu_alone_fails(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cuda", lab.image(files(tmp_path, cuda=None)), runtime="12.8", **GIVEN)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "torch stub is built for the CPU alone, the recipe wants CUDA 12.8"


def test_torch_for_another_cuda_fails(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cuda", lab.image(files(tmp_path, cuda="12.6")), runtime="12.8", **GIVEN)
    assert answer.summary == "torch stub is built for CUDA 12.6, the recipe wants 12.8"


def test_torch_without_kernels_fails(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cuda", lab.image(files(tmp_path, flags="")), runtime="12.8", **GIVEN)
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "torch stub has kernels for no GPU at all")


def test_torch_that_lacks_a_module_of_its_own_fails(lab: Lab, tmp_path: Path) -> None:
    broken = {**files(tmp_path), "/usr/lib/python3/dist-packages/torch.py": "import torch_lost\n"}
    answer = lab.ask("cuda", lab.image(broken), runtime="12.8", **GIVEN)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "torch does not import: ModuleNotFoundError: No module named 'torch_lost'"


def test_missing_library_fails(lab: Lab, tmp_path: Path) -> None:
    given = {**GIVEN, "libraries": {"12": ["libcudart.so.12", "libcublas.so.12"]}}
    answer = lab.ask("cuda", lab.image(files(tmp_path)), runtime="12.8", **given)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith(
        "libcublas.so.12 does not load: OSError: libcublas.so.12: cannot open shared object"
    )


def test_runtime_of_another_version_fails(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cuda", lab.image(files(tmp_path, number=12040)), runtime="12.8", **GIVEN)
    assert answer.summary == "/usr/local/lib/libcudart.so.12 is CUDA 12.4, the recipe wants 12.8"


@pytest.mark.parametrize(
    ("driver", "summary"),
    [
        (">=520", "the recipe counts on driver >=520, CUDA 12.8 needs 525.60.13 or newer"),
        (
            ">=470",
            (
                "the recipe counts on driver >=470, CUDA 12.8 needs 525.60.13 or newer, "
                "or the package cuda-compat-12-8 on a data center GPU"
            ),
        ),
    ],
)
def test_driver_that_the_runtime_cannot_use_fails(lab: Lab, tmp_path: Path, driver: str, summary: str) -> None:
    answer = lab.ask("cuda", lab.image(files(tmp_path)), runtime="12.8", driver=driver, **GIVEN)
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, summary)


def test_driver_of_which_no_table_speaks_fails_where_the_recipe_counts_on_it(lab: Lab, tmp_path: Path) -> None:
    image, given = lab.image(files(tmp_path, "12.7", number=12070)), {**GIVEN, "drivers": cuda_table().drivers("12.7")}
    answer = lab.ask("cuda", image, runtime="12.7", driver=">=570,<580", **given)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == (
        "the recipe counts on driver >=570,<580, and what that says to CUDA 12.7 is in no table: add CUDA 12.7 to "
        "builder/data/cuda.yaml"
    )
    assert lab.ask("cuda", image, runtime="12.7", driver="<580", **given).outcome is Outcome.PASS
    assert lab.ask("cuda", image, runtime="12.7", **given).outcome is Outcome.PASS


def test_compatibility_package_carries_an_older_branch(lab: Lab, tmp_path: Path) -> None:
    compat = {"/usr/local/cuda-12.8/compat/libcuda.so.1": b"", **files(tmp_path)}
    answer = lab.ask("cuda", lab.image(compat), runtime="12.8", driver=">=470", **GIVEN)
    assert answer.outcome is Outcome.PASS
    assert answer.summary.endswith("; driver 470 needs the compatibility package")


def test_toolkit_of_another_version_fails(lab: Lab, tmp_path: Path) -> None:
    toolkit = {"/usr/local/cuda-12.4/version.json": '{"cuda": {"version": "12.4.1"}}', **files(tmp_path)}
    answer = lab.ask("cuda", lab.image(toolkit), runtime="12.8", **GIVEN)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "the toolkit in /usr/local/cuda-12.4 is CUDA 12.4.1, the recipe wants 12.8"


def test_gpus_of_the_recipe_have_kernels(lab: Lab, tmp_path: Path) -> None:
    image = lab.image(files(tmp_path, flags="sm_80 sm_90 compute_90"))
    answer = lab.ask("cuda", image, runtime="12.8", driver="570.86.10", gpus=["A100", "8.6", "H100", "B200"], **GIVEN)
    assert answer.outcome is Outcome.PASS
    assert answer.summary.endswith("; driver 570.86.10 runs")
    kernels = [row["kernels"] for row in cast("list[dict[str, str]]", answer.evidence["gpus"])]
    assert kernels == ["sm_80", "sm_80", "sm_90", "compute_90"]


def test_gpu_without_kernels_fails(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cuda", lab.image(files(tmp_path)), runtime="12.8", gpus=["T4"], **GIVEN)
    assert (answer.outcome, answer.summary) == (
        Outcome.FAIL,
        "torch has no kernels for T4 (compute capability 7.5)",
    )


def test_gpu_that_needs_a_compiler_newer_than_the_driver_fails(lab: Lab, tmp_path: Path) -> None:
    image = lab.image(files(tmp_path, flags="sm_90 compute_90"))
    answer = lab.ask("cuda", image, runtime="12.8", driver=">=550", gpus=["B200"], **GIVEN)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("B200 needs PTX (compute_90) to be compiled")


QUICKSTART = {**GIVEN, "libraries": {k: list(v) for k, v in cuda_table().libraries.items()}}


@pytest.mark.quickstart
def test_quickstarts_cuda_passes(lab: Lab, quickstart: ImageId) -> None:
    answer = lab.ask("cuda", quickstart, python="/opt/env/bin/python", runtime="12.8", **QUICKSTART)
    assert answer.outcome is Outcome.PASS
    assert answer.summary.startswith("torch 2.8.0+cu128 for CUDA 12.8, sm_70, ")
    assert answer.summary.endswith("; 8 CUDA libraries load; driver 525.60.13 or newer")


@pytest.mark.quickstart
def test_quickstarts_cuda_is_not_another_one(lab: Lab, quickstart: ImageId) -> None:
    answer = lab.ask("cuda", quickstart, python="/opt/env/bin/python", runtime="12.6", **QUICKSTART)
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "torch 2.8.0+cu128 is built for CUDA 12.8, the recipe wants 12.6 (and 1 more)"
