# torch was built for the recipe's CUDA, for at least one kind of GPU, and the CUDA libraries load.
#
# All of it shows without a GPU, a CPU-only torch in a CUDA image above all (FACTS 7).
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from builder.checks._libraries import asked_apart, library_paths, without_torch
    from builder.checks._prelude import ARGS, conclude, finish, meets, numbers

ASK_TORCH = """
import json, torch
built = torch.version.cuda is not None
flags = torch._C._cuda_getArchFlags() if built else None
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "architectures": (flags or "").split()}))
"""

ASK_LIBRARY = """
import ctypes, json, sys
library = ctypes.CDLL(sys.argv[1])
answer = {"loaded": True}
if "libcudart" in sys.argv[1]:
    number = ctypes.c_int()
    library.cudaRuntimeGetVersion(ctypes.byref(number))
    answer["version"] = "%d.%d" % (number.value // 1000, number.value % 1000 // 10)
print(json.dumps(answer))
"""


def library(name: str) -> "Dict[str, Any]":
    """Whether one library loads, from wherever it lies."""
    paths = library_paths(name) or [name]
    return dict(asked_apart(ASK_LIBRARY, paths[0]), name=name, path=paths[0])


def torch_problems(torch: "Dict[str, Any]", runtime: str) -> "List[str]":
    if without_torch(torch):
        return []
    if "error" in torch:
        return ["torch does not import: {}".format(torch["error"])]
    if torch["cuda"] is None:
        return ["torch {} is built for the CPU alone, the recipe wants CUDA {}".format(torch["torch"], runtime)]
    problems = []
    if not meets(torch["cuda"], runtime):
        problems.append(
            "torch {} is built for CUDA {}, the recipe wants {}".format(torch["torch"], torch["cuda"], runtime)
        )
    if not torch["architectures"]:
        problems.append("torch {} has kernels for no GPU at all".format(torch["torch"]))
    return problems


def library_problems(libraries: "List[Dict[str, Any]]", runtime: str) -> "List[str]":
    problems = ["{name} does not load: {error}".format(**row) for row in libraries if "error" in row]
    for row in libraries:
        if "version" in row and not meets(row["version"], runtime):
            problems.append("{} is CUDA {}, the recipe wants {}".format(row["path"], row["version"], runtime))
    return problems


def driver_problems(lowest: "Any", runtime: str) -> "List[str]":
    """The driver that the recipe counts on, compared as far as it is written: 525 is 525.60.13's equal."""
    promised = numbers(ARGS.get("driver", "").lstrip(">=~< "))
    if not promised or not lowest or promised >= numbers(lowest)[: len(promised)]:
        return []
    return ["the recipe counts on driver {}, CUDA {} needs {} or newer".format(ARGS["driver"], runtime, lowest)]


def measured(torch: "Dict[str, Any]", libraries: "List[Dict[str, Any]]") -> "Dict[str, str]":
    """What torch was built for; without torch, what the runtime library says that it is."""
    if torch.get("cuda"):
        return {"torch": torch["torch"], "cuda": torch["cuda"]}
    versions = [row["version"] for row in libraries if "version" in row]
    return {"cuda": versions[0]} if versions else {}


def main() -> None:
    runtime = ARGS.get("runtime")
    if not runtime:
        finish("ERROR", "the recipe does not say which CUDA: write `cuda: {runtime: ...}`")
    major = str(numbers(runtime)[0])
    lowest = ARGS.get("minimum_driver", {}).get(major)
    torch = asked_apart(ASK_TORCH)
    libraries = [library(name) for name in ARGS.get("libraries", {}).get(major, ["libcudart.so." + major])]
    problems = torch_problems(torch, runtime) + library_problems(libraries, runtime) + driver_problems(lowest, runtime)
    built = (
        "torch {torch} for CUDA {cuda}, {}".format(", ".join(torch["architectures"]), **torch)
        if "cuda" in torch
        else "no torch"
    )
    conclude(
        problems,
        "{}; {} CUDA libraries load; driver {} or newer".format(built, len(libraries), lowest or "unknown"),
        torch=torch,
        libraries=libraries,
        minimum_driver=lowest,
        measured=measured(torch, libraries),
    )


main()
