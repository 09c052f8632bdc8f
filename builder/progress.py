"""How long work tells what it is doing: a port, which `builder.cli.display` carries out on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

Unit = Literal["bytes", "items"]


class Task(Protocol):
    """One piece of work that can be seen moving."""

    def advance(self, amount: int) -> None:
        """So many more bytes or items are done (negative when work is lost and starts again)."""

    def detail(self, text: str) -> None:
        """What it is at now: a file name, a step."""

    def total(self, amount: int) -> None:
        """How many there are, now that it is known."""


class Progress(Protocol):
    """Where work reports to. Safe to call from several threads."""

    def task(self, label: str, *, total: int | None = None, unit: Unit = "items") -> AbstractContextManager[Task]:
        """A bar for the time of the `with` block; without a total it shows that something moves."""

    def say(self, text: str) -> None:
        """A line that stays."""


class _SilentTask:
    def advance(self, amount: int) -> None: ...
    def detail(self, text: str) -> None: ...
    def total(self, amount: int) -> None: ...


class Silent:
    """Says nothing: for tests and `--json`."""

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:  # noqa: ARG002
        """A task that nobody sees."""
        yield _SilentTask()

    def say(self, text: str) -> None:
        """Drops the line."""
