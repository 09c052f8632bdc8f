"""Questions: each check of a recipe, ready to be asked of an image, with the digest of all that its outcome depends on.

Which is the script, its arguments, the layers and the image's configuration. Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from builder.checks import CHECKS, CheckScript, Subject, script_of
from builder.errors import CheckFailed
from builder.models.base import Sha256, sha256_of
from builder.stages.check_audit import AUDIT
from builder.stages.check_size import SIZE
from builder.stages.render import step_texts

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import JsonValue

    from builder.models.engine import ImageFacts
    from builder.models.lock import Lock
    from builder.models.plan import Layer, Plan
    from builder.models.recipe import Check, Recipe
    from builder.models.report import CheckResult

FRESH = timedelta(days=1)
"""For so long what depends on the day is not asked again."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A check that is ready to be asked."""

    name: str
    asked: Check
    script: CheckScript
    arguments: dict[str, JsonValue]
    text: str
    key: Sha256


def questions(recipe: Recipe, plan: Plan, lock: Lock, image: ImageFacts) -> tuple[Question, ...]:
    """Those of the recipe's checks that are scripts. Raises CheckFailed when the image is not the plan's."""
    subject = Subject(recipe=recipe, plan=plan, lock=lock)
    prepared = []
    for name, asked in zip(expected(recipe), recipe.checks, strict=False):  # `audit` and `size` are no scripts
        script, text = CHECKS[asked.check], script_of(asked.check)
        arguments: dict[str, JsonValue] = {**script.given(subject), **asked.with_}
        key = _key(asked.check, arguments, text, _layers(script, plan, image), image)
        prepared.append(
            Question(name=name, asked=asked, script=script, arguments=arguments, text=text, key=key),
        )
    return tuple(prepared)


def _layers(script: CheckScript, plan: Plan, image: ImageFacts) -> tuple[str, ...]:
    """What of the layers the check's outcome depends on. The plan's layers are the image's topmost ones, in order."""
    own = len(plan.layers)
    below = len(image.layers) - own
    if below < 0 or (plan.base is None and below):
        raise CheckFailed(
            f"the image was not built from this plan: it has {len(image.layers)} layers, the plan {own}",
            where=image.id,
            remedy=f"run `builder build {plan.name}`",
        )
    own_layers = zip(plan.layers, image.layers[below:], strict=True)
    read = (diff if layer.action in script.reads else _without_artifacts(plan, layer) for layer, diff in own_layers)
    return (*image.layers[:below], *read)


def _without_artifacts(plan: Plan, layer: Layer) -> Sha256:
    """Digest of all that makes a layer but its artifacts: of the trust layer, all but the certificates.

    What starts in every Python, apt's configuration and links are in there too, and no check is blind to those. The
    title is left out, which counts the certificates.
    """
    made = layer.model_dump(mode="json", exclude={"artifacts", "title"})
    return sha256_of(json.dumps([made, step_texts(plan, layer)], sort_keys=True))


def _key(name: str, arguments: dict[str, JsonValue], text: str, layers: tuple[str, ...], image: ImageFacts) -> Sha256:
    """Labels are left out: they hold the lock's digest, and no check reads them."""
    parts = [name, arguments, text, layers, image.env, image.user, image.workdir]
    return sha256_of(json.dumps(parts, sort_keys=True, separators=(",", ":")))


def is_fresh(result: CheckResult, now: datetime) -> bool:
    """Whether an answer that depends on the day is young enough to stand."""
    return result.asked is not None and abs(now - result.asked) < FRESH


def expected(recipe: Recipe) -> tuple[str, ...]:
    """The name of every result that a report on the recipe must have; a check asked twice gets a number."""
    asked, names = Counter[str](), []
    for one in recipe.checks:
        asked[one.check] += 1
        names.append(one.check if asked[one.check] == 1 else f"{one.check}-{asked[one.check]}")
    return (*names, AUDIT, *((SIZE,) if recipe.budget.size else ()))
