"""The farm's fixtures; a conftest that wants them imports them by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.errors import HostError, NetworkError
from farm.channel import Channel, make_channel
from farm.installer import make_installer
from farm.packages import default_packages, small_packages
from farm.python39 import python_package
from farm.servers import Farm


@pytest.fixture(scope="session")
def python39() -> Path:
    """The archive of the real Python 3.9; skips where Debian 11's packages can neither be had nor were before."""
    try:
        return python_package()
    except (HostError, NetworkError) as error:
        pytest.skip(f"no Python 3.9 for the farm: {error.what}")


@pytest.fixture(scope="session")
def farm_channel(python39: Path, tmp_path_factory: pytest.TempPathFactory) -> Channel:
    """The default channel, Python 3.9 in it."""
    return make_channel(tmp_path_factory.mktemp("channel"), default_packages())


@pytest.fixture(scope="session")
def small_channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    """The same without Python, for tests that only fetch."""
    return make_channel(tmp_path_factory.mktemp("small-channel"), small_packages())


@pytest.fixture(scope="session")
def farm_installer(python39: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installer of Miniconda's shape, alone in its folder."""
    return make_installer(tmp_path_factory.mktemp("installers"), python=python39)


@pytest.fixture
def full_farm(farm_channel: Channel, farm_installer: Path, tmp_path: Path) -> Iterator[Farm]:
    """Three mirrors of the default channel and of the installer."""
    with Farm(tmp_path / "full-farm", channel=farm_channel, installers=farm_installer.parent) as started:
        yield started


@pytest.fixture
def farm(farm_channel: Channel, tmp_path: Path) -> Iterator[Farm]:
    """Three mirrors of the default channel."""
    with Farm(tmp_path / "farm", channel=farm_channel) as started:
        yield started


@pytest.fixture
def small_farm(small_channel: Channel, tmp_path: Path) -> Iterator[Farm]:
    """Three mirrors of the channel without Python."""
    with Farm(tmp_path / "small-farm", channel=small_channel) as started:
        yield started
