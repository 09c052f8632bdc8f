# A GPU computes here, and its driver is new enough. Without a GPU nothing is said for or against the image: UNPROVEN.
#
# NVML's answer alone proves little: CUDA can be unusable while nvidia-smi shows a healthy card (FACTS 7).
import ctypes
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from builder.checks._drivers import COMPAT, REFUSED, compatibility_package, verdict
    from builder.checks._libraries import asked_apart, without_torch
    from builder.checks._prelude import ARGS, conclude, finish, meets

# nvml.h, nvmlReturn_t: what means "no GPU here", as opposed to "the GPU is broken".
ABSENT = {6: "NVML finds no GPU", 9: "the NVIDIA driver is not loaded", 12: "the driver's library is missing"}
BROKEN = {
    15: "a GPU has fallen off the bus: the host has to be looked at",
    18: "the driver's library and its kernel module are of two versions: the host has to be restarted",
}

COMPUTE = """
import json, sys, torch
device = sys.argv[1]
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
if device != "cpu" and not torch.cuda.is_available():
    torch.zeros(1, device=device)  # says why
random = torch.Generator().manual_seed(0)
a, b = (torch.randn(512, 512, generator=random) for _ in range(2))
image, weights = torch.randn(8, 16, 32, 32, generator=random), torch.randn(32, 16, 3, 3, generator=random)
errors = {}
for name, work, inputs in (("matmul", torch.matmul, (a, b)), ("conv2d", torch.nn.functional.conv2d, (image, weights))):
    want, have = work(*inputs), work(*(x.to(device) for x in inputs)).cpu()
    errors[name] = float((have - want).abs().max() / want.abs().max())
print(json.dumps({"errors": errors, "torch": torch.__version__}))
"""

MAX_ERROR = 1e-4  # of the largest output, in fp32 without TF32


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


def device_problems(devices: "List[Dict[str, Any]]") -> "List[str]":
    problems = []
    for device in devices:
        if "error" in device:
            reason = BROKEN.get(device["error"], "NVML gives error {}".format(device["error"]))
            problems.append("{}: {}".format(device["name"], reason))
        elif ARGS.get("memory") and 0 <= device["memory"] < size_of(ARGS["memory"]):
            text = "{} has {:.1f} GB of memory, the recipe wants {}"
            problems.append(text.format(device["name"], device["memory"] / 1e9, ARGS["memory"]))
    return problems


def size_of(text: str) -> float:
    """Bytes of `16GB`, decimal."""
    return float(text[:-2]) * {"MB": 1e6, "GB": 1e9}[text[-2:]]


def driver_problems(driver: str) -> "List[str]":
    """Whether this host's driver carries the image's CUDA, and is what the recipe asks for."""
    word = verdict(driver, ARGS.get("drivers", {}))
    lacks = word == REFUSED or (word == COMPAT and not compatibility_package())
    if lacks:
        needed = ARGS["drivers"]["minimum"]
        return ["the driver is {}, the image's CUDA {} needs {} or newer".format(driver, ARGS["runtime"], needed)]
    if ARGS.get("driver") and not meets(driver, ARGS["driver"]):
        return ["the driver is {}, the recipe wants {}".format(driver, ARGS["driver"])]
    return []


def queried() -> "List[str]":
    """nvidia-smi's own words, by query: its table is not stable."""
    if not shutil.which("nvidia-smi"):
        return []
    argv = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
    done = subprocess.run(argv, check=False, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode("utf-8", "replace").strip().splitlines()


def computed(count: int) -> "Dict[str, Dict[str, Any]]":
    return {name: asked_apart(COMPUTE, name) for name in ("cuda:{}".format(index) for index in range(count))}


def compute_problems(results: "Dict[str, Dict[str, Any]]") -> "List[str]":
    problems = []
    for device, result in sorted(results.items()):
        if "error" in result:
            problems.append("torch cannot compute on {}: {}".format(device, result["error"]))
            continue
        for name, error in sorted(result["errors"].items()):
            if not error <= MAX_ERROR:
                problems.append("{} on {} is wrong by {:.1e} of the largest output".format(name, device, error))
    return problems


def main() -> None:
    try:
        nvml = Nvml()
    except OSError as error:
        finish("UNPROVEN", "no GPU to prove it on: the container has no NVIDIA driver library ({})".format(error))
    status = nvml.start()
    if status in ABSENT:
        finish("UNPROVEN", "no GPU to prove it on: {} (NVML {})".format(ABSENT[status], status), nvml=status)
    if status:
        finish("FAIL", BROKEN.get(status, "NVML does not start: error {}".format(status)), nvml=status)
    driver, devices = nvml.text("nvmlSystemGetDriverVersion"), nvml.devices()
    if not devices:
        finish("UNPROVEN", "no GPU to prove it on: driver {} shows none to the container".format(driver), driver=driver)
    problems = device_problems(devices) + driver_problems(driver)
    results = computed(len(devices))
    if any(without_torch(result) for result in results.values()):
        finish("UNPROVEN", "there is a GPU, but no torch in the image to compute with", driver=driver, devices=devices)
    problems += compute_problems(results)
    conclude(
        problems,
        "{} with driver {}: torch computes on it".format(" and ".join(device["name"] for device in devices), driver),
        driver=driver,
        driver_verdict=verdict(driver, ARGS.get("drivers", {})),
        devices=devices,
        computed=results,
        query=queried(),
    )


main()
