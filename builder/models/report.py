"""The report: what each check found in one image, with its evidence."""

from __future__ import annotations

from enum import Enum

from pydantic import AwareDatetime, Field, JsonValue

from builder.models.base import ImageId, Model, Sha256


class Outcome(str, Enum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    """The image is not what it should be."""
    SKIP = "SKIP"
    """The recipe says not to ask, and why."""
    ERROR = "ERROR"
    """The check itself could not be carried out; no verdict, and no tag."""
    UNPROVEN = "UNPROVEN"
    """This host lacks what the question needs (a GPU); neither passed nor failed."""


class Proof(Model):
    """Where a check was asked that the report's own engine could not ask."""

    engine: str
    """Name and version of the engine."""
    host: str
    """The engine's own name for its machine; which GPU that has is in the check's evidence."""


class CheckResult(Model):
    """One check's outcome in one image."""

    name: str
    """Unique in the report: the check's name, or the one that the recipe gives it."""
    outcome: Outcome
    summary: str
    """One sentence: what was measured, or what is wrong and what to do about it."""
    evidence: dict[str, JsonValue] = Field(default_factory=dict)
    seconds: float
    key: Sha256
    """Digest of all that the outcome depends on: script, arguments, the layers that it reads, the configuration."""
    image: ImageId
    """The image that it ran in; differs from the report's when the result was carried over."""
    asked: AwareDatetime | None = None
    """When; a check whose outcome depends on the day is asked again when that is long ago."""
    engine: str | None = None
    """Name and version of the engine that it ran on; differs from the report's when it was carried over."""
    proven: Proof | None = None
    """Who answered when it was not the report's own engine: `builder prove`."""


class Notice(Model):
    """Something that the reader should know and that no check decides, such as an end of life."""

    subject: str
    text: str


class Report(Model):
    """What was found in one image."""

    version: int = 1
    name: str
    image: ImageId
    recipe: Sha256
    lock: Sha256
    rendering: Sha256
    engine: str
    """Name and version of the engine that ran the checks; what was carried over says its own."""
    results: tuple[CheckResult, ...]
    notices: tuple[Notice, ...] = ()

    def with_outcome(self, *outcomes: Outcome) -> tuple[CheckResult, ...]:
        """The results that ended in one of these."""
        return tuple(r for r in self.results if r.outcome in outcomes)
