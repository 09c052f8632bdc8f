"""`builder debug --insecure-once -- CMD`: one command without verification, to see whether that is what fails."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

app = typer.Typer()

_WARNING = """\
WARNING: TLS verification is OFF for this one command. Anyone on the way can read and replace what it fetches.
         Throw away what it downloads; find the cause with `builder doctor HOST`. No setting is written, and what
         goes into its caches is thrown away at its end.
         Switched off for: conda, mamba, git, Node, npm, yarn{pip}.
         It does not reach, and they verify as before: curl, wget, apt, Java, Go, and Python's own ssl, urllib and
         requests, which have no variable for it{hosts}.
"""


@app.command(context_settings={"ignore_unknown_options": True})
def debug(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run.")],
    insecure_once: Annotated[
        bool, typer.Option("--insecure-once", help="Yes: without verification, this once. Needed.")
    ] = False,
    hosts: Annotated[list[str] | None, typer.Option("--host", help="A host that pip and uv are not to verify.")] = None,
) -> None:
    """Run one command with TLS verification off, for that process alone; nothing is written, its exit code is ours.

    To find out whether verification is what fails, and for nothing else. Refused in CI.

    Example: `builder debug --insecure-once -- conda search python`.
    """
    if not insecure_once:
        raise typer.BadParameter("this switches TLS verification off: say so with --insecure-once before the `--`")
    from builder.audit.variables import is_false

    if not is_false(os.environ.get("CI", "")):
        from builder.errors import BuilderError

        raise BuilderError(
            "verification is not switched off in CI",
            where="CI",
            seen=os.environ["CI"],
            remedy="run `builder doctor HOST` in the job: it names the cause",
        )
    from builder.adapters.audit.once import run_unverified

    named = tuple(hosts or ())
    text = _WARNING.format(
        pip=f", pip and uv (for {', '.join(named)})" if named else "",
        hosts="" if named else "; for pip and uv only with --host HOST",
    )
    red = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    sys.stderr.write(f"\033[1;31m{text}\033[0m" if red else text)
    sys.stderr.flush()
    raise typer.Exit(run_unverified(command, named))
