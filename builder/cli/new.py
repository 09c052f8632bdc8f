"""`builder new`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from builder.stages.new import Purpose

if TYPE_CHECKING:
    from builder.models.catalog import Catalog

app = typer.Typer()


@app.command()
def new(
    name: Annotated[
        str | None, typer.Argument(help="The recipe's name; it becomes recipes/NAME.yaml.", metavar="NAME")
    ] = None,
    base: Annotated[str, typer.Option(help="What the image starts from.")] = "debian-bullseye",
    purpose: Annotated[Purpose, typer.Option(help="What the image is for.")] = "training",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a recipe that is there.")] = False,
    list_bases: Annotated[bool, typer.Option("--list-bases", help="Show the bases and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --list-bases: one JSON list.")] = False,
) -> None:
    """Write a commented recipe to start from: recipes/NAME.yaml."""
    from builder.adapters.catalog import load_catalog

    catalog = load_catalog()
    if list_bases:
        _list(catalog, as_json=as_json)
        return
    if as_json:
        raise typer.BadParameter("it goes with --list-bases", param_hint="--json")
    if name is None:
        raise typer.BadParameter("a name is needed, as in `builder new mine`", param_hint="NAME")

    from builder.adapters.recipes import recipe_path, write_new
    from builder.stages.load import parse_recipe
    from builder.stages.new import starter

    path = recipe_path(name)
    text = starter(name, base=base, catalog=catalog, purpose=purpose)
    parse_recipe(text, str(path), bases=catalog.bases)
    write_new(path, text, overwrite=force)
    print(f"{path} is written. Look through it, then:\n\n  builder build {name}")


def _list(catalog: Catalog, *, as_json: bool) -> None:
    from builder.cli.display import table

    bases = [(name, base.summary) for name, base in catalog.bases.items()]
    if as_json:
        print(json.dumps([{"base": name, "summary": summary} for name, summary in bases], indent=2))
    else:
        table(["base", "what it is"], bases)
