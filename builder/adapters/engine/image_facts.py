"""What the engine's API says of an image, as values. Pure."""

from __future__ import annotations

import re
from typing import Any

from builder.models.engine import ImageFacts

_WITHOUT_LAYER = re.compile(
    r"(/bin/sh -c #\(nop\)\s+)?"
    r"(ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\b"
)
"""Instructions that change an image's configuration alone, as BuildKit and as the builder before it note them."""


def image_facts(data: dict[str, Any]) -> ImageFacts:
    """Of what the engine's API says of one image."""
    config = data.get("Config") or {}
    pairs = [entry.partition("=") for entry in config.get("Env") or ()]
    return ImageFacts(
        id=data["Id"],
        layers=tuple(data["RootFS"].get("Layers") or ()),
        size=data["Size"],
        env=tuple((name, value) for name, _, value in pairs),
        labels=tuple(sorted((config.get("Labels") or {}).items())),
        user=config.get("User") or "",
        workdir=config.get("WorkingDir") or "",
        commands=_commands(config),
        tags=tuple(sorted(data.get("RepoTags") or ())),
    )


def _commands(config: dict[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    health = config.get("Healthcheck") or {}
    given = (("ENTRYPOINT", config.get("Entrypoint")), ("CMD", config.get("Cmd")), ("HEALTHCHECK", health.get("Test")))
    return tuple((name, tuple(words)) for name, words in given if words)


def layer_sizes(history: list[dict[str, Any]], layers: int) -> tuple[int, ...] | None:
    """Bytes of each layer, lowest first; None where the history does not tell.

    It has the newest first, and entries without a layer that only their instruction tells from empty ones.
    """
    steps = ((int(step.get("Size") or 0), step.get("CreatedBy") or "") for step in reversed(history))
    sizes = tuple(size for size, made_by in steps if size or not _WITHOUT_LAYER.match(made_by))
    return sizes if len(sizes) == layers else None
