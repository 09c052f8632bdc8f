# The recipe's Python is the environment's, and the one that every kind of shell finds.
import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Dict

if TYPE_CHECKING:
    from builder.checks._prelude import ARGS, conclude, meets

# Debian's /etc/profile sets PATH afresh for login shells: ENV alone does not reach them.
WAYS = {
    "exec": ["python"],
    "sh -c": ["sh", "-c", 'exec python "$@"', "sh"],
    "sh -lc": ["sh", "-lc", 'exec python "$@"', "sh"],
    "bash -c": ["bash", "-c", 'exec python "$@"', "bash"],
    "bash -lc": ["bash", "-lc", 'exec python "$@"', "bash"],
}

PIPES: Dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def prefix_by(argv: "list[str]") -> str:
    """The sys.prefix of the Python that is found this way, or why there is none."""
    code = "import sys; print(sys.prefix)"
    try:
        done = subprocess.run([*argv, "-c", code], check=False, timeout=30, stdin=subprocess.DEVNULL, **PIPES)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "nothing ({})".format(error)
    last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["exit code {}".format(done.returncode)])[-1]
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else "nothing ({})".format(last)


def main() -> None:
    have, want, prefix = platform.python_version(), ARGS["version"], ARGS["prefix"]
    ways = {name: argv for name, argv in WAYS.items() if name == "exec" or shutil.which(argv[0])}
    found = {name: prefix_by(argv) for name, argv in ways.items()}
    problems = []
    if not meets(have, want):
        problems.append("Python is {}, the recipe wants {}".format(have, want))
    if os.path.realpath(sys.prefix) != os.path.realpath(prefix):
        problems.append("sys.prefix is {}, the environment is {}".format(sys.prefix, prefix))
    for name, seen in found.items():
        if os.path.realpath(seen) != os.path.realpath(prefix):
            problems.append("`python` by {} finds {}, not {}".format(name, seen, prefix))
    conclude(
        problems,
        "Python {} at {}, found by {}".format(have, prefix, ", ".join(found)),
        version=have,
        implementation=platform.python_implementation(),
        executable=sys.executable,
        prefix=sys.prefix,
        found=found,
        measured={"python": have},
    )


main()
