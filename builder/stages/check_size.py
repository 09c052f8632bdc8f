"""The gate's size: what the image takes on the engine's disk, against the recipe's `budget`; no script is needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from builder.models.base import sha256_of
from builder.models.report import CheckResult, Outcome

if TYPE_CHECKING:
    from builder.models.engine import ImageFacts
    from builder.models.recipe import Recipe

SIZE = "size"
"""The name of its result."""


def size_result(recipe: Recipe, image: ImageFacts) -> tuple[CheckResult, ...]:
    """The budget's result, if the recipe has one: the image's size in decimal units, as `docker images` counts."""
    if recipe.budget.size is None:
        return ()
    budget, fits = recipe.budget.size, image.size <= _bytes(recipe.budget.size)
    seen = _told(image.size, like=budget, up=not fits)
    return (
        CheckResult(
            name=SIZE,
            outcome=Outcome.PASS if fits else Outcome.FAIL,
            summary=f"{seen}, within {budget}" if fits else f"{seen} is more than the budget of {budget}",
            evidence={"bytes": image.size, "budget_bytes": _bytes(budget)},
            seconds=0.0,
            key=sha256_of(f"{SIZE} {budget} {image.size}"),
            image=image.id,
        ),
    )


def room(recipe: Recipe, image: ImageFacts) -> int:
    """Bytes by which the image may still grow; 0 without a budget."""
    return max(0, _bytes(recipe.budget.size) - image.size) if recipe.budget.size else 0


def _told(size: int, *, like: str, up: bool) -> str:
    """A size in a budget's own unit; `up`: what is too much is never rounded down to what would be enough."""
    unit, digits = like[-2:], {"MB": 1, "GB": 2}[like[-2:]]
    exact = size / _bytes(f"1{unit}")
    return f"{math.ceil(exact * 10**digits) / 10**digits if up else exact:.{digits}f} {unit}"


def _bytes(text: str) -> int:
    """`8GB` is 8 000 000 000."""
    return int(float(text[:-2]) * {"MB": 10**6, "GB": 10**9}[text[-2:]])
