# Every module imports, and every distribution has the locked version.
import re
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Dict, Optional

if TYPE_CHECKING:
    from builder.checks._prelude import ARGS, conclude, finish, load

try:
    from importlib import metadata
except ImportError:  # Python 3.6 and 3.7
    metadata = None  # type: ignore[assignment]


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> "Dict[str, Any]":
    """Every distribution of the environment, by its normal name."""
    return {normal(d.metadata["Name"]): d for d in metadata.distributions() if d.metadata["Name"]}


def modules_of(distribution: Any) -> "list[str]":
    """The top-level packages and modules that a distribution brings, private and meta ones left out."""
    names = set()
    for file in distribution.files or ():
        parts = file.parts
        if len(parts) == 2 and parts[1] == "__init__.py":
            names.add(parts[0])
        elif len(parts) == 1 and file.suffix == ".py":
            names.add(parts[0][:-3])
    return sorted(n for n in names if n.isidentifier() and not n.startswith("_"))


def tried(module: str) -> "Dict[str, Any]":
    """How one import went."""
    print("importing " + module, file=sys.stderr)  # the last such line names the one that takes the process down
    sys.stderr.flush()
    begun = time.time()
    error: "Optional[str]" = None
    version = ""
    try:
        version = str(getattr(load(module), "__version__", ""))
    except BaseException as caught:  # SystemExit too: a module that ends the process on import is broken
        error = traceback.format_exception_only(type(caught), caught)[-1].strip()
    return {"module": module, "version": version, "seconds": round(time.time() - begun, 3), "error": error}


def measured(rows: "list[Dict[str, Any]]", have: "Dict[str, Any]") -> "Dict[str, str]":
    """What each module says of its version, else the distribution of its name; and the recipe's packages."""
    versions = {name: d.version for name, d in have.items() if name in map(normal, ARGS.get("packages") or [])}
    for row in rows:
        named = have.get(normal(row["module"]))
        versions[normal(row["module"])] = row["version"] or (named.version if named else "")
    # What other checks measure under these names is no module's version.
    return {n.replace("-", "_"): v for n, v in versions.items() if v and n not in ("python", "cuda", "cudnn")}


def main() -> None:
    have = installed() if metadata else {}
    problems = []
    for name, version in sorted(ARGS.get("locked", {}).items()):
        seen = have[normal(name)].version if normal(name) in have else "missing"
        if metadata and seen != version:
            problems.append("{} is {}, the lock says {}".format(name, seen, version))
    modules = list(ARGS.get("modules") or [])
    if not modules:
        asked = [have[normal(name)] for name in ARGS.get("packages", []) if normal(name) in have]
        modules = [module for distribution in asked for module in modules_of(distribution)]
    if not modules:
        finish("FAIL", "no module to import: name some in the recipe, as in `imports: {modules: [torch]}`")
    rows = [tried(module) for module in modules]
    problems += ["`import {module}` fails: {error}".format(**row) for row in rows if row["error"]]
    conclude(
        problems,
        "{} modules import; {} distributions as locked".format(len(rows), len(ARGS.get("locked", {}))),
        modules=rows,
        distributions=len(have),
        measured=measured(rows, have),
    )


main()
