"""What of the audit's findings a recipe answers for; everything else of severity error refuses a tag."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from builder.models.base import Written


class Allowed(Written):
    """One finding that an image may have."""

    rule: str
    """As `builder audit --rules` lists them."""
    at: str
    """The file in the image, the name of the environment variable, or `ENTRYPOINT`, `CMD`, `HEALTHCHECK`."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it may be there, for whoever asks later: it stays in the report's evidence."""


class Audit(Written):
    """The gate's audit, which every image has and no recipe can leave out."""

    allow: tuple[Allowed, ...] = ()
    """Single findings: the `rule`, `at` which file or variable, and the `reason`, which stays in the report."""
