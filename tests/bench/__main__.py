"""`python -m tests.bench`: builder beside the plain Dockerfile for the same lock, in one run on one engine."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from builder.errors import BuilderError, Fault
from builder.pipeline.verbs import require_room

from .course import run
from .engine import local_engine
from .scenarios import Scenario
from .subject import prepare
from .table import as_json, table

_ABOUT = """\
Builds a recipe's lock with builder and with the plain Dockerfile (the CA bundle copied, then one `pip install`), both
from the same Python base and from the same files on loopback, and prints how they compare: with an empty build cache,
with nothing changed, with the CA bundle changed, with one small wheel changed; seconds, ratios, bytes of new layers.

!!! IT EMPTIES THE ENGINE'S WHOLE BUILD CACHE (docker builder prune --all), everybody's, several times. It asks first,
!!! and where nobody can answer it wants --yes. --keep-cache measures with --no-cache instead and empties nothing.

Images keep out of the way (all are named builder-bench*) and are removed. A recipe like quickstart takes 10 to 20
minutes and up to 25 GB of the engine's disk for as long as it runs."""


def main() -> int:
    """The exit code."""
    asked = _asked()
    if not (asked.keep_cache or asked.yes or _agreed()):
        sys.stderr.write("nothing was done: --yes empties the build cache, --keep-cache leaves it alone\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="builder-bench-") as folder:
        os.environ["BUILDER_STATE"] = str(Path(folder, "state"))
        try:
            engine = local_engine()
            subject = prepare(asked.recipe, Path(folder, "project"), small=asked.small, wheel=asked.wheel)
            require_room(subject.place, subject.described(Scenario.EMPTY))
            course = run(subject, engine, rounds=asked.rounds, keep_cache=asked.keep_cache)
        except BuilderError as error:
            _complain(error)
            for fault in error.faults:
                _complain(fault)
            return error.exit_code
        found = as_json(course, subject, engine, keep_cache=asked.keep_cache)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(course)}\nevery figure: {asked.json}\n")
    return 0


def _complain(error: BuilderError | Fault) -> None:
    sys.stderr.write("; ".join(filter(None, (error.what, error.where, error.seen, error.remedy))) + "\n")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", nargs="?", default="quickstart", help="as in recipes/NAME.yaml (default: quickstart)")
    parser.add_argument("--small", action="store_true", help="only a few small wheels of it: tries the bench itself")
    parser.add_argument("--rounds", type=int, default=1, help="repetitions; the table has the median (default: 1)")
    parser.add_argument(
        "--wheel", default="typing-extensions==4.15.0", help="what changes, or its file (default: %(default)s)"
    )
    parser.add_argument("--keep-cache", action="store_true", help="leave the build cache alone; use --no-cache")
    parser.add_argument("--yes", action="store_true", help="EMPTY THE ENGINE'S BUILD CACHE without asking")
    parser.add_argument(
        "--json", type=Path, default=Path(".builder/bench.json"), help="where the figures go (default: %(default)s)"
    )
    return parser.parse_args()


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("This EMPTIES the engine's whole build cache, everybody's. Go on? [y/N] ").lower().startswith("y")


if __name__ == "__main__":
    sys.exit(main())
