"""The baked pip.conf with the real pip: a dead index does not stop it, and files come from the preferred one."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from farm import Farm
from farm.channel import Channel
from farm.fixtures import small_channel  # noqa: F401 - a fixture

from builder.conda.pip_conf import pip_conf
from builder.trust.layout import BUNDLE

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(find_spec("pip") is None, reason="this environment has no pip"),
]

WHEEL = "farmed-1.0-py3-none-any.whl"


@pytest.fixture
def farm(tmp_path: Path, small_channel: Channel) -> Iterator[Farm]:  # noqa: F811
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("farmed-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: farmed\nVersion: 1.0\n")
        wheel.writestr("farmed-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("farmed-1.0.dist-info/RECORD", "")
    with Farm(tmp_path / "farm", channel=small_channel, wheels=folder) as farm:
        yield farm


def downloaded(farm: Farm, folder: Path, *, own: int | None, preferred: tuple[int, ...]) -> int:
    """By which mirror pip was given the wheel; pip's own index is mirror `own`."""
    indexes = [f"{mirror.url}/simple" for mirror in farm.mirrors]
    text = pip_conf(tuple(indexes[n] for n in preferred), own=own is not None)
    (folder / "pip.conf").write_text(text.replace(BUNDLE, str(farm.ca_pem)))
    env = {"PIP_CONFIG_FILE": str(folder / "pip.conf"), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    env |= {"PIP_INDEX_URL": indexes[own]} if own is not None else {}
    argv = [sys.executable, "-m", "pip", "download", "-q", "--no-cache-dir", "-d", str(folder / "got"), "farmed"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (giver,) = (n for n, mirror in enumerate(farm.mirrors) if any(path.endswith(".whl") for path in mirror.paths))
    return giver


@pytest.mark.parametrize(("own", "preferred", "giver"), [(None, (0, 1, 2), 0), (None, (2, 1), 2), (2, (0, 1), 0)])
def test_the_preferred_index_gives_the_file(
    farm: Farm, tmp_path: Path, own: int | None, preferred: tuple[int, ...], giver: int
) -> None:
    assert downloaded(farm, tmp_path, own=own, preferred=preferred) == giver


@pytest.mark.parametrize("fault", ["refused", "http_403", "http_503", "expired"])
@pytest.mark.parametrize("own", [None, 1])
def test_another_gives_it_when_the_preferred_index_is_dead(
    farm: Farm, tmp_path: Path, fault: str, own: int | None
) -> None:
    with farm.faulty({0: fault}):
        assert downloaded(farm, tmp_path, own=own, preferred=(0,) if own else (0, 1)) == 1
