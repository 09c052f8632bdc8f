"""Notices: what the reader of a report should know and no check decides. Pure; the day is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.models.report import Notice

if TYPE_CHECKING:
    import datetime

    from builder.models.catalog import Catalog, EndOfLife
    from builder.models.recipe import Recipe


def notices(recipe: Recipe, catalog: Catalog, *, today: datetime.date) -> tuple[Notice, ...]:
    """The ends of life that have passed, of the recipe's base and of its Python, and those within half a year; terms of
    service that come with the recipe's installer and that nobody accepted.
    """
    base = catalog.bases.get(recipe.base)
    ends: list[tuple[str, EndOfLife]] = []
    if base is not None:
        ends.append((base.summary.partition(",")[0].partition(" as ")[0], base.end_of_life))
    if recipe.python in catalog.python_end_of_life:
        ends.append((f"Python {recipe.python}", catalog.python_end_of_life[recipe.python]))
    found = (*(_notice(subject, end, today) for subject, end in ends), _terms(recipe))
    return tuple(notice for notice in found if notice)


def _terms(recipe: Recipe) -> Notice | None:
    """Channels under Anaconda's terms are refused when the recipe is read; a base installation is only told of."""
    conda = recipe.conda
    if conda is None or conda.installer != "miniconda" or conda.accept_terms:
        return None
    return Notice(
        subject="Miniconda",
        text="the base installation's packages are Anaconda's: organisations of over 200 people need a licence for "
        "them. Choose `installer: miniforge`, or write `accept_terms: true` with who accepted the terms and when",
    )


def _notice(subject: str, end: EndOfLife, today: datetime.date) -> Notice | None:
    days = (end.date - today).days
    if days < 0:
        text = f"reached its end of life on {end.date}: no more security fixes ({end.source})"
    elif days <= 183:
        text = f"reaches its end of life on {end.date}, in {days} days ({end.source})"
    else:
        return None
    return Notice(subject=subject, text=text)
