"""A stand-in for NVIDIA's driver libraries, compiled from C: no machine that runs these tests has a GPU.

What a real GPU answers is proven only on a host that has one. The kernel's text is not run: the stub multiplies itself.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NVML = """
static void put(char *to, const char *from) { while ((*to++ = *from++)) ; }
int nvmlInit_v2(void) { return STATUS; }
int nvmlSystemGetDriverVersion(char *b, unsigned n) { put(b, DRIVER); return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = COUNT; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = 0; return i < LOST ? 0 : 15; }
int nvmlDeviceGetMemoryInfo(void *h, unsigned long long m[3]) { m[0] = 80000000000ULL; m[1] = m[0]; return 0; }
int nvmlDeviceGetCudaComputeCapability(void *h, int *a, int *b) { *a = 9; *b = 0; return 0; }
int nvmlDeviceGetName(void *h, char *b, unsigned n) { put(b, "Stub GPU"); return 0; }
"""
CUDA = """
static void put(char *to, const char *from) { while ((*to++ = *from++)) ; }
static char memory[1 << 21];
static unsigned long used;
char *getenv(const char *name);
int cuInit(unsigned f) {
    char *visible = getenv("CUDA_VISIBLE_DEVICES");
    return CUDA_STATUS ? CUDA_STATUS : visible && *visible == '-' ? 100 : 0;
}
int cuDriverGetVersion(int *v) { *v = 12080; return 0; }
int cuDeviceGetCount(int *n) { *n = CUDA_COUNT; return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDeviceGetName(char *b, int n, int d) { put(b, CUDA_NAME); return 0; }
int cuDeviceTotalMem_v2(unsigned long *n, int d) { *n = MEMORY; return 0; }
int cuCtxCreate_v2(void **c, unsigned f, int d) { used = 0; return CONTEXT; }
int cuCtxDestroy_v2(void *c) { return 0; }
int cuCtxSynchronize(void) { return 0; }
int cuMemAlloc_v2(unsigned long long *p, unsigned long n) {
    if (used + n > sizeof memory) return 2;
    *p = (unsigned long long)(memory + used), used += n;
    return 0;
}
static int copy(char *to, const char *from, unsigned long n) { while (n--) *to++ = *from++; return 0; }
int cuMemcpyHtoD_v2(unsigned long long to, const void *from, unsigned long n) { return copy((char *)to, from, n); }
int cuMemcpyDtoH_v2(void *to, unsigned long long from, unsigned long n) { return copy(to, (char *)from, n); }
int cuModuleLoadData(void **m, const char *text) { return text[1] == '.' ? 0 : 218; }
int cuModuleGetFunction(void **f, void *m, const char *name) { return name[0] == 'm' ? 0 : 500; }
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned x, unsigned y, unsigned z, unsigned shared,
                   void *stream, void **given, void **extra) {
    float **of[3] = {given[0], given[1], given[2]};
    for (unsigned i = 0; i < gx * x; i++) (*of[2])[i] = (*of[0])[i] * (*of[1])[i] + WRONG;
    return 0;
}
"""
TORCH = "import json; print(json.dumps({'torch': 'stand-in', 'devices': [%s]})); raise SystemExit(0)\n"


@dataclass(frozen=True)
class Gpu:
    """A driver that gives these answers."""

    status: int = 0
    """NVML's: 0 for a driver that works, 9 for one that is not loaded, 15 for a GPU that is lost."""
    count: int = 1
    lost: int = 99
    """The first GPU that is lost."""
    driver: str = "570.86.10"
    cuda_status: int = 0
    """`cuInit`'s."""
    cuda_count: int | None = None
    """CUDA's GPUs, where they are not NVML's."""
    cuda_name: str = "Stub GPU"
    memory: int = 16_000_000_000
    """As CUDA has it; NVML says 80 GB."""
    context: int = 0
    """`cuCtxCreate`'s."""
    wrong: int = 0
    """Added to each product."""


def nvml(gpu: Gpu) -> str:
    """The source of its libnvidia-ml.so.1."""
    return _defined(gpu) + NVML


def cuda(gpu: Gpu) -> str:
    """The source of its libcuda.so.1."""
    return _defined(gpu) + CUDA


def torch(*errors: str) -> str:
    """A module that stands in for torch: of each GPU an expression for how wrong its matmul is."""
    return TORCH % ", ".join(
        f"{{'name': 'Stub GPU', 'memory': 1, 'errors': {{'matmul': {error}}}}}" for error in errors
    )


def compiled(folder: Path, source: str) -> bytes:
    """A shared library that needs no other library, so that it loads under any glibc. Raises FileNotFoundError."""
    code, library = folder / "stub.c", folder / "stub.so"
    code.write_text(source)
    flags = ["-shared", "-fPIC", "-nostdlib", "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
    subprocess.run(["gcc", *flags, "-o", str(library), str(code)], check=True)
    return library.read_bytes()


def _defined(gpu: Gpu) -> str:
    values: dict[str, object] = {**vars(gpu), "cuda_count": gpu.count if gpu.cuda_count is None else gpu.cuda_count}
    texts = {name: f'"{value}"' if isinstance(value, str) else value for name, value in values.items()}
    return "".join(f"#define {name.upper()} {value}\n" for name, value in texts.items())
