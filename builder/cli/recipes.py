"""`builder schema`."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors; builder/data/recipe.schema.json is a copy of it."""
    from builder.models.recipe import schema_text

    print(schema_text(), end="")
