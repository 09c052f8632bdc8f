"""Verdicts on drivers and GPUs: pure functions of the scripts, asked as the host's Python reads them."""

from __future__ import annotations

import pytest

from builder.checks import script_of
from builder.checks.tables import cuda_gpus, cuda_table

_SCRIPT = script_of("cuda").replace("os.dup2(2, 1)", "").replace("sys.excepthook = _crashed", "")
_NAMES: dict[str, object] = {"__name__": "script"}
exec(compile(_SCRIPT[: _SCRIPT.index("ASK_TORCH")], "cuda", "exec"), _NAMES)
verdict, served, capability = (_NAMES[name] for name in ("verdict", "served", "capability"))


@pytest.mark.parametrize(
    ("driver", "runtime", "word"),
    [
        ("570.86.10", "12.8", "runs"),
        ("570", "12.8", "runs"),
        ("580.65.06", "12.8", "runs"),
        ("570.86.09", "12.8", "runs by minor version compatibility"),
        ("525.60.13", "12.8", "runs by minor version compatibility"),
        ("525.60.12", "12.8", "refused"),
        ("470.57.02", "12.8", "needs the compatibility package"),
        ("470.57.02", "12.9", "refused"),
        ("515.43.04", "12.0", "needs the compatibility package"),
        ("575.57.08", "13.0", "needs the compatibility package"),
        ("418.40", "13.0", "refused"),
        ("520.61.05", "11.8", "runs"),
        ("515.65.01", "11.8", "runs by minor version compatibility"),
        ("525.60.13", "12.0", "runs"),
        ("999.0", "99.0", "unknown"),
        ("580.65.06", "13.1", "unknown"),
        ("579.0", "13.1", "refused"),
        ("unknown (NVML 3)", "12.8", "unknown"),
        ("", "12.8", "unknown"),
    ],
)
def test_driver_gets_its_verdict(driver: str, runtime: str, word: str) -> None:
    assert verdict(driver, cuda_table().drivers(runtime)) == word  # type: ignore[operator]


@pytest.mark.parametrize(
    ("gpu", "flags", "what"),
    [
        ((9, 0), "sm_80 sm_90", "sm_90"),
        ((8, 6), "sm_80 sm_90", "sm_80"),
        ((8, 0), "sm_86", None),
        ((12, 0), "sm_90 sm_120", "sm_120"),
        ((12, 1), "sm_120", "sm_120"),
        ((10, 0), "sm_90 compute_90", "compute_90"),
        ((10, 0), "sm_90", None),
        ((9, 0), "sm_90a", "sm_90a"),
        ((10, 3), "sm_100a", None),
        ((10, 3), "sm_100f", "sm_100f"),
        ((8, 0), "", None),
        ((8, 0), "gfx90a", None),
    ],
)
def test_kernels_that_run_on_a_gpu(gpu: tuple[int, int], flags: str, what: str | None) -> None:
    assert served(gpu, flags.split()) == what  # type: ignore[operator]


@pytest.mark.parametrize("text", ["H100", "9.0", "sm_90"])
def test_gpu_is_known_by_name_or_by_capability(text: str) -> None:
    assert capability(text, cuda_gpus()) == (9, 0)  # type: ignore[operator]


def test_gpu_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^nobody knows the compute capability of Voodoo$"):
        capability("Voodoo", cuda_gpus())  # type: ignore[operator]


@pytest.mark.parametrize("name", sorted(cuda_gpus()))
def test_every_gpu_of_the_table_has_a_capability(name: str) -> None:
    major, _minor = capability(name, cuda_gpus())  # type: ignore[operator]
    assert 6 <= major <= 12
