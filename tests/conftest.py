"""Which tests can run here, said aloud: those with containers need an engine, and CI always has one."""

from __future__ import annotations

import os
import signal
from functools import cache

import pytest

from builder.errors import EngineError

for _number in (signal.SIGINT, signal.SIGHUP):  # ignored when the run was started in the background, and inherited so
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


@cache
def _engine() -> str | EngineError:
    from builder.adapters.engine_doctor import require_engine

    try:
        return str(require_engine())
    except EngineError as error:
        return error


def pytest_report_header() -> str:
    found = _engine()
    return f"engine: {found}" if isinstance(found, str) else f"engine: none, its tests are skipped: {found.what}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("CI") == "true" or isinstance(_engine(), str):
        return
    for item in items:
        if item.get_closest_marker("engine") or item.get_closest_marker("quickstart"):
            item.add_marker(pytest.mark.skip(reason="no container engine answers: `builder doctor engine` says why"))
