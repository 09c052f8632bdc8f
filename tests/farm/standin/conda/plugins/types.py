"""What hooks yield."""

from typing import Any, Callable, NamedTuple, Set  # noqa: UP035


class CondaPreCommand(NamedTuple):
    name: str
    action: Callable[[str], None]
    run_for: Set[str]  # noqa: UP006


class CondaPostCommand(NamedTuple):
    name: str
    action: Callable[[str], None]
    run_for: Set[str]  # noqa: UP006


class CondaAuthHandler(NamedTuple):
    name: str
    handler: Any
