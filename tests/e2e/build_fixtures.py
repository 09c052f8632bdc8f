"""Fixtures of the tests that build; imported by name, so that other tests' conftest stays theirs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_image

from builder.adapters.engine.buildx import Buildx
from builder.adapters.engine.doctor import require_engine
from builder.adapters.engine.feed import StoreFeed
from builder.errors import EngineError
from builder.models.build import Built, Feeding
from builder.models.build_engine import BuildEngine
from builder.progress import Progress, Silent
from builder.stages.build import build


@pytest.fixture(scope="session")
def engine() -> BuildEngine:
    try:
        return require_engine()
    except EngineError as error:
        pytest.skip(f"no engine: {error.what} ({error.seen})")


@pytest.fixture(scope="session")
def busybox(pytestconfig: pytest.Config) -> Path:
    """A static busybox, kept between runs."""
    assert pytestconfig.cache is not None
    try:
        found = small_image.get_busybox(pytestconfig.cache.mkdir("busybox"))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"apt gives no busybox-static: {error.stderr.decode().strip()}")
    if found is None:
        pytest.skip("no apt-get here to get busybox-static with")
    return found


@pytest.fixture
def cleaned() -> Iterator[None]:
    """Takes the staging names of these tests away, before and after."""
    _remove()
    yield
    _remove()


def images(name: str = "builder-test-*") -> list[str]:
    """All names of images that hold this one, with or without `builder-staging/` before it."""
    argv = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"]
    patterns = (name, f"*/{name}")
    found = [subprocess.run([*argv, p], check=True, capture_output=True, text=True).stdout.split() for p in patterns]
    return sorted({tag for tags in found for tag in tags if "builder-test-build" in tag})


def _remove() -> None:
    if tags := images():
        subprocess.run(["docker", "rmi", "--force", *tags], check=False, capture_output=True)


Builds = Callable[..., Built]


@pytest.fixture
def run(engine: BuildEngine, tmp_path: Path, cleaned: None) -> Builds:
    """Builds a small image with the real buildx."""

    def once(
        image: small_image.SmallImage,
        *,
        feeding: Feeding = "server",
        no_cache: bool = False,
        progress: Progress | None = None,
    ) -> Built:
        return build(
            image.plan,
            image.rendered,
            context=image.context,
            runner=Buildx(engine, logs=tmp_path / "logs"),
            feed=StoreFeed(image.store),
            progress=progress or Silent(),
            feeding=feeding,
            no_cache=no_cache,
        )

    return once
