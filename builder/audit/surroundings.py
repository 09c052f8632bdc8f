"""What is known of the machine on which a file takes effect: its variables, its files; all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """None where it is not known: a file of a repository may be meant for any machine."""

    variables: Mapping[str, str] | None = None
    read: Callable[[str], bytes | None] | None = None
    """The content of a file by its absolute path; None when there is none."""
    exists: Callable[[str], bool] | None = None
    bundle: str = ""
    """The path of the system's CA bundle, if it is there: what a fix can name."""
    comments: bool = True
    """Whether a comment in a file may allow what is found there."""


ANYWHERE = Surroundings()
