# A GPU computes here with what the image has, and its driver is new enough. What is the host's doing says nothing of
# the image: UNPROVEN where it cannot prove it (no GPU, one that is too small, a driver that is too old), ERROR where it
# is broken. Only what the image itself does wrong on a host that works is a FAIL, which takes its names away.
#
# NVML's answer alone proves little: CUDA can be unusable while nvidia-smi shows a healthy card (FACTS 7).
import ctypes
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Dict, List, Optional

if TYPE_CHECKING:
    from builder.checks._compute import (
        NOT_ON_THIS_GPU,
        blinded,
        by_driver,
        by_torch,
        host_faults,
        torch_problems,
    )
    from builder.checks._drivers import COMPAT, REFUSED, compatibility_package, verdict
    from builder.checks._prelude import ARGS, conclude, finish, meets

# nvml.h, nvmlReturn_t: what means "no GPU here", as opposed to "the GPU is broken".
ABSENT = {6: "NVML finds no GPU", 9: "the NVIDIA driver is not loaded", 12: "the driver's library is missing"}
BROKEN = {
    15: "a GPU has fallen off the bus: the host has to be looked at",
    18: "the driver's library and its kernel module are of two versions: the host has to be restarted",
    999: "the driver does not say why: the host has to be looked at",
}

NOT_OURS = 4  # NVML_ERROR_NO_PERMISSION
LEAST_SHARE = 0.95  # of what a GPU is sold with is left to CUDA: error correction and the driver take some


class Nvml:
    """NVIDIA's management library, as far as it is needed here. Raises OSError when it is missing."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libnvidia-ml.so.1")

    def start(self) -> int:
        return int(self.library.nvmlInit_v2())

    def text(self, function: str, *handle: Any) -> str:
        buffer = ctypes.create_string_buffer(256)
        status = getattr(self.library, function)(*handle, buffer, ctypes.c_uint(len(buffer)))
        return buffer.value.decode("utf-8", "replace") if status == 0 else "unknown (NVML {})".format(status)

    def devices(self) -> "List[Dict[str, Any]]":
        """Of each GPU its name, its memory in bytes (-1 when it does not say) and its compute capability."""
        count = ctypes.c_uint()
        self.library.nvmlDeviceGetCount_v2(ctypes.byref(count))
        return [self.device(index) for index in range(count.value)]

    def device(self, index: int) -> "Dict[str, Any]":
        handle, major, minor = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        memory = (ctypes.c_ulonglong * 3)()  # nvmlMemory_t: total, free, used
        status = self.library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
        if status:
            return {"name": "GPU {}".format(index), "memory": -1, "error": status}
        known = self.library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
        self.library.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor))
        return {
            "name": self.text("nvmlDeviceGetName", handle),
            "memory": int(memory[0]) if known else -1,
            "free": int(memory[1]) if known else -1,
            "capability": "{}.{}".format(major.value, minor.value),
        }


def lost(devices: "List[Dict[str, Any]]") -> "List[str]":
    """The GPUs that NVML counts and cannot reach; those that the engine keeps from the container are none of them."""
    broken = [(d["name"], d["error"]) for d in devices if d.get("error", NOT_OURS) != NOT_OURS]
    return ["{}: {}".format(name, BROKEN.get(error, "NVML gives error {}".format(error))) for name, error in broken]


def size_of(text: str) -> float:
    """Bytes of `16GB`, decimal."""
    return float(text[:-2]) * {"MB": 1e6, "GB": 1e9}[text[-2:]]


def too_small(devices: "List[Dict[str, Any]]") -> "Optional[str]":
    """A GPU as CUDA has it, which may be a slice of one, with less memory than the recipe wants."""
    for device in devices if ARGS.get("memory") else []:
        if device["memory"] < LEAST_SHARE * size_of(ARGS["memory"]):
            text = "{} has {:.1f} GB of memory, the recipe wants {}"
            return text.format(device["name"], device["memory"] / 1e9, ARGS["memory"])
    return None


def too_old(driver: str) -> "Optional[str]":
    """Why this host's driver cannot carry the image's CUDA, or is not what the recipe asks for."""
    word = verdict(driver, ARGS.get("drivers", {}))
    if word == REFUSED or (word == COMPAT and not compatibility_package()):
        needed = ARGS["drivers"]["minimum"]
        return "the driver is {}, the image's CUDA {} needs {} or newer".format(driver, ARGS["runtime"], needed)
    if ARGS.get("driver") and not meets(driver, ARGS["driver"]):
        return "the driver is {}, the recipe wants {}".format(driver, ARGS["driver"])
    return None


def queried() -> "List[str]":
    """nvidia-smi's own words, by query: its table is not stable."""
    if not shutil.which("nvidia-smi"):
        return []
    argv = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(argv, check=False, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [str(error)]
    return done.stdout.decode("utf-8", "replace").strip().splitlines()


def managed() -> "Dict[str, Any]":
    """The driver and the GPUs as NVML has them; ends the check where there are none, or none that work."""
    try:
        nvml = Nvml()
    except OSError as error:
        finish("UNPROVEN", "no GPU to prove it on: the container has no NVIDIA driver library ({})".format(error))
    status = nvml.start()
    if status in ABSENT:
        finish("UNPROVEN", "no GPU to prove it on: {} (NVML {})".format(ABSENT[status], status), nvml=status)
    if status:
        reason = BROKEN.get(status, "this code is not known")
        finish("ERROR", "the host's GPUs cannot be asked: {} (NVML {})".format(reason, status), nvml=status)
    driver, devices = nvml.text("nvmlSystemGetDriverVersion"), nvml.devices()
    if not devices:
        finish("UNPROVEN", "no GPU to prove it on: driver {} shows none to the container".format(driver), driver=driver)
    broken = lost(devices)
    if broken:
        finish("ERROR", broken[0], problems=broken, driver=driver, devices=devices)
    return {"driver": driver, "devices": devices, "driver_verdict": verdict(driver, ARGS.get("drivers", {}))}


def main() -> None:
    found = managed()
    old = too_old(found["driver"])
    if old:
        finish("UNPROVEN", "this host cannot prove it: " + old, query=queried(), **found)
    asked = by_driver()
    seen = dict(found, by_driver=asked, query=queried())
    if asked.get("failed", [None])[-1] == NOT_ON_THIS_GPU:
        finish("UNPROVEN", "this host cannot prove it: the image's compatibility package is for other GPUs", **seen)
    hidden = blinded(asked)
    if hidden:
        finish("FAIL", hidden, **seen)
    faults = host_faults(asked)
    if faults:
        finish("ERROR", faults[0], problems=faults, **seen)
    small = too_small(asked["devices"])
    if small:
        finish("UNPROVEN", "this host cannot prove it: " + small, **seen)
    torch = by_torch()
    conclude(
        torch_problems(torch, len(asked["devices"])) if torch else [],
        "{} with driver {}: {}".format(
            " and ".join(device["name"] for device in asked["devices"]),
            found["driver"],
            "torch computes on it" if torch else "CUDA computes on it; the image has no torch",
        ),
        by_torch=torch,
        **seen,
    )


main()
