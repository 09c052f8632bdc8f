"""The `builder` command; the only importer of typer and rich."""

from __future__ import annotations

import sys


def main() -> None:
    """The console entry point: runs the command line and exits with the code of what happened."""
    from builder.cli.errors import handle_signals, report

    try:
        handle_signals()
        from builder.cli.app import app

        app(prog_name="builder")
    except (Exception, KeyboardInterrupt) as error:  # outside any command: while importing, or in `--help`
        sys.exit(report(error))
