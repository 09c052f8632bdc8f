"""Recipes as files: `recipes/NAME.yaml`."""

from __future__ import annotations

from pathlib import Path

from builder.errors import DiskError, RecipeError

FOLDER = Path("recipes")


def recipe_path(name: str) -> Path:
    """Where the recipe of that name lies, relative to the project."""
    return FOLDER / f"{name}.yaml"


def write_new(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Writes a recipe that is not there yet.

    Raises RecipeError when it is there and `overwrite` is false, DiskError when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not overwrite:
            raise RecipeError("the recipe is there already", where=str(path), remedy="another name, or --force")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DiskError("cannot write the recipe", where=str(path), seen=error.strerror) from None
