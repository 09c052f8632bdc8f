"""Where conda is in an image, and where its channels are when nothing tells it otherwise."""

from __future__ import annotations

from typing import Final

ROOT: Final = "/opt/conda"
"""Where conda itself is: not on PATH, but for `condabin`."""

_ANACONDA: Final = "https://repo.anaconda.com"
_CHANNELS: Final = "https://conda.anaconda.org"
"""conda's own `default_channels` and `channel_alias` (base/constants.py)."""


def home(channel: str) -> str:
    """The official address of a channel: what an environment's records and other tools know it by, whoever served."""
    return f"{_ANACONDA if channel.startswith('pkgs/') else _CHANNELS}/{channel}"
