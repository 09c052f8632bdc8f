"""The committed recipes whose Python is conda's, as they stand: the farm plays the conda mirrors that they name."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain_project import PREFIX, Place, Ran, remove_images
from conda_project import conda_place, in_image
from farm import Farm, Package, make_channel, small_packages
from farm.installer import make_installer
from farm.python39 import python_package
from farm.wheels import package_of, wheels
from tests_root import ROOT

from builder.adapters.clients import HostClients
from builder.mirrors.catalogue import OFFICIAL
from builder.models.lockfile import parse_lock

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

NAMED = ("tuna", "nju", "sjtu", "aliyun", OFFICIAL)
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml") if "\nconda:" in path.read_text())

HOLLOW = (
    Package(name="pytorch", version="2.8.0", build="cpu_generic_py39_0", depends=["python >=3.9,<3.10.0a0"]),
    *(Package(name=n, version="1.0", depends=["python"]) for n in ("onnx", "onnxruntime", "onnxscript")),
)
"""Names to lock, and nothing in them: what conda-forge has under these names cannot be had here."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A project with the committed recipes, whose mirrors are on loopback, and for PyPI and Debian this host's own."""
    folder = tmp_path_factory.mktemp("committed")
    packages = (*small_packages(), python_package(), *HOLLOW, *map(package_of, wheels(["pip", "pytest"])))
    make_installer(folder / "installers")
    channel = make_channel(folder / "channel", packages)
    with Farm(folder / "farm", channel=channel, installers=folder / "installers", mirrors=len(NAMED)) as farm:
        place = conda_place(farm, folder, folder / "store")
        Path(place.env["BUILDER_MIRRORS"]).write_text(json.dumps(dict(zip(NAMED, entries(farm), strict=True))))
        shutil.copytree(ROOT / "recipes", place.root / "recipes", ignore=shutil.ignore_patterns("*.lock"))
        yield place
    subprocess.run(["rm", "-rf", str(folder)], check=False)


def entries(farm: Farm) -> Iterator[dict[str, Any]]:
    clients = HostClients()
    own: dict[str, Any] = {source: clients.apt_roots(source) for source in ("debian", "debian-security")}
    for entry in farm.entries().values():
        yield {**entry, **own, "pypi": [clients.pypi_index()]}


def begin_with_the_base_of_another(place: Place, name: str) -> None:
    """All of them stand on Debian 12, whose root file system is then made once; what a recipe asks for is asked."""
    if others := sorted((place.root / "recipes").glob("*.lock")):
        shutil.copy(others[0], place.lock(name))


def test_there_are_recipes() -> None:
    assert RECIPES == ["ci-py39", "train-py39-cpu", "train-py39-cu128"]


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_locked_and_rendered_as_it_stands(played: Place, name: str) -> None:
    begin_with_the_base_of_another(played, name)
    for command in (("lock", name), ("render", name), ("render", name, "--check")):
        ran = played.builder(*command)
        assert ran.code == 0, ran.out + ran.err
    lock = parse_lock(played.lock(name).read_text(), name)
    assert lock.conda is not None
    assert "python" in {package.name for package in lock.conda.packages}
    assert "://" not in played.lock(name).read_text()


@pytest.fixture
def built(played: Place, request: pytest.FixtureRequest) -> Iterator[tuple[str, Ran]]:
    """The image of a recipe under a name that is nobody's, and what making it said."""
    name = f"{PREFIX}-{request.param}"
    text = played.recipe(request.param).read_text()
    played.recipe(name).write_text(text.replace(f"\nname: {request.param}\n", f"\nname: {name}\n"))
    begin_with_the_base_of_another(played, name)
    remove_images(name)
    yield f"{name}:latest", played.builder("build", name, "--json", timeout=900)
    remove_images(name)


def outcomes(ran: Ran) -> dict[str, str]:
    return {result["name"]: result["outcome"] for result in ran.image["report"]["results"]}


@pytest.mark.parametrize("built", ["ci-py39"], indirect=True)
def test_a_small_one_becomes_an_image_in_which_pytest_runs(built: tuple[str, Ran]) -> None:
    image, ran = built
    assert set(outcomes(ran).values()) == {"PASS"}, outcomes(ran)
    assert in_image(image, "pytest", "--version").startswith("pytest ")
    assert in_image(image, "bash", "-lc", "conda --version && git --version").startswith("conda ")


@pytest.mark.bench
@pytest.mark.parametrize("built", ["train-py39-cu128"], indirect=True)
def test_the_large_one_becomes_an_image_that_only_lacks_a_gpu(built: tuple[str, Ran]) -> None:
    """9 GB: Miniconda, torch with CUDA 12.8 and cuDNN 9; downloads 4 GB."""
    image, ran = built
    assert {name for name, outcome in outcomes(ran).items() if outcome != "PASS"} == {"nvidia-smi"}, outcomes(ran)
    assert in_image(f"{image}-unproven", "python", "-c", "import torch; print(torch.version.cuda)") == "12.8\n"
