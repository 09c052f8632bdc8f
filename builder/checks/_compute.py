# Whether CUDA computes here: by the driver alone, and by torch. After the prelude, `_libraries.py` and `_drivers.py`.
#
# The driver is asked first: where it cannot compute by itself, the host is at fault and nothing is said of the image.
import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional

if TYPE_CHECKING:
    from builder.checks._libraries import asked_apart, without_torch

# CUDA Driver API, `CUresult`: what is not the image's doing.
HOST = {
    2: "another program has taken the GPU's memory",
    46: "another program has the GPU to itself",
    802: "the GPUs are not yet ready: does the host's fabric manager run?",
    803: "the driver's library and its kernel module are of two versions: the host has to be restarted",
    999: "the driver does not say why: the host has to be looked at",
}
NO_DEVICE, NOT_ON_THIS_GPU = 100, 804

# An element by an element. PTX 6.0 is CUDA 9's: every driver that is still in use compiles it, for every GPU.
KERNEL = """
.version 6.0
.target sm_50
.address_size 64
.visible .entry multiply(.param .u64 a, .param .u64 b, .param .u64 c)
{
    .reg .f32 %f<4>;
    .reg .b32 %r<5>;
    .reg .b64 %rd<8>;
    ld.param.u64 %rd1, [a];
    ld.param.u64 %rd2, [b];
    ld.param.u64 %rd3, [c];
    cvta.to.global.u64 %rd1, %rd1;
    cvta.to.global.u64 %rd2, %rd2;
    cvta.to.global.u64 %rd3, %rd3;
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.u32 %r4, %r1, %r2, %r3;
    mul.wide.u32 %rd4, %r4, 4;
    add.u64 %rd5, %rd1, %rd4;
    add.u64 %rd6, %rd2, %rd4;
    add.u64 %rd7, %rd3, %rd4;
    ld.global.f32 %f1, [%rd5];
    ld.global.f32 %f2, [%rd6];
    mul.f32 %f3, %f1, %f2;
    st.global.f32 [%rd7], %f3;
    ret;
}
"""

ASK_DRIVER = """
import ctypes, json, sys
COUNT = 1 << 16  # a quarter of a MiB; 64 blocks of 1024 threads
class Failed(Exception):
    pass
try:
    library = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    print(json.dumps({"missing": str(error)}))
    raise SystemExit(0)
def call(name, *arguments):
    status = getattr(library, name)(*arguments)
    if status:
        raise Failed(name, status)
def computes(device):
    context, module, kernel = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    call("cuCtxCreate_v2", ctypes.byref(context), ctypes.c_uint(0), device)
    numbers = [(ctypes.c_float * COUNT)(*(of(n) for n in range(COUNT)))
               for of in (lambda n: n % 251, lambda n: n % 241 - 120, lambda n: -1.0)]
    places, size = [ctypes.c_uint64() for _ in numbers], ctypes.c_size_t(4 * COUNT)
    for place, values in zip(places, numbers):
        call("cuMemAlloc_v2", ctypes.byref(place), size)
        call("cuMemcpyHtoD_v2", place, values, size)
    call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(sys.argv[1].encode()))
    call("cuModuleGetFunction", ctypes.byref(kernel), module, ctypes.c_char_p(b"multiply"))
    given = (ctypes.c_void_p * 3)(*(ctypes.cast(ctypes.pointer(place), ctypes.c_void_p) for place in places))
    shape = [ctypes.c_uint(n) for n in (COUNT // 1024, 1, 1, 1024, 1, 1, 0)]
    call("cuLaunchKernel", kernel, *shape, None, given, None)
    call("cuCtxSynchronize")
    call("cuMemcpyDtoH_v2", numbers[2], places[2], size)
    call("cuCtxDestroy_v2", context)
    return sum(a * b != c for a, b, c in zip(*numbers))
def asked(number):
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(number))
    call("cuDeviceGetName", name, ctypes.c_int(len(name)), device)
    call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    about = {"name": name.value.decode("utf-8", "replace"), "memory": memory.value}
    try:
        return dict(about, wrong=computes(device))
    except Failed as failed:
        return dict(about, failed=failed.args)
answer = {"devices": []}
with open("/proc/self/maps") as maps:
    answer["library"] = sorted({line.split()[-1] for line in maps if "/libcuda.so" in line})
try:
    version, count = ctypes.c_int(), ctypes.c_int()
    call("cuInit", ctypes.c_uint(0))
    call("cuDriverGetVersion", ctypes.byref(version))
    call("cuDeviceGetCount", ctypes.byref(count))
    answer["cuda"] = "%d.%d" % (version.value // 1000, version.value % 1000 // 10)
    answer["devices"] = [asked(number) for number in range(count.value)]
except Failed as failed:
    answer["failed"] = failed.args
print(json.dumps(answer))
"""

ASK_TORCH = """
import json, torch
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
if not torch.cuda.is_available():
    torch.zeros(1, device="cuda")  # says why
random = torch.Generator().manual_seed(0)
a, b = (torch.randn(512, 512, generator=random) for _ in range(2))
image, weights = torch.randn(8, 16, 32, 32, generator=random), torch.randn(32, 16, 3, 3, generator=random)
devices = []
for number in range(torch.cuda.device_count()):
    about = torch.cuda.get_device_properties(number)
    device = {"name": about.name, "memory": about.total_memory, "errors": {}}
    try:
        for name, work, inputs in (
            ("matmul", torch.matmul, (a, b)), ("conv2d", torch.nn.functional.conv2d, (image, weights))
        ):
            want, have = work(*inputs), work(*(x.to("cuda:%d" % number) for x in inputs)).cpu()
            device["errors"][name] = float((have - want).abs().max() / want.abs().max())
    except Exception as error:
        device["failed"] = "%s: %s" % (type(error).__name__, (str(error).strip().splitlines() or [""])[0])
    devices.append(device)
print(json.dumps({"torch": torch.__version__, "devices": devices}))
"""

MAX_ERROR = 1e-4  # of the largest output, in fp32 without TF32


def by_driver() -> "Dict[str, Any]":
    """What CUDA's driver computes without any library of the image's."""
    return asked_apart(ASK_DRIVER, KERNEL)


def by_torch() -> "Optional[Dict[str, Any]]":
    """What torch computes; None where the image has none."""
    answer = asked_apart(ASK_TORCH)
    return None if without_torch(answer) else answer


def blinded(asked: "Dict[str, Any]") -> "Optional[str]":
    """How the image's own variables keep CUDA from a GPU that is there."""
    given, seen = os.environ.get("NVIDIA_DRIVER_CAPABILITIES", ""), os.environ.get("CUDA_VISIBLE_DEVICES")
    if "missing" in asked and given and not {"all", "compute"} & set(given.split(",")):
        return "the image's NVIDIA_DRIVER_CAPABILITIES is {}: without `compute` it gets no CUDA".format(given)
    hidden = asked.get("failed", [None])[-1] == NO_DEVICE or (asked.get("devices") == [] and "failed" not in asked)
    if hidden and seen is not None:
        return "the image's CUDA_VISIBLE_DEVICES is `{}`: it hides every GPU".format(seen)
    return None


def host_faults(asked: "Dict[str, Any]") -> "List[str]":
    """Why the driver cannot compute, which is not the image's doing."""
    if "error" in asked:
        return ["CUDA's driver cannot be asked: {}".format(asked["error"])]
    if "missing" in asked:
        return ["the engine gives the container a GPU and no CUDA: {}".format(asked["missing"])]
    if "failed" in asked:
        return [told("CUDA does not start", asked["failed"])]
    if not asked["devices"]:
        return ["CUDA sees no GPU, though the driver shows one"]
    faults = []
    for device in asked["devices"]:
        if "failed" in device:
            faults.append(told("CUDA cannot compute on {}".format(device["name"]), device["failed"]))
        elif device["wrong"]:
            faults.append("{} computes {} of 65536 products wrongly".format(device["name"], device["wrong"]))
    return faults


def told(what: str, failed: "List[Any]") -> str:
    name, status = failed
    return "{}: {} gives {}{}".format(what, name, status, ", " + HOST[status] if status in HOST else "")


def torch_problems(torch: "Dict[str, Any]", gpus: int) -> "List[str]":
    """What is wrong with torch on GPUs that compute."""
    if "error" in torch:
        return ["torch cannot compute: {}".format(torch["error"])]
    problems = []
    if len(torch["devices"]) != gpus:
        problems.append("torch sees {} of {} GPUs".format(len(torch["devices"]), gpus))
    for number, device in enumerate(torch["devices"]):
        if "failed" in device:
            problems.append("torch cannot compute on cuda:{}: {}".format(number, device["failed"]))
        for name, error in sorted(device["errors"].items()):
            if not error <= MAX_ERROR:
                problems.append("{} on cuda:{} is wrong by {:.1e} of the largest output".format(name, number, error))
    return problems
