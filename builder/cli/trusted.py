"""Whom a recipe's image trusts, for questions about hosts."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from builder.adapters.tls.stores import Store
    from builder.models.pin import Pin
    from builder.trust.certs import Cert

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
FOR_RECIPE: Final = "Judge with the bundle of this recipe's lock, and with its pins."
RecipeName = Annotated[str | None, typer.Option("--recipe", metavar="NAME", help=FOR_RECIPE)]
Bundle = Annotated[Path | None, typer.Option("--bundle", metavar="FILE", help="Judge with these anchors alone.")]
Address = Annotated[
    str | None, typer.Option("--address", metavar="IP", help="Ask there, whatever the name resolves to, by no proxy.")
]


def now() -> datetime:
    """Aware, in UTC."""
    return datetime.now(timezone.utc)


def certificates_of(source: str, as_json: bool) -> tuple[Cert, ...]:
    """What a recipe's image trusts, or what is in a file. Raises RecipeError."""
    from builder.trust.reading import certificates_in

    path = Path(source)
    if path.is_file():
        return certificates_in(path.read_bytes(), source)
    from builder.cli.display import progress
    from builder.pipeline import Workplace, bundle_of

    return certificates_in(bundle_of(Workplace(), source, progress(as_json)), f"the bundle of {source}")


def trusted_by(recipe: str, *, as_json: bool) -> tuple[Store, tuple[Pin, ...]]:
    """The bundle of a recipe's lock, and its pins. Raises RecipeError, LockError, NetworkError."""
    from builder.adapters.tls.stores import Store
    from builder.cli.display import progress
    from builder.pipeline import Workplace, bundle_of
    from builder.trust.certs import split_pem

    place = Workplace()
    ders = split_pem(bundle_of(place, recipe, progress(as_json)))
    lock = str(place.project.lock_path(recipe))
    return Store(f"the bundle of {recipe}", lock, "clients in the image", ders), place.load(recipe).recipe.trust.pins


def stores_of(recipe: str | None, bundle: Path | None, *, as_json: bool) -> tuple[tuple[Store, ...], tuple[Pin, ...]]:
    """One store to judge with, the system's unless another is named; and the pins of the recipe."""
    if recipe and bundle:
        raise typer.BadParameter("the bundle is the recipe's, or that of --bundle", param_hint="--recipe")
    if recipe:
        store, pins = trusted_by(recipe, as_json=as_json)
        return (store,), pins
    from builder.adapters.tls.stores import bundle_store, find_stores

    return (bundle_store(bundle) if bundle else find_stores()[0],), ()
