"""Which clients refuse and which accept, asked of those on this machine: what data/clients.yaml says is so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from chains.clients import clients
from chains.presented import presented
from chains.scenarios import FAILING, Scenario, good

from builder.trust.clients import Affected, affected

pytestmark = pytest.mark.network
ASK = clients()
NAMES = {"curl": "curl", "git": "git", "node": "Node", "java": "Java", "urllib3": "requests"}


@pytest.mark.parametrize("make", [good, *FAILING], ids=lambda m: m.__name__)
def test_clients_here_do_what_the_table_says(make: Callable[..., Scenario], tmp_path: Path) -> None:
    with presented(make, tmp_path) as shown:
        bundle, port, name = shown.bundle, shown.server.port, shown.scenario.name
        did = {client: ask(port, name, bundle) for client, ask in ASK.items()}
    table = affected(shown.scenario.cause or "") or Affected(refuse=(), accept=())
    wrong = {c: accepts for c, accepts in did.items() if accepts is not said(table, c, shown.scenario.cause)}
    assert wrong == {}


def said(table: Affected, client: str, cause: str | None) -> bool:
    """Whether the table says that the client accepts."""
    if cause is None:
        return True
    if not client.startswith("python"):
        if cause == "strict" and client == "urllib3":
            return True  # this one runs on Python 3.11
        return any(NAMES[client] in words for words in table.accept)
    new = tuple(map(int, client.split()[1].split("."))) >= (3, 13)
    words = (f"Python {'3.13' if new else 'up to 3.12'}", "Python's ssl")
    return any(word in accepted for word in words for accepted in table.accept)


def test_every_python_that_pyenv_has_is_asked() -> None:
    here = list(Path.home().glob(".pyenv/versions/3.*/bin/python"))
    assert sum(name.startswith("python") for name in ASK) >= len(here)
