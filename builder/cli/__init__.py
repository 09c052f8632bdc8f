"""The `builder` command; the only importer of typer and rich."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


def main() -> None:
    """The console entry point: runs the command line and exits with the code of what happened."""
    from builder.cli.errors import handle_signals, report

    try:
        _speak()
        handle_signals()
        from builder.cli.app import app

        app(prog_name="builder")
    except (Exception, KeyboardInterrupt) as error:  # outside any command: while importing, or in `--help`
        sys.exit(report(error))


def _speak() -> None:
    """Streams that are closed swallow what is said; a character that the terminal's encoding lacks is spelled out."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
