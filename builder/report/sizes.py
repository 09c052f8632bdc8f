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

MOST_CELLS = 48
"""Rectangles of the map; what is smaller is one of them together."""
WIDE, NARROW, HIGH = 1000, 340, 380
"""Pixels that the map has on a desk and on a phone, to tell where a name fits."""


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


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A rectangle of the map; the sides in percent of the whole."""

    name: str
    kind: str
    size: int
    x: float
    y: float
    width: float
    height: float
    fits: str
    """Where the name fits into it: always, wide (on a desk alone) or never."""


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
            LayerBar(name=one.name, title=one.title, size=size, share=round(100 * size / most, 2))
            for one, size in zip(seen, sizes, strict=True)
        ),
        total=sum(sizes),
        measured=measured,
    )


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
    named = [(p.name, p.kind, p.size) for p in there[:MOST_CELLS]]
    for kind in sorted({p.kind for p in there[MOST_CELLS:]}):
        rest = [p.size for p in there[MOST_CELLS:] if p.kind == kind]
        named.append((f"{len(rest)} more of {kind}", kind, sum(rest)))
    named.sort(key=lambda cell: -cell[2])
    places = squares([size for _, _, size in named], WIDE, HIGH)
    return tuple(_cell(*what, place) for what, place in zip(named, places, strict=True))


Place = tuple[float, float, float, float]
"""Left, top, width, height."""


def _cell(name: str, kind: str, size: int, place: Place) -> Cell:
    x, y, width, height = place
    needed = 7.2 * len(name) + 12
    fits = "never"
    if height >= 20 and width >= needed:
        fits = "always" if width * NARROW / WIDE >= needed else "wide"
    return Cell(
        name=name,
        kind=kind,
        size=size,
        x=round(100 * x / WIDE, 3),
        y=round(100 * y / HIGH, 3),
        width=round(100 * width / WIDE, 3),
        height=round(100 * height / HIGH, 3),
        fits=fits,
    )


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
