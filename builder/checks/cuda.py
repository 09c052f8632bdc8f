# torch was built for the recipe's CUDA and its GPUs, the CUDA libraries load, and the recipe's driver carries them.
#
# All of it shows without a GPU, a CPU-only torch in a CUDA image above all (FACTS 7).
import glob
import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional

if TYPE_CHECKING:
    from builder.checks._drivers import (
        COMPAT,
        MINOR,
        REFUSED,
        UNKNOWN,
        capability,
        compatibility_package,
        served,
        verdict,
    )
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


def toolkits() -> "Dict[str, str]":
    """The CUDA toolkits in the image by their folder; each has a `version.json`."""
    found = {}
    for path in sorted(glob.glob("/usr/local/cuda-*/version.json")):
        with open(path) as text:
            found[path.rpartition("/")[0]] = json.load(text).get("cuda", {}).get("version", "")
    return found


def toolkit_problems(found: "Dict[str, str]", runtime: str) -> "List[str]":
    """A toolkit of another minor version compiles what the image's runtime may not load."""
    return [
        "the toolkit in {} is CUDA {}, the recipe wants {}".format(folder, version, runtime)
        for folder, version in found.items()
        if not meets(version, runtime)
    ]


def counted_on(bounds: str) -> str:
    """The oldest driver that the recipe allows: 525 of `>=525,<580`; empty where it names none."""
    lowest = [bound.strip() for bound in bounds.split(",") if not bound.strip().startswith("<")]
    return lowest[0].lstrip(">= ") if lowest else ""


def carried(driver: str) -> "Optional[str]":
    """The verdict on the driver that the recipe counts on; None when it names none."""
    return verdict(driver, ARGS["drivers"]) if numbers(driver) else None


def driver_problems(word: "Optional[str]", runtime: str) -> "List[str]":
    lowest = ARGS["drivers"]["minimum"]
    text = "the recipe counts on driver {}, CUDA {} needs {} or newer".format(ARGS.get("driver"), runtime, lowest)
    if word == UNKNOWN:
        text = "the recipe counts on driver {}, and what that says to CUDA {} is in no table: add CUDA {} to {}"
        return [text.format(ARGS.get("driver"), runtime, runtime, "builder/data/cuda.yaml")]
    if word == REFUSED:
        return [text]
    if word == COMPAT and not compatibility_package():
        return ["{}, or the package cuda-compat-{} on a data center GPU".format(text, runtime.replace(".", "-"))]
    return []


def gpu_rows(flags: "List[str]") -> "List[Dict[str, Any]]":
    """For each GPU of the recipe: its compute capability, and what of torch's kernels runs on it."""
    rows = []
    for gpu in ARGS.get("gpus", ()):
        found = capability(gpu, ARGS["capabilities"])
        rows.append({"gpu": gpu, "capability": "{}.{}".format(*found), "kernels": served(found, flags)})
    return rows


def gpu_problems(rows: "List[Dict[str, Any]]", word: "Optional[str]") -> "List[str]":
    problems = []
    for row in rows:
        if row["kernels"] is None:
            problems.append("torch has no kernels for {gpu} (compute capability {capability})".format(**row))
        elif row["kernels"].startswith("compute") and word == MINOR:
            text = "{gpu} needs PTX ({kernels}) to be compiled, which a driver older than the toolkit's cannot"
            problems.append(text.format(**row))
    return problems


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
    major, lowest = str(numbers(runtime)[0]), ARGS["drivers"]["minimum"]
    driver = counted_on(ARGS.get("driver", ""))
    torch = asked_apart(ASK_TORCH)
    libraries = [library(name) for name in ARGS.get("libraries", {}).get(major, ["libcudart.so." + major])]
    tools, word, gpus = toolkits(), carried(driver), gpu_rows(torch.get("architectures", []))
    problems = torch_problems(torch, runtime) + library_problems(libraries, runtime) + toolkit_problems(tools, runtime)
    problems += driver_problems(word, runtime) + (gpu_problems(gpus, word) if torch.get("architectures") else [])
    built = (
        "torch {torch} for CUDA {cuda}, {}".format(", ".join(torch["architectures"]), **torch)
        if "cuda" in torch
        else "no torch"
    )
    on = "driver {} {}".format(driver, word) if word else "driver {} or newer".format(lowest or "unknown")
    conclude(
        problems,
        "{}; {} CUDA libraries load; {}".format(built, len(libraries), on),
        torch=torch,
        libraries=libraries,
        toolkits=tools,
        minimum_driver=lowest,
        driver_verdict=word,
        gpus=gpus,
        measured=measured(torch, libraries),
    )


main()
