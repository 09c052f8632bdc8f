"""Which tests can run here, said aloud: those with containers need an engine, and CI always has one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Generator
from functools import cache

import pytest

from builder.errors import EngineError

for _number in (signal.SIGINT, signal.SIGHUP):  # ignored when the run was started in the background, and inherited so
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


LACKING = r"no engine|mmdebstrap|no gcc|no Python 3.9 for the farm|no chromium|no docker-registry"
"""Reasons to skip that are no reasons in CI."""


@cache
def _engine() -> str | EngineError:
    from builder.adapters.engine.doctor import require_engine

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing is skipped for want of what `.ci/run` sees to: there it is a failure of `.ci/run`."""
    report = yield
    lacks = isinstance(report.longrepr, tuple) and re.search(LACKING, report.longrepr[2])
    if os.environ.get("CI") == "true" and report.skipped and lacks:
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr[2]}"
    return report
