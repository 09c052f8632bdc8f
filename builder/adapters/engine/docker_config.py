"""What docker's own client is configured with: the engine's address, the context's name, where plugins are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from builder.errors import EngineError

LOCAL: Final = "unix:///var/run/docker.sock"
_PLUGINS: Final = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)
"""As in the client's manager_unix.go, and where Homebrew and Docker Desktop put them."""


def address_and_context() -> tuple[str, str]:
    """Where the engine is and the name of the docker context: DOCKER_HOST, else DOCKER_CONTEXT, else the current one.

    Raises EngineError when that context does not exist.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host, "default"
    name = os.environ.get("DOCKER_CONTEXT") or str(_config().get("currentContext") or "default")
    if name == "default":
        return LOCAL, name
    meta = _folder() / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        host = json.loads(meta.read_text(encoding="utf-8"))["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"the docker context {name} cannot be read",
            where=str(meta),
            seen=f"{type(error).__name__}: {error}",
            remedy="`docker context ls` lists those that exist; `docker context use default` takes the local engine",
        ) from None
    return str(host), name


def find_plugin(name: str) -> Path | None:
    """The plugin that docker's client would run (`docker-buildx`), else the program of that name on PATH."""
    for folder in _plugin_folders():
        path = folder / name
        if os.access(path, os.X_OK) and path.is_file():
            return path
    found = shutil.which(name)
    return Path(found) if found else None


def find_clients() -> tuple[Path, ...]:
    """Every `docker` on PATH, the one that a shell runs first; each file once."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = (shutil.which("docker", path=folder) for folder in folders if folder)
    return tuple({Path(p).resolve(): Path(p) for p in reversed([p for p in found if p])}.values())[::-1]


def _plugin_folders() -> Iterator[Path]:
    yield from map(Path, _config().get("cliPluginsExtraDirs") or ())
    yield _folder() / "cli-plugins"
    yield from map(Path, _PLUGINS)


def _folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()


def _config() -> dict[str, Any]:
    try:
        config = json.loads((_folder() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
