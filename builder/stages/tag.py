"""Tag: gives a sealed image its names. Nothing else in this project gives an image a name that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from builder.errors import TagError
from builder.models.seal import Seal
from builder.stages.seal import UNPROVEN, unproven_names

if TYPE_CHECKING:
    from builder.models.base import ImageId
    from builder.models.engine import ImageFacts
    from builder.progress import Progress


class Tagger(Protocol):
    """An engine that names images."""

    def inspect(self, reference: str) -> ImageFacts | None:
        """What the engine knows of an image, by name or ID."""

    def tag(self, image: ImageId, reference: str) -> None:
        """Gives the image a name."""

    def untag(self, reference: str) -> bool:
        """Takes a name away; False when there was no such name."""


class Pusher(Tagger, Protocol):
    """An engine that also uploads them."""

    def push(self, reference: str, progress: Progress) -> str:
        """Uploads; gives the manifest's digest."""


def tag(seal: Seal, engine: Tagger) -> tuple[str, ...]:
    """Gives the sealed image its names, and gives those; final names take the place of its unproven ones.

    Raises TagError when the engine does not have that very image, or refuses a name.
    """
    _accept(seal)
    found = engine.inspect(seal.image)
    if found is None or found.id != seal.image:
        raise TagError(
            f"{seal.name}: the engine does not have the sealed image",
            where=seal.image,
            seen=found.id if found else "no such image",
            remedy=f"run `builder build {seal.name}`",
        )
    for name in seal.names:
        engine.tag(seal.image, name)
        _is_sealed(engine, seal, name)
    if not seal.unproven:
        for name in _of_image(seal.image, unproven_names(seal.names), engine):
            engine.untag(name)
    return seal.names


def withdraw(image: ImageId, names: tuple[str, ...], engine: Tagger, *, keep: str) -> tuple[str, ...]:
    """Takes names from an image that turned out faulty, and gives those that it had; `keep` is its name from then on.

    An image without any name would be gone, and nobody could look into it.
    """
    had = _of_image(image, names, engine)
    if had:
        engine.tag(image, keep)
    return tuple(name for name in had if engine.untag(name))


def _of_image(image: ImageId, names: tuple[str, ...], engine: Tagger) -> tuple[str, ...]:
    """Those of the names that are this image's."""
    return tuple(name for name in names if (facts := engine.inspect(name)) and facts.id == image)


def push(seal: Seal, engine: Pusher, progress: Progress) -> dict[str, str]:
    """Uploads the sealed image under each of its names; gives the manifest's digest for each.

    Raises TagError when a name has come to mean another image since, or the registry refuses it.
    """
    _accept(seal)
    for name in seal.names:
        _is_sealed(engine, seal, name)
    return {name: engine.push(name, progress) for name in seal.names}


def _accept(seal: Seal) -> None:
    if not isinstance(seal, Seal):
        raise TypeError(f"only a Seal is tagged, not {type(seal).__name__}")
    if seal.unproven and not all(name.endswith(UNPROVEN) for name in seal.names):
        raise TagError(
            f"{seal.name} is not proven ({', '.join(seal.unproven)}): its names must end in {UNPROVEN}",
            seen=", ".join(seal.names),
        )


def _is_sealed(engine: Tagger, seal: Seal, name: str) -> None:
    found = engine.inspect(name)
    if found is None or found.id != seal.image:
        raise TagError(
            f"{name} does not name the sealed image",
            where=seal.image,
            seen=found.id if found else "no such image",
            remedy=f"run `builder tag {seal.name}`",
        )
