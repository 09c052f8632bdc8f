"""`builder push` to a real registry, Debian's, on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_project import PREFIX, docker, identity
from conftest import Projects

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

CONFIG = """
version: 0.1
log: {{accesslog: {{disabled: true}}, level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Its host and port."""
    if not shutil.which("docker-registry"):
        pytest.skip("no docker-registry here to push to")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "registry.yaml"
    config.write_text(CONFIG.format(folder=tmp_path / "registry", port=port))
    process = subprocess.Popen(["docker-registry", "serve", str(config)])
    try:
        _answers(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _answers(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the registry does not answer within 10 s")


def test_a_sealed_image_is_pushed_and_comes_back_the_same(project: Projects, registry: str) -> None:
    name = f"{PREFIX}-push"
    place = project("push")
    place.write(name, tags=[f"{registry}/team/{{name}}:{{version}}"])
    tag, image = f"{registry}/team/{name}:1.0", place.builder("build", name, "--json").image["image"]
    ran = place.builder("push", name, "--json")
    assert ran.code == 0, ran.out + ran.err
    assert list(ran.data["pushed"]) == [tag]
    docker("rmi", tag)
    docker("pull", "--quiet", f"{registry}/team/{name}@{ran.data['pushed'][tag]}")
    assert identity(f"{registry}/team/{name}@{ran.data['pushed'][tag]}") == image


def test_what_was_not_sealed_is_not_pushed(project: Projects, registry: str) -> None:
    name = f"{PREFIX}-push-unsealed"
    place = project("push-unsealed")
    place.write(name, tags=[f"{registry}/team/{{name}}:{{version}}"])
    place.builder("build", name, "--until", "check")
    error = place.builder("push", name, "--json").error
    assert error["what"] == "nothing is sealed yet"
    assert (
        urllib.request.build_opener(urllib.request.ProxyHandler({}))
        .open(f"http://{registry}/v2/_catalog", timeout=5)
        .read()
        == b'{"repositories":[]}\n'
    )
