"""`builder schema`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for people, instead.")] = False,
) -> None:
    """Print the JSON Schema of a recipe, for editors; builder/data/recipe.schema.json is a copy of it.

    Example: `builder schema > recipe.schema.json`.
    """
    if markdown:
        from builder.models.reference import reference

        print(reference(), end="")
        return
    from builder.models.recipe import schema_text

    print(schema_text(), end="")
