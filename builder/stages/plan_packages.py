"""Plan, the packages: which of them have a layer of their own, and in which order the layers lie. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from builder.models.lock import CondaPackage
from builder.models.plan import Action, Layer
from builder.stages.plan_conda import package_layer

if TYPE_CHECKING:
    from builder.models.lock import Package

LARGE = 60_000_000
"""Bytes from which an artifact has a layer of its own, so that a family of images shares it."""

MEDIUM = 5_000_000
"""Bytes from which a wheel is not among the small ones, which are those that change most often: the quickstart's
small ones weigh 10 MB together, and a changed one makes only those anew."""


def package_layers(
    wheels: tuple[Package, ...], conda: tuple[CondaPackage, ...] = (), *, on: tuple[str, ...], room: int
) -> tuple[Layer, ...]:
    """Each large package by itself, then the rest of conda's together, then the medium wheels, then the small ones.

    Of the large ones the largest lies highest: an engine copies layers in order, and those that are ready first do not
    wait for it. It is torch, which also changes more often than the libraries that it is made for.

    They stand on Python and nothing else, so that none is a reason to make another again: a large conda package's
    post-link script finds there what Python needs, and the rest's also finds the rest.

    on: what they all stand on; room: for how many layers.
    """
    alone = room - 2 - bool(conda)  # medium and small wheels, and the rest of conda's packages
    every: tuple[Package | CondaPackage, ...] = (*conda, *wheels)
    by_size = sorted(every, key=lambda p: (-p.artifact.size, p.name))
    large = [p for p in by_size if p.artifact.size >= LARGE][:alone]
    others = sorted((p for p in wheels if p not in large), key=lambda p: p.name)
    medium = [p for p in others if p.artifact.size >= MEDIUM]
    small = [p for p in others if p.artifact.size < MEDIUM]
    rest = [p for p in conda if p not in large]
    return (
        *(_large(package, on) for package in reversed(large)),
        *((package_layer("conda-packages", "The other conda packages", rest, on=on),) if rest else ()),
        *((_wheel_layer("wheels-medium", "The medium wheels", medium, on),) if medium else ()),
        *((_wheel_layer("wheels-small", "The small wheels", small, on),) if small else ()),
    )


def _large(package: Package | CondaPackage, on: tuple[str, ...]) -> Layer:
    title, slug = f"{package.name} {package.version}", re.sub("[^a-z0-9]+", "-", package.name.lower()).strip("-")
    if isinstance(package, CondaPackage):
        return package_layer(f"conda-package-{slug}", title, [package], on=on)
    return _wheel_layer(f"wheel-{slug}", title, [package], on)


def _wheel_layer(name: str, title: str, packages: list[Package], on: tuple[str, ...]) -> Layer:
    artifacts = tuple(p.artifact for p in packages)
    return Layer(name=name, title=title, action=Action.INSTALL_WHEELS, artifacts=artifacts, on=on)
