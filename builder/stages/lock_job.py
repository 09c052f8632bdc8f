"""What every part of a lock is made from: the recipe, its base, the ports, what was locked before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builder.models.catalog import BasePython, ImageEntry, RootfsEntry
    from builder.models.lock import Lock, Package
    from builder.models.recipe import Recipe
    from builder.stages.lock_ports import Ports


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one lock is made from."""

    recipe: Recipe
    entry: RootfsEntry | ImageEntry
    python: BasePython | None
    """The distribution's; None: conda brings it."""
    ports: Ports
    previous: Lock | None
    upgrade: frozenset[str]

    @property
    def wants_own_roots(self) -> bool:
        """Whether the image trusts what its distribution trusts."""
        return self.recipe.trust.roots == "distribution"

    def where(self, key: str) -> str:
        """The place of a key in the recipe."""
        return f"recipes/{self.recipe.name}.yaml: {key}"

    def keep(self, packages: tuple[Package, ...]) -> dict[str, str]:
        """The versions that stay, by name."""
        return {p.name: p.version for p in packages if p.name not in self.upgrade}

    def may_keep(self, packages: tuple[Package, ...]) -> bool:
        """Whether none of them is to move."""
        return not any(p.name in self.upgrade for p in packages)

    def asked_of_apt(self) -> tuple[str, ...]:
        """What the recipe and its Python want of the distribution."""
        python = self.python.packages if self.python else ()
        return tuple(dict.fromkeys((*python, *self.recipe.apt.packages)))
