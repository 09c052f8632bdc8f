"""How the commands of an image begin and end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from .model import RefusedError


def parser(name: str, about: str, examples: str) -> argparse.ArgumentParser:
    """An argument parser whose help shows examples, and whose errors are one line."""
    made = argparse.ArgumentParser(
        prog=name, description=about, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.allow_abbrev = False
    return made


def run(name: str, main: Callable[[list[str]], int]) -> None:
    """Runs a command: what it refuses is one line and exit code 2."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except RefusedError as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        code = 141
    except KeyboardInterrupt:
        code = 130
    # Whatever a library does while Python shuts down is not waited for, nor can it change the answer.
    sys.stderr.flush()
    os._exit(code)
