"""Where docker's client would look, as its own configuration says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from builder.adapters.engine.docker_config import address_and_context, find_clients, find_plugin


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DOCKER_CONFIG."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("builder.adapters.engine.docker_config._PLUGINS", ())
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def context(folder: Path, name: str, host: str) -> None:
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_nothing_set_means_the_local_socket(folder: Path) -> None:
    assert address_and_context() == ("unix:///var/run/docker.sock", "default")


def test_docker_host_beats_every_context(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context(folder, "far", "ssh://far")
    (folder / "config.json").write_text('{"currentContext": "far"}')
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    assert address_and_context() == ("tcp://127.0.0.1:2375", "default")


def test_the_current_context_is_read_and_docker_context_beats_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context(folder, "far", "ssh://far")
    context(folder, "near", "unix:///near")
    (folder / "config.json").write_text('{"currentContext": "far"}')
    assert address_and_context() == ("ssh://far", "far")
    monkeypatch.setenv("DOCKER_CONTEXT", "near")
    assert address_and_context() == ("unix:///near", "near")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert address_and_context() == ("unix:///var/run/docker.sock", "default")


def test_a_configuration_that_is_no_json_counts_as_none(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert address_and_context()[1] == "default"


def test_the_users_plugin_comes_before_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = program(folder / "bin" / "docker-buildx")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_plugin("docker-buildx") == on_path
    own = program(folder / "cli-plugins" / "docker-buildx")
    assert find_plugin("docker-buildx") == own
    extra = program(folder / "extra" / "docker-buildx")
    (folder / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(extra.parent)]}))
    assert find_plugin("docker-buildx") == extra


def test_a_plugin_that_cannot_be_run_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    (folder / "cli-plugins" / "docker-buildx").mkdir(parents=True)
    assert find_plugin("docker-buildx") is None


def test_every_client_on_path_is_found_once_in_the_shells_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = program(folder / "a" / "docker"), program(folder / "b" / "docker")
    (folder / "c").symlink_to(folder / "b")
    monkeypatch.setenv("PATH", ":".join(str(folder / name) for name in ("a", "b", "c", "none")))
    assert find_clients() == (first, second)
