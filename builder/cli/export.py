"""`builder export`: the conda environment of a lock, for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="The recipe, as in recipes/NAME.yaml.", metavar="NAME")],
    form: Annotated[
        str, typer.Option("--format", "-f", help="explicit (conda, mamba), conda-lock (version 1) or pixi.")
    ] = "explicit",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; standard output if none.")] = None,
) -> None:
    """Write the locked conda environment as another tool reads it, every package with its hash.

    Wheels that pip installs on top of it are no part of these formats; which they are is told on standard error.

    Examples: `builder export mine > mine.txt` and then `conda create -n mine --file mine.txt`,
    `builder export mine --format conda-lock -o conda-lock.yml`, `builder export mine --format pixi -o pixi.lock`.
    """
    from builder.conda.exports import FORMATS, left_out
    from builder.pipeline import Workplace, described

    if form not in FORMATS:
        raise typer.BadParameter(f"one of {', '.join(FORMATS)}", param_hint="--format")
    lock = described(Workplace(), name).lock
    text = FORMATS[form](lock, name)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
        print(f"{output}: {text.count(chr(10))} lines")
    if note := left_out(lock):
        print(f"note: {note}", file=sys.stderr)
