from __future__ import annotations

import hashlib
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from builder.adapters.engine.client import Engine, endpoint
from builder.adapters.engine.sandbox import owner, sweep
from builder.errors import EngineError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine settings but the test's own."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def context(folder: Path, name: str, host: str) -> None:
    """Writes a context as `docker context create` does."""
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    data = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(data))


def test_local_socket_is_the_default() -> None:
    assert endpoint() == "unix:///var/run/docker.sock"


def test_current_context_is_used_and_the_variables_are_stronger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context(tmp_path, "far", "tcp://far:2375")
    context(tmp_path, "near", "unix:///near.sock")
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    assert endpoint() == "tcp://far:2375"
    monkeypatch.setenv("DOCKER_CONTEXT", "near")
    assert endpoint() == "unix:///near.sock"
    monkeypatch.setenv("DOCKER_HOST", "unix:///other.sock")
    assert endpoint() == "unix:///other.sock"


def test_missing_context_is_named_instead_of_taking_the_local_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(EngineError) as caught:
        Engine().version()
    assert caught.value.what == "there is no docker context named gone"


@pytest.mark.parametrize("by", ["variable", "context"])
def test_engine_that_does_not_answer_is_named_with_its_address(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"unix://{tmp_path}/none.sock"
    if by == "variable":
        monkeypatch.setenv("DOCKER_HOST", address)
    else:
        context(tmp_path, "gone", address)
        (tmp_path / "config.json").write_text('{"currentContext": "gone"}')
    with pytest.raises(EngineError) as caught:
        Engine().version()
    error = caught.value
    assert (error.what, error.where) == ("no container engine answers", address)
    assert error.seen == "[Errno 2] No such file or directory"
    assert error.remedy == "run `builder doctor engine`"


class Containers:
    """The two calls of the SDK that sweeping makes."""

    def __init__(self, **labels: dict[str, str]) -> None:
        self.labels = labels

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Id": name, "Labels": labels} for name, labels in self.labels.items()]

    def remove_container(self, container: str, **_: Any) -> None:
        del self.labels[container]


def test_only_abandoned_containers_are_swept() -> None:
    mine, soon, past = owner(), str(int(time.time()) + 99), str(int(time.time()) - 1)
    host, namespace, pid, started = mine.split("/", 3)
    api = Containers(
        mine={"builder.check": mine, "builder.check.deadline": soon},
        reused={"builder.check": f"{host}/{namespace}/{pid}/{int(started) - 1}", "builder.check.deadline": soon},
        gone={"builder.check": f"{host}/{namespace}/999999999/1", "builder.check.deadline": soon},
        elsewhere={"builder.check": f"other/{namespace}/1/1", "builder.check.deadline": soon},
        forgotten={"builder.check": f"other/{namespace}/1/1", "builder.check.deadline": past},
        strange={"builder.check": "1"},
    )
    assert sweep(api) == 3
    assert sorted(api.labels) == ["elsewhere", "mine", "strange"]


def test_engine_at_an_address_is_that_one_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    given = tmp_path / "given.sock"
    with socket.socket(socket.AF_UNIX) as nobody_listens:
        nobody_listens.bind(str(given))
    with pytest.raises(EngineError) as caught:
        Engine(f"unix://{given}").version()
    assert (caught.value.where, caught.value.seen) == (f"unix://{given}", "[Errno 111] Connection refused")
