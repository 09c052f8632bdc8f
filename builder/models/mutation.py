"""A mutation: a change to an image that one check has to catch, and what came of it."""

from __future__ import annotations

from enum import Enum

from builder.models.base import Model


class Mutation(Model):
    """One way to break an image."""

    name: str
    """Unique; `[a-z0-9][a-z0-9-]*`."""
    check: str
    """The check that is there to catch it."""
    finds: str
    """A regular expression that the check's first problem has to match: caught for any other reason is an accident."""
    script: str = ":"
    """For `sh -eu`, as root in a container of the image without network; $PREFIX, $SITE, $CONDA, $ROOM (bytes that the
    budget leaves) and $RUN (the program of the recipe's `command`) are set."""
    variables: tuple[tuple[str, str], ...] = ()
    """Of the image's configuration, by name."""
    needs: tuple[str, ...] = ()
    """Packages of the lock without which there is nothing to break; `conda` for an installation of it, `wheels` for any
    wheel, `gpu` for a GPU to see it on."""


class Verdict(str, Enum):
    """What came of a mutation."""

    CAUGHT = "caught"
    """The check failed, for the mutation's own reason."""
    MISSED = "MISSED"
    """The check passed, or did not come to a verdict."""
    ACCIDENT = "BY ACCIDENT"
    """The check failed for another reason."""
    NOTHING = "not here"
    """The image has nothing that could be broken so, or its recipe does not ask the check."""


class Mutated(Model):
    """One mutation's result."""

    name: str
    check: str
    verdict: Verdict
    summary: str
    """What the check said; why the mutation was left out."""
    seconds: float
