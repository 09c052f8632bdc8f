"""The images that the checks are tried on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import image_lab
import pytest

from builder.adapters.engine.client import Engine
from builder.errors import EngineError
from builder.models.base import ImageId


@pytest.fixture(scope="session")
def engine() -> Engine:
    found = Engine()
    try:
        found.version()
    except EngineError as error:
        pytest.skip(f"no engine: {error.what} ({error.seen})")
    return found


@pytest.fixture(scope="session")
def lab(engine: Engine, pytestconfig: pytest.Config) -> Iterator[image_lab.Lab]:
    """Debian 11 with python3, and what is made from it."""
    assert pytestconfig.cache is not None
    try:
        tar = image_lab.make_rootfs(pytestconfig.cache.mkdir("gate-rootfs"))
    except FileNotFoundError:
        pytest.skip("no mmdebstrap here to make a Debian 11 with")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"mmdebstrap makes no Debian 11: {error.stderr.strip()[-300:]}")
    with image_lab.opened(engine, tar) as opened:
        yield opened


@pytest.fixture(scope="session")
def quickstart(engine: Engine) -> ImageId:
    """The built quickstart image; `BUILDER_TEST_IMAGE` names another one."""
    name = os.environ.get("BUILDER_TEST_IMAGE", "quickstart:1.0-unproven")
    facts = engine.inspect(name)
    if facts is None:
        pytest.skip(f"no image {name}: `builder build quickstart` makes it")
    return facts.id
