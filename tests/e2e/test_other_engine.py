"""An engine that cannot reach our loopback: a real dockerd in a network namespace of its own.

With the engine's own image store and with containerd's, where an image's ID is its manifest's digest.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import second_engine
import small_image
from build_fixtures import busybox

from builder.adapters.engine.buildx import Buildx
from builder.adapters.engine.doctor import require_engine
from builder.adapters.engine.feed import StoreFeed
from builder.adapters.engine.questions import questions
from builder.adapters.engine.reach import feeding_for
from builder.models.build import Built, Feeding
from builder.models.build_engine import BuildEngine
from builder.progress import Silent
from builder.stages.build import build

__all__ = ["busybox"]

pytestmark = [pytest.mark.engine, second_engine.needs_root]


@pytest.fixture(params=[False, True], ids=["own store", "containerd store"])
def other(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[BuildEngine]:
    with (
        second_engine.short_folder() as folder,
        second_engine.running(folder, containerd_store=request.param) as address,
    ):
        monkeypatch.setenv("DOCKER_HOST", address)
        yield second_engine.when_it_answers(folder, require_engine)


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
