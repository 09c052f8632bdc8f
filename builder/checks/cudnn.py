# cuDNN loads, all its parts are of one version, it is the wanted one, and torch uses that very one.
#
# Loading it needs no driver: `cudnnGetVersion` and the sub-libraries' version checks answer on any host (FACTS 7).
import json
import os
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from builder.checks._libraries import asked_apart, library_paths, without_torch
    from builder.checks._prelude import ARGS, conclude, finish, meets

# The sub-libraries of each major version: NVIDIA cuDNN documentation, "API Overview".
PARTS = {
    9: ("graph", "ops", "cnn", "adv", "heuristic", "engines_precompiled", "engines_runtime_compiled"),
    8: ("ops_infer", "ops_train", "cnn_infer", "cnn_train", "adv_infer", "adv_train"),
}
CHECKS = {
    9: ("Graph", "Ops", "Cnn", "Adv"),
    8: ("OpsInfer", "OpsTrain", "CnnInfer", "CnnTrain", "AdvInfer", "AdvTrain"),
}

ASK = """
import ctypes, json, os, sys
path, parts, checks = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
library = ctypes.CDLL(path)
library.cudnnGetVersion.restype = library.cudnnGetCudartVersion.restype = ctypes.c_size_t
answer = {"number": library.cudnnGetVersion(), "cudart": library.cudnnGetCudartVersion(), "mixed": [], "broken": {}}
for name in checks:
    status = getattr(library, "cudnn%sVersionCheck" % name)()
    if status:
        answer["mixed"].append("%s (status %d)" % (name, status))
for name in parts:
    part = path.replace("libcudnn.so", "libcudnn_%s.so" % name)
    try:
        ctypes.CDLL(part)
    except OSError as error:
        answer["broken"][name] = str(error)
print(json.dumps(answer))
"""

ASK_TORCH = """
import json, torch
version = torch.backends.cudnn.version()
with open("/proc/self/maps") as maps:
    used = sorted({line.split()[-1] for line in maps if "/libcudnn.so" in line})
print(json.dumps({"number": version, "torch": torch.__version__, "used": used}))
"""


def decoded(number: int) -> str:
    """91002 is 9.10.2; before version 9 it was major * 1000 + minor * 100 + patch."""
    size = 10000 if number >= 90000 else 1000
    return "{}.{}.{}".format(number // size, number % size // 100, number % 100)


def copy_at(path: str) -> "Dict[str, Any]":
    """What one copy of cuDNN says of itself."""
    major = int(path.rpartition(".so.")[2].partition(".")[0])
    parts, checks = (json.dumps(table.get(major, ())) for table in (PARTS, CHECKS))
    answer = asked_apart(ASK, path, parts, checks)
    if "number" in answer:
        answer["version"] = decoded(answer["number"])
    return dict(answer, path=path)


def problems_of(copy: "Dict[str, Any]") -> "List[str]":
    if "error" in copy:
        return ["{path} does not load: {error}".format(**copy)]
    problems = ["{} has parts of another version: {}".format(copy["path"], name) for name in copy["mixed"]]
    problems += ["{} lacks its part {}: {}".format(copy["path"], *item) for item in sorted(copy["broken"].items())]
    if not meets(copy["version"], ARGS["version"]):
        problems.append("cuDNN is {}, the recipe wants {}".format(copy["version"], ARGS["version"]))
    return problems


def torch_problems(torch: "Dict[str, Any]", copies: "List[Dict[str, Any]]") -> "List[str]":
    """Whether torch uses a copy that was looked at. A torch without CUDA is the `cuda` check's to find."""
    if without_torch(torch):
        return []
    if "error" in torch:
        return ["torch does not say which cuDNN it uses: {}".format(torch["error"])]
    if torch["number"] is None:
        return ["torch {} was built without cuDNN".format(torch["torch"])]
    known = {os.path.realpath(copy["path"]): copy.get("number") for copy in copies}
    used = [path for path in torch["used"] if os.path.realpath(path) not in known]
    problems = ["torch loads cuDNN from {}, which was not looked at".format(path) for path in used]
    if torch["number"] not in known.values():
        problems.append("torch reports cuDNN {}, no copy in the image is that".format(decoded(torch["number"])))
    return problems


def main() -> None:
    copies = [copy_at(path) for path in library_paths("libcudnn.so.[0-9]*")]
    if not copies:
        finish("FAIL", "there is no cuDNN in the image; the recipe wants {}".format(ARGS["version"]))
    torch = asked_apart(ASK_TORCH)
    problems = [text for copy in copies for text in problems_of(copy)] + torch_problems(torch, copies)
    versions = sorted({copy["version"] for copy in copies if "version" in copy})
    if len(versions) > 1:
        problems.append("there are cuDNN {}: which one a program gets is chance".format(" and ".join(versions)))
    summary = "cuDNN {}, whole{}".format(
        ", ".join(versions), ", and the one that torch uses" if "number" in torch else ""
    )
    measured = {"cudnn": versions[0]} if len(versions) == 1 else {}
    conclude(problems, summary, copies=copies, torch=torch, measured=measured)


main()
