"""What an engine tells of each layer's size."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from builder.adapters.engine.client import Engine

pytestmark = pytest.mark.engine

DOCKERFILE = b"""
FROM scratch
ENV A=b
COPY one /one
LABEL x="COPY y"
COPY two /two
USER 1000
WORKDIR /
COPY empty /three
ENTRYPOINT ["/one"]
CMD ["x"]
"""


def context() -> bytes:
    files = {"Dockerfile": DOCKERFILE, "one": b"x" * 70_000, "two": b"y" * 5_000, "empty": b""}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture(params=["BuildKit", "the builder before it"])
def image(request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"builder-test-layer-sizes:{os.getpid()}"
    env = {**os.environ, "DOCKER_BUILDKIT": "1" if request.param == "BuildKit" else "0"}
    argv = ["docker", "build", "--quiet", "--tag", name, "-"]
    done = subprocess.run(argv, input=context(), env=env, capture_output=True, timeout=120, check=False)
    if done.returncode and request.param != "BuildKit":
        pytest.skip(f"this engine has BuildKit alone: {done.stderr.decode()[-200:]}")
    assert done.returncode == 0, done.stderr.decode()
    yield name
    subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=True)


def test_sizes_are_those_of_the_layers_lowest_first(image: str) -> None:
    engine = Engine()
    facts = engine.inspect(image)
    assert facts is not None
    assert engine.layer_sizes(facts) == (70_000, 5_000, 0)


def test_history_that_does_not_fit_the_layers_tells_nothing(image: str) -> None:
    engine = Engine()
    facts = engine.inspect(image)
    assert facts is not None
    assert engine.layer_sizes(facts.model_copy(update={"layers": facts.layers[:2]})) is None


def test_image_that_is_gone_tells_nothing() -> None:
    engine = Engine()
    facts = engine.inspect("builder-test-no-such-image")
    assert facts is None
