"""An engine that cannot reach our loopback: a real dockerd in a network namespace of its own.

With the engine's own image store and with containerd's, where an image's ID is its manifest's digest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_image
from build_fixtures import busybox

from builder.adapters.buildx import Buildx
from builder.adapters.engine_doctor import require_engine
from builder.adapters.engine_questions import questions
from builder.adapters.engine_reach import feeding_for
from builder.adapters.feed import StoreFeed
from builder.adapters.processes import child
from builder.errors import EngineError
from builder.models.build import Built, Feeding
from builder.models.build_engine import BuildEngine
from builder.progress import Silent
from builder.stages.build import build

__all__ = ["busybox"]

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("unshare"),
        reason="needs root, dockerd and unshare to start an engine in a network namespace of its own",
    ),
]


@pytest.fixture
def short() -> Iterator[Path]:
    """pytest's own folders grow with the number of runs, and a socket's path may have 104 bytes."""
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(params=[False, True], ids=["own store", "containerd store"])
def other(request: pytest.FixtureRequest, short: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BuildEngine]:
    """Never in our own namespace: there `--bridge=none` would take the running engine's bridge away."""
    socket = short / "docker.sock"
    config = short / "daemon.json"
    config.write_text(json.dumps({"features": {"containerd-snapshotter": request.param}}))
    folders = [f"--{name}={short / name}" for name in ("data-root", "exec-root")]
    argv = ["unshare", "--net", "dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false", *folders]
    log = (short / "dockerd.log").open("wb")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    with child(
        [*argv, f"--config-file={config}", f"--host=unix://{socket}", f"--pidfile={short}/pid"],
        stdout=log.fileno(),
        stderr=log.fileno(),
    ):
        yield _when_it_answers(short / "dockerd.log")


def _when_it_answers(log: Path) -> BuildEngine:
    end = time.monotonic() + 30
    while True:
        try:
            return require_engine()
        except EngineError:
            if time.monotonic() > end:
                pytest.fail(log.read_text()[-2000:])
            time.sleep(0.1)


def test_an_engine_elsewhere_is_seen_and_gets_what_it_needs(other: BuildEngine, tmp_path: Path, busybox: Path) -> None:
    steps = ["busybox cp /blob /out/blob", "busybox chmod 644 /out/blob"]
    image = small_image.make(tmp_path, busybox, steps, blob=b"blob" * 100_000)

    def once(feeding: Feeding) -> Built:
        return build(
            image.plan,
            image.rendered,
            context=image.context,
            runner=Buildx(other, logs=tmp_path / "logs"),
            feed=StoreFeed(image.store),
            progress=Silent(),
            feeding=feeding,
            no_cache=True,
        )

    assert other.loopback == "other"
    assert feeding_for(other) == "contexts"
    sent, fallen_back = once("contexts"), once("auto")
    assert sent.image == fallen_back.image
    assert questions(other.address, other.context).image_id(sent.staging) == sent.image
    assert _config_digest(sent) == _config_digest(fallen_back)


def _config_digest(built: Built) -> str:
    """The digest of the image's configuration, whichever store it is in: the name of its file in `docker save`."""
    saved = subprocess.run(["docker", "save", built.staging], check=True, capture_output=True).stdout
    manifest = subprocess.run(["tar", "-xO", "manifest.json"], input=saved, check=True, capture_output=True).stdout
    return str(json.loads(manifest)[0]["Config"])
