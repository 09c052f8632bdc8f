"""The plugin in a real conda, whose `conda` BUILDER_TEST_CONDA names: `conda create` while the first mirror fails.

conda is on no package index. Where it is needed its public source is enough, installed by pip into an environment of
its own, or any Miniforge; nothing is written into it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from farm import Farm
from farm.fixtures import small_channel, small_farm  # noqa: F401 - fixtures

from builder.conda.condarc import condarc
from builder.conda.configuration import plugin_files
from builder.models.recipe import Recipe
from builder.trust.layout import BUNDLE

CONDA = os.environ.get("BUILDER_TEST_CONDA", "")

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not CONDA, reason="BUILDER_TEST_CONDA names no conda, and none is on a package index"),
]

INSTALLED = 'Path(sys.prefix, "etc", "builder", "mirrors.json")'
"""What the plugin reads in an image, where it lies inside conda."""


def interpreter() -> str:
    """The Python that the script named `conda` runs on: as pip installs it, the script itself refuses to work."""
    return Path(CONDA).read_text().partition("\n")[0].removeprefix("#!").strip()


def beside_conda(farm: Farm, folder: Path) -> dict[str, str]:
    """What is baked into an image, in a folder of its own; the variables by which conda finds it there."""
    roots = tuple(f"{mirror.url}/conda-forge" for mirror in farm.mirrors)
    mirrors = folder / "mirrors.json"
    mirrors.write_text(json.dumps({"channels": {"conda-forge": roots}}))
    for file in plugin_files(str(folder / "site")):
        Path(file.path).parent.mkdir(parents=True, exist_ok=True)
        Path(file.path).write_text(file.content.replace(INSTALLED, f"Path({str(mirrors)!r})"))
    assert str(mirrors) in (folder / "site/builder_failover/hook.py").read_text()
    recipe = Recipe.model_validate({"name": "real", "base": "debian-bookworm", "checks": ["trust"]}, strict=False)
    text = condarc(recipe, ("conda-forge",), {"conda-forge": roots}).replace(BUNDLE, str(farm.ca_pem))
    (folder / "condarc.yml").write_text(text)
    return {"CONDARC": str(folder / "condarc.yml"), "PYTHONPATH": str(folder / "site")}


def created(farm: Farm, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`conda create` of a package of the farm's, with nothing of this host's own configuration."""
    own = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "CONDA_PKGS_DIRS": str(folder / "pkgs")}
    chosen = {"CONDA_SUBDIR": "linux-64", "CONDA_SOLVER": "classic"}
    env = {**own, **chosen, **beside_conda(farm, folder), **more}
    argv = [interpreter(), "-m", "conda", "create", "--yes", "--prefix", str(folder / "made"), "greeting"]
    return subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


def linked(folder: Path) -> list[str]:
    return sorted(path.name.rsplit("-", 2)[0] for path in (folder / "made/conda-meta").glob("*.json"))


FAULTS: dict[str, Mapping[int, str | Mapping[str, str]]] = {
    "none": {},
    "refused": {0: "refused"},
    "expired": {0: "expired"},
    "403": {0: "http_403"},
    "HTML": {0: "html_200"},
    "truncated index": {0: {"*/repodata.json*": "truncated"}},
    "truncated packages": {0: {"*.conda": "truncated"}},
    "no compressed index anywhere": {n: {"*.zst": "http_403"} for n in range(3)},
    "only the last is left": {0: "refused", 1: "http_503"},
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_conda_creates_an_environment_as_long_as_one_mirror_is_good(
    small_farm: Farm,  # noqa: F811
    tmp_path: Path,
    faults: Mapping[int, str | Mapping[str, str]],
) -> None:
    with small_farm.faulty(dict(faults)):
        done = created(small_farm, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "greeting" in linked(tmp_path)
    dead = [mirror for n, mirror in enumerate(small_farm.mirrors) if isinstance(faults.get(n), str)]
    assert all(f"{mirror.url}/conda-forge failed (" in done.stderr for mirror in dead), done.stderr


@pytest.mark.parametrize("fault", ["refused", "expired", "http_403", "html_200"])
def test_without_the_plugin_the_same_conda_fails(small_farm: Farm, tmp_path: Path, fault: str) -> None:  # noqa: F811
    with small_farm.faulty({0: fault}):
        done = created(small_farm, tmp_path, BUILDER_CONDA_FAILOVER="0", CONDA_REMOTE_MAX_RETRIES="0")
    assert done.returncode != 0
    assert "greeting" not in linked(tmp_path)


@pytest.mark.parametrize(("third", "kind"), [("expired", "CondaSSLError"), ("refused", "CondaHTTPError")])
def test_with_no_mirror_left_each_is_named_with_its_cause(
    small_farm: Farm,  # noqa: F811
    tmp_path: Path,
    third: str,
    kind: str,
) -> None:
    with small_farm.faulty({0: "expired", 1: "expired", 2: third}):
        done = created(small_farm, tmp_path, CONDA_REMOTE_MAX_RETRIES="0")
    assert done.returncode != 0
    assert f"{kind}: " in done.stderr
    (said,) = (line for line in done.stderr.splitlines() if line.startswith("no mirror gave /"))
    assert all(f"{mirror.url}/conda-forge: " in said for mirror in small_farm.mirrors)
    assert said.count("certificate has expired") == (3 if third == "expired" else 2)
