"""Puts the adapter into the conda that loads this module: the entry point of group `conda`."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conda import CondaError  # type: ignore[import-not-found]
from conda.base.context import context  # type: ignore[import-not-found]
from conda.gateways.connection import download, session  # type: ignore[import-not-found]
from requests import RequestException

from .adapter import Mirrors, fetched_again, log, mount

MIRRORS = Path(sys.prefix, "etc", "builder", "mirrors.json")


def _off() -> bool:
    return os.environ.get("BUILDER_CONDA_FAILOVER", "").lower() in ("0", "false", "no", "off")


def _mounting(made: Callable[..., None], mirrors: Mirrors) -> Callable[..., None]:
    """CondaSession's `__init__`, which then mounts the adapter."""

    @functools.wraps(made)
    def made_and_mounted(self: Any, *rest: Any, **named: Any) -> None:
        made(self, *rest, **named)
        if not getattr(context, "no_plugins", False):
            mount(self, mirrors)

    return made_and_mounted


def _speak() -> None:
    """What fails is told on stderr by every conda: before 23.7 it showed no warning but its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.WARNING)
    log.propagate = False


def _install(mirrors: Mirrors) -> None:
    _speak()
    session.CondaSession.__init__ = _mounting(session.CondaSession.__init__, mirrors)
    place, name = _download_of_a_package()
    setattr(place, name, fetched_again(getattr(place, name), mirrors, (CondaError, RequestException)))


def _download_of_a_package() -> tuple[Any, str]:
    """Where conda looks its function up when it fetches a package."""
    if hasattr(download, "download_inner"):
        return download, "download_inner"
    from conda.core import path_actions  # type: ignore[import-not-found]  # noqa: PLC0415 - conda before 23.11 alone

    return path_actions, "download"


if MIRRORS.exists() and not _off():
    _install(Mirrors(json.loads(MIRRORS.read_text(encoding="utf-8"))["channels"]))
