"""What is measured, and what a measurement is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Scenario(str, Enum):
    """One change, on top of those before it."""

    EMPTY = "empty build cache"
    NOTHING = "nothing changed"
    BUNDLE = "CA bundle changed"
    WHEEL = "one small wheel changed"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of an image."""

    diff_id: str
    size: int
    """Bytes of its files."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One build."""

    image: str
    seconds: float
    """Of the build alone."""
    command: float | None
    """Seconds of the whole `builder build`: checked, sealed and tagged; None where there is no such thing."""
    layers: tuple[Layer, ...]


class Contender(Protocol):
    """One way to build the subject."""

    name: str
    scenarios: tuple[Scenario, ...]

    def build(self, scenario: Scenario) -> Measured:
        """Builds what the scenario asks for, with the build cache that the scenario before it left."""
