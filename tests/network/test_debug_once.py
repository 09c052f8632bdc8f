"""`builder debug --insecure-once` with a real client: what it got without verification stays with that one command."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chains.factory import make
from chains.servers import listening, tls_context

pytestmark = [pytest.mark.network, pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")]
VERSION = {"name": "thing", "version": "6.6.6"}
FORGED = {"name": "thing", "dist-tags": {"latest": "6.6.6"}, "versions": {"6.6.6": VERSION}}


@pytest.fixture
def registry() -> Iterator[str]:
    """An npm registry that nobody vouches for, whose answers may be kept for long."""
    context = tls_context((make("localhost"),))
    body = json.dumps(FORGED).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    kept = "Cache-Control: public, max-age=31536000\r\nConnection: close\r\n\r\n"

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall((head + kept).encode() + body)

    with listening(handle) as server:
        yield f"https://localhost:{server.port}/"


def npm(folder: Path, registry: str, *before: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.lower().startswith("npm_") and k != "CI"}
    env = {**kept, "HOME": str(folder), "npm_config_registry": registry, "npm_config_fetch_retries": "0"}
    argv = [*before, "npm", "view", "thing", "version", "--prefer-offline"]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_what_npm_got_without_verification_is_not_in_its_cache_when_it_verifies(tmp_path: Path, registry: str) -> None:
    once = npm(tmp_path, registry, sys.executable, "-m", "builder", "debug", "--insecure-once", "--")
    assert (once.returncode, once.stdout) == (0, "6.6.6\n")
    later = npm(tmp_path, registry)
    assert later.returncode != 0
    assert "6.6.6" not in later.stdout


def test_without_a_cache_apart_npm_would_give_the_forged_answer(tmp_path: Path, registry: str) -> None:
    npm(tmp_path, registry, "env", "NODE_TLS_REJECT_UNAUTHORIZED=0", "npm_config_strict_ssl=false")
    assert npm(tmp_path, registry).stdout == "6.6.6\n"
