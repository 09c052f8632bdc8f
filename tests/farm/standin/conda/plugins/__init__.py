"""conda's plugin hooks, by conda's names; a stand-in of builder's tests."""

from conda.plugins import types
from conda.plugins.manager import hookimpl
from conda.plugins.types import CondaAuthHandler, CondaPostCommand, CondaPreCommand

__all__ = ["CondaAuthHandler", "CondaPostCommand", "CondaPreCommand", "hookimpl", "types"]
