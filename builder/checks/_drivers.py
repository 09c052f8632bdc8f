# Whether a driver carries an image's CUDA, and whether its kernels suit a GPU. After the prelude.
#
# The tables are `builder/data/cuda.yaml`'s; the rules are NVIDIA's "CUDA Compatibility" and the CUDA C++ Programming
# Guide, "Binary Compatibility" and "PTX Compatibility".
import glob
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

if TYPE_CHECKING:
    from builder.checks._prelude import numbers

RUNS = "runs"
MINOR = "runs by minor version compatibility"
COMPAT = "needs the compatibility package"
REFUSED = "refused"
UNKNOWN = "unknown"


def older(driver: str, limit: "Optional[str]") -> bool:
    """As far as the driver is written: 525 is not older than 525.60.13."""
    have = numbers(driver)
    return bool(limit) and have < numbers(str(limit))[: len(have)]


def verdict(driver: str, table: "Dict[str, Any]") -> str:
    """What a driver says to the image's CUDA; UNKNOWN where it cannot be read, or that CUDA is in no table.

    table: `minimum` of the CUDA family; `bundled`, the toolkit's own; `branches`, older ones that its compatibility
    package (`cuda-compat-12-8`; data center GPUs alone) was made for.
    """
    if not numbers(driver) or not table.get("minimum"):
        return UNKNOWN
    if older(driver, table["minimum"]):
        return COMPAT if numbers(driver)[:1] in [(branch,) for branch in table.get("branches", ())] else REFUSED
    if not table.get("bundled"):
        return UNKNOWN
    return MINOR if older(driver, table["bundled"]) else RUNS


def compatibility_package() -> "Optional[str]":
    """Where the newer driver library lies that the toolkit's or conda's compatibility package brings."""
    folders = ("/usr/local/cuda*/compat", os.path.join(sys.prefix, "cuda-compat"))
    found = [path for folder in folders for path in sorted(glob.glob(os.path.join(folder, "libcuda.so.[0-9]*")))]
    return found[0] if found else None


def capability(gpu: str, known: "Dict[str, str]") -> "Tuple[int, int]":
    """The compute capability of a GPU by its name, or as written: H100, 9.0 and sm_90 are (9, 0)."""
    text = known.get(gpu, gpu)
    found = re.match(r"^(?:sm_)?(\d+?)\.?(\d)$", text)
    if not found:
        raise ValueError("nobody knows the compute capability of {}".format(gpu))
    return int(found.group(1)), int(found.group(2))


def served(gpu: "Tuple[int, int]", flags: "List[str]") -> "Optional[str]":
    """What of a library's architectures (`sm_90`, `compute_90`) runs on a GPU, the best first; None for nothing.

    Machine code runs on GPUs of its major version that are not older (with an `a`: on its own alone), PTX on every
    newer one, where the driver compiles it at the first start.
    """
    found: List[Tuple[int, Tuple[int, int], str]] = []
    for flag in flags:
        parts = re.match(r"^(sm|compute)_(\d+)(\d)([af]?)$", flag)
        if not parts:
            continue
        made, kind, suffix = (int(parts.group(2)), int(parts.group(3))), parts.group(1), parts.group(4)
        if made == gpu or (made < gpu and suffix != "a" and (kind == "compute" or made[0] == gpu[0])):
            found.append((kind == "sm", made, flag))
    return max(found)[2] if found else None
