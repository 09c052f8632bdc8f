# Where shared libraries of the GPU stack may lie, and how to ask one in a process of its own. After the prelude.
import glob
import json
import os
import subprocess
import sys
from typing import Any, Dict, List

# The wheels put them below site-packages (CUDA 13's in nvidia/cu13), conda into its prefix, the toolkit and the
# distribution where ldconfig looks.
FOLDERS = (
    "{site}/nvidia/*/lib",
    "{prefix}/lib",
    "/usr/local/cuda*/lib64",
    "/usr/local/cuda*/targets/*/lib",
    "/usr/lib/*-linux-gnu",
    "/usr/lib64",
    "/usr/local/lib",
)


def library_paths(pattern: str) -> "List[str]":
    """Every file of that name, each once, first those of the environment."""
    sites = [path for path in sys.path if path.endswith("-packages")]
    folders = [f.format(site=site, prefix=sys.prefix) for f in FOLDERS for site in (sites if "{site}" in f else [""])]
    extra = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path]
    found: Dict[str, str] = {}
    for folder in extra + folders:
        for path in sorted(glob.glob(os.path.join(folder, pattern))):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def without_torch(answer: "Dict[str, Any]") -> bool:
    """Whether a process said that there is no torch; a torch that is there and does not import is another matter."""
    return "No module named 'torch'" in answer.get("error", "")


def asked_apart(code: str, *arguments: str) -> "Dict[str, Any]":
    """The JSON object that Python code prints last in a process of its own, or {"error": why there is none}.

    Apart, because a second copy of a library in one process would be given the first one's parts, and because a
    library that crashes takes its process with it.
    """
    argv = [sys.executable, "-B", "-c", code, *arguments]
    try:
        done = subprocess.run(argv, check=False, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        return {"error": "no answer in 120 s"}
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    if done.returncode == 0 and lines:
        answer: Dict[str, Any] = json.loads(lines[-1])
        return answer
    if done.returncode < 0:
        return {"error": "the process was ended by signal {}".format(-done.returncode)}
    return {"error": (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no output"])[-1]}
