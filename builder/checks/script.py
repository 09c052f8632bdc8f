"""What a check is, before it is any: what it reads, what it may be told, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builder.checks.judges import Judge

if TYPE_CHECKING:
    from pydantic import JsonValue

    from builder.models.lock import Lock
    from builder.models.plan import Action, Plan
    from builder.models.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a check's arguments are drawn from besides the recipe's `with`."""

    recipe: Recipe
    plan: Plan
    lock: Lock


@dataclass(frozen=True, kw_only=True)
class CheckScript:
    """One check. Its script is this folder's file of that name, with `_` for `-`."""

    title: str
    reads: frozenset[Action]
    """The kinds of layers whose content its outcome depends on; a registry base's layers always count. Of any other
    layer all counts but what its artifacts hold: certificates that are no longer the same are no reason to ask again,
    and a file, a link or a step of the same layer is."""
    arguments: Mapping[str, Judge] = field(default_factory=dict)
    """What a recipe may give it."""
    given: Callable[[Subject], dict[str, JsonValue]] = lambda _: {}
    """What the plan, the lock and the tables give it; the recipe's own arguments come on top."""
    dated: bool = False
    """Its outcome depends on the day too: certificates end, clocks go wrong."""
    needs_gpu: bool = False
    needs_cuda: bool = False
    """The recipe has to say which CUDA it wants."""
    needs_conda: bool = False
    """The recipe has to have conda."""
    needs_model: bool = False
    """The recipe has to have a model."""
    made: Callable[[], dict[str, JsonValue]] = dict
    """What is made anew each time that it is asked, and so decides nothing about carrying its result over."""
    together: Judge = lambda _: None
    """What is wrong with all that a recipe gives it, when each is right by itself."""
    needs: tuple[str, ...] = ()
    """The arguments that a recipe has to give."""
    alters: bool = False
    """It changes files of its container, as root; only such a check has a root that can be written."""
    sees_all: bool = False
    """It looks at files of everybody, the image's own /tmp among them; it runs as root, and can write nowhere."""
    parts: tuple[str, ...] = ()
    """Further files of this folder that run before the script."""
    measures: Callable[[Recipe, Mapping[str, Any]], tuple[str, ...]] = lambda *_: ()
    """What a PASS has in its evidence's `measured`, by recipe and arguments; a tag may say it (see `measures.py`)."""
