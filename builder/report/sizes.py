"""Where an image's bytes are: its layers as bars, its packages as a map of nested rectangles. Pure.

The two are measured differently and say so: a layer by what it takes on the engine's disk, a package by the file that
is downloaded for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.models.lock import RootfsBase

if TYPE_CHECKING:
    from builder.models.lock import CondaPackage, Lock, Package
    from builder.report.provenance import LayerSeen

MOST_CELLS = 40
"""Rectangles of the map; what is smaller is one of them together."""
LEAST_SHARE = 0.02
"""Of the map, below which a rectangle could not hold the words of a name: 87 pixels wide on a desk, 63 on a phone."""
WIDE, NARROW = (1000, 400), (360, 560)
"""Width and height of the map on a desk and on a phone, in pixels: what its rectangles are square for."""


@dataclass(frozen=True, kw_only=True)
class LayerBar:
    """A layer and how much of the largest it is."""

    name: str
    title: str
    size: int
    share: float
    """Percent of the largest layer."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The layers, lowest first."""

    bars: tuple[LayerBar, ...]
    total: int
    measured: bool
    """By the engine; else the sizes are those of the downloaded files."""


@dataclass(frozen=True, kw_only=True)
class PackageSize:
    """A package of the image and the size of its file."""

    name: str
    version: str
    kind: str
    """Debian, conda or PyPI."""
    size: int


Place = tuple[float, float, float, float]
"""Left, top, width, height."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A rectangle of the map; its places are in percent of the whole."""

    name: str
    label: str
    """What stands in it, where the name of many would not fit."""
    kind: str
    size: int
    wide: Place
    """On a desk."""
    narrow: Place
    """On a phone."""


@dataclass(frozen=True, kw_only=True)
class Packages:
    """The packages, largest first, and their map."""

    all: tuple[PackageSize, ...]
    total: int
    kinds: tuple[tuple[str, int, int], ...]
    """Kind, number of packages and bytes."""
    cells: tuple[Cell, ...]


def layers(seen: Sequence[LayerSeen]) -> Layers:
    """A bar for each layer; by the files that go in where the engine does not tell."""
    measured = any(one.size is not None for one in seen)
    sizes = [(one.size or 0) if measured else one.artifacts for one in seen]
    most = max(sizes, default=0) or 1
    return Layers(
        bars=tuple(
            LayerBar(name=one.name, title=_beside(one.name, one.title), size=size, share=round(100 * size / most, 2))
            for one, size in zip(seen, sizes, strict=True)
        ),
        total=sum(sizes),
        measured=measured,
    )


def _beside(name: str, title: str) -> str:
    """What a title says that the name does not: of `wheel-torch`, `torch 2.8.0`, the version."""
    first, _, rest = title.partition(" ")
    return rest if name.endswith(first) else title


def packages(lock: Lock) -> Packages:
    """What the lock installs into the image, by the size of its file."""
    found = sorted(_packages(lock), key=lambda p: (-p.size, p.kind, p.name, p.version))
    kinds = {one.kind for one in found}
    of = {kind: [p.size for p in found if p.kind == kind] for kind in kinds}
    return Packages(
        all=tuple(found),
        total=sum(p.size for p in found),
        kinds=tuple((kind, len(of[kind]), sum(of[kind])) for kind in sorted(kinds, key=lambda k: (-sum(of[k]), k))),
        cells=_cells(found),
    )


def _packages(lock: Lock) -> Iterator[PackageSize]:
    base = lock.base.packages if isinstance(lock.base, RootfsBase) else ()
    conda: tuple[Package | CondaPackage, ...] = ()
    if lock.conda:
        conda = (lock.conda.installer, *lock.conda.packages)
    groups: tuple[tuple[str, tuple[Package | CondaPackage, ...]], ...] = (
        ("Debian", (*base, *lock.apt)),
        ("conda", conda),
        ("PyPI", lock.pip),
    )
    for kind, group in groups:
        for package in dict.fromkeys(group):
            yield PackageSize(name=package.name, version=package.version, kind=kind, size=package.artifact.size)


def _cells(found: Sequence[PackageSize]) -> tuple[Cell, ...]:
    """The largest as they are, the rest of each kind together; empty files have no place on a map."""
    there = [p for p in found if p.size]
    least = LEAST_SHARE * sum(p.size for p in there)
    large = [p for p in there[:MOST_CELLS] if p.size >= least]
    named = [(p.name, p.name, p.kind, p.size) for p in large]
    for kind in sorted({p.kind for p in there[len(large) :]}):
        rest = [p.size for p in there[len(large) :] if p.kind == kind]
        named.append((f"{len(rest)} more of {kind}", f"+{len(rest)}", kind, sum(rest)))
    named.sort(key=lambda cell: -cell[3])
    layouts = (_layout([size for *_, size in named], form) for form in (WIDE, NARROW))
    return tuple(
        Cell(name=name, label=label, kind=kind, size=size, wide=wide, narrow=narrow)
        for (name, label, kind, size), wide, narrow in zip(named, *layouts, strict=True)
    )


def _layout(sizes: Sequence[int], form: tuple[int, int]) -> list[Place]:
    across, down = (100 / side for side in form)
    return [
        (round(x * across, 3), round(y * down, 3), round(width * across, 3), round(height * down, 3))
        for x, y, width, height in squares(sizes, *form)
    ]


def squares(sizes: Sequence[float], width: float, height: float) -> list[Place]:
    """Rectangles of areas in proportion to `sizes`, largest first, as square as a greedy choice makes them.

    Bruls, Huizing and van Wijk, "Squarified treemaps", 2000.
    """
    found: list[Place] = []
    left, top, rest = 0.0, 0.0, list(sizes)
    while rest:
        scale = width * height / sum(rest)
        short = min(width, height)
        count = 1
        while count < len(rest) and _worst(rest[: count + 1], short, scale) <= _worst(rest[:count], short, scale):
            count += 1
        row, rest = rest[:count], rest[count:]
        thick = sum(row) * scale / short
        along = top if width >= height else left
        for size in row:
            length = size * scale / thick
            found.append((left, along, thick, length) if width >= height else (along, top, length, thick))
            along += length
        if width >= height:
            left, width = left + thick, max(width - thick, 1e-9)
        else:
            top, height = top + thick, max(height - thick, 1e-9)
    return found


def _worst(row: Sequence[float], short: float, scale: float) -> float:
    """The most stretched rectangle of a row along the short side: its long side in short ones."""
    thick = sum(row) * scale / short
    return max(max(thick * thick / (size * scale), size * scale / (thick * thick)) for size in row)
