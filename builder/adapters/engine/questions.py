"""The few questions that a build asks an engine, over its socket where that is at hand, else by docker's client.

The docker SDK answers them as well, after 150 ms of imports; this takes 15.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from builder.errors import EngineError
from builder.models.build_engine import Loopback

_TIMEOUT = 10.0
_NAMED = "DOCKER_HOST names this address: correct it, or unset it to use the local engine"
_LOCAL = "start it (`sudo systemctl start docker`), or let `.ci/engine` of the checkout install and start one"


class Questions(Protocol):
    """What can be asked. Each raises EngineError when no engine answers."""

    def version(self) -> dict[str, Any]:
        """`GET /version`."""

    def info(self) -> dict[str, Any]:
        """`GET /info`."""

    def image_id(self, reference: str) -> str | None:
        """The ID of the image that has this name, None when none has."""

    def loopback(self) -> Loopback:
        """Whether the engine has our 127.0.0.1."""


def questions(address: str, context: str) -> Questions:
    """Whoever can ask the engine at this address."""
    if address.startswith("unix://"):
        return _Socket(address)
    return _Cli(address, context)


class _Socket:
    def __init__(self, address: str) -> None:
        self._address, self._path = address, address.removeprefix("unix://")

    def version(self) -> dict[str, Any]:
        return self._get("/version")

    @cached_property
    def _info(self) -> dict[str, Any]:
        return self._get("/info")

    def info(self) -> dict[str, Any]:
        return self._info

    def image_id(self, reference: str) -> str | None:
        found = self._get(f"/images/{quote(reference, safe='/:@')}/json").get("Id")
        return str(found) if found else None

    def loopback(self) -> Loopback:
        """By the network namespace of the process that listens on the socket; a namespace is one loopback."""
        try:
            with self._connect() as connection:
                raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid = struct.unpack("3i", raw)[0]
            if pid == 0:
                return "other"  # a process outside our PID namespace: we are in a container, and it is not
            theirs, ours = (Path(f"/proc/{of}/ns/net").readlink() for of in (pid, "self"))
            return "shared" if theirs == ours else "other"
        except (OSError, AttributeError):  # no permission to look, or no Linux
            return "unknown"

    def _get(self, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("docker", timeout=_TIMEOUT)
        try:
            connection.sock = self._connect()
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise no_answer(self._address, error) from None
        finally:
            connection.close()
        return answer if isinstance(answer, dict) else {}

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        return connection


class _Cli:
    """By docker's client, which knows about TLS and ssh."""

    def __init__(self, address: str, context: str) -> None:
        self._address, self._context = address, context

    def version(self) -> dict[str, Any]:
        answer = json.loads(self._run("version", "--format", "{{json .Server}}"))
        return answer if isinstance(answer, dict) else {}

    def info(self) -> dict[str, Any]:
        answer = json.loads(self._run("info", "--format", "{{json .}}"))
        return answer if isinstance(answer, dict) else {}

    def image_id(self, reference: str) -> str | None:
        return self._run("image", "inspect", "--format", "{{.Id}}", reference).strip() or None

    def loopback(self) -> Loopback:
        host = urlsplit(self._address).hostname
        return "unknown" if host in ("127.0.0.1", "localhost", "::1") else "other"

    def _run(self, *arguments: str) -> str:
        client = shutil.which("docker")
        if client is None:
            raise EngineError(
                f"the engine at {self._address} can be asked by docker's own client alone, and there is none",
                seen="no docker on PATH",
                remedy="install docker's client, or unset DOCKER_HOST to use the local engine",
            )
        try:
            done = subprocess.run([client, *arguments], capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise no_answer(self._address, error) from None
        if done.returncode:
            raise no_answer(self._address, done.stderr.strip())
        return done.stdout


def no_answer(address: str, seen: object) -> EngineError:
    """What it means that the engine did not answer, and what to do."""
    if isinstance(seen, PermissionError):
        what, remedy = (
            "this user may not talk to the container engine",
            "`sudo usermod -aG docker $USER`, then log in again; or run builder as root",
        )
    elif isinstance(seen, FileNotFoundError | ConnectionRefusedError):
        what = "no container engine is running"
        remedy = _NAMED if os.environ.get("DOCKER_HOST") else _LOCAL
    else:
        what, remedy = "the container engine does not answer", "see `docker version`, which asks the same engine"
    text = f"{type(seen).__name__}: {seen}" if isinstance(seen, BaseException) else str(seen)
    return EngineError(what, where=address, seen=text, remedy=remedy)
