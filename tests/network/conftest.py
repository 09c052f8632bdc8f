"""What the tests against loopback servers share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_server import Mirror

from builder.adapters.store.content import Store


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The host's own proxies and logins have no say."""
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def serve() -> Iterator[Callable[..., Mirror]]:
    """Starts mirrors that end with the test."""
    with ExitStack() as stack:
        yield lambda files, **how: stack.enter_context(Mirror(files, **how).running())
