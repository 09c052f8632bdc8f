"""The seal: the only thing that `tag` takes."""

from __future__ import annotations

from builder.models.base import ImageId, Model, Sha256


class Seal(Model):
    """An image whose gate was passed, bound to the evidence and to the names that it may have."""

    name: str
    image: ImageId
    recipe: Sha256
    lock: Sha256
    rendering: Sha256
    report: Sha256
    unproven: tuple[str, ...]
    """Checks that no host has proven yet; each of `names` ends in `-unproven` when there is one."""
    names: tuple[str, ...]
    """Full image references to give: `quickstart:1.0-unproven`."""
