"""The rendering of a plan with conda: pure, offline, each layer told of its own packages alone."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conda_plan_examples import ROOTS, lock, recipe

from builder.models.rendered import Rendered
from builder.stages.plan import plan
from builder.stages.render import render


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    return render(plan(recipe(), lock(), roots=ROOTS))


def text(rendered: Rendered, path: str) -> str:
    return next(file.content for file in rendered.files if file.path == path)


def stage(rendered: Rendered, name: str) -> str:
    """A stage of the Dockerfile, from its FROM to the next."""
    found = re.search(rf"^FROM \S+ AS {name}\n(?:.*\n)*?(?=\n|FROM )", text(rendered, "Dockerfile"), re.MULTILINE)
    assert found, name
    return found[0]


def test_the_installer_is_bound_alone_and_stands_on_the_root_file_system(rendered: Rendered) -> None:
    step = stage(rendered, "layer-conda-base")
    assert step.startswith("FROM on-rootfs AS")
    assert re.findall(r"target=/\.builder/in/(\S+)", step) == ["Miniforge3-26.3.2-3-Linux-x86_64.sh"]
    assert '"CONDA=/opt/conda"' in step


def test_a_package_layer_is_told_of_its_own_packages_and_bound_them(rendered: Rendered) -> None:
    step = stage(rendered, "layer-conda-package-mkl")
    assert "source=inputs/conda-package-mkl/records.json,target=/.builder/inputs/records.json" in step
    assert re.findall(r"target=/\.builder/in/(\S+)", step) == ["mkl-1.0-0.conda"]
    told = json.loads(text(rendered, "inputs/conda-package-mkl/records.json"))
    assert [record["name"] for record in told] == ["mkl"]


def test_what_a_stage_is_told_is_in_no_layer(rendered: Rendered) -> None:
    assert not [f.path for f in rendered.files if f.path.startswith("layers/") and "records" in f.path]


def test_tools_are_unpacked_once_by_condas_own_python(rendered: Rendered) -> None:
    for name in ("uv", "linker"):
        assert text(rendered, "Dockerfile").count(f" AS {name}\n") == 1
        assert stage(rendered, name).startswith("FROM on-conda-base AS")
        assert '["/opt/conda/bin/python", "/.builder/step"]' in stage(rendered, name)


def test_packages_and_wheels_stand_on_the_environments_python(rendered: Rendered) -> None:
    for name in ("conda-packages", "conda-package-mkl", "wheels-small", "wheel-torch"):
        assert stage(rendered, f"layer-{name}").startswith("FROM on-conda-python AS")


def test_no_step_has_a_network(rendered: Rendered) -> None:
    runs = re.findall(r"^RUN .*", text(rendered, "Dockerfile"), re.MULTILINE)
    assert len(runs) > 10
    assert all(run.startswith("RUN --network=none ") for run in runs)


def test_rendering_twice_gives_the_same_bytes(rendered: Rendered) -> None:
    assert render(plan(recipe(), lock(), roots=ROOTS)) == rendered


def test_hadolint_finds_nothing(rendered: Rendered, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(text(rendered, "Dockerfile"))
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("step", ["common", "install-conda", "link-packages", "install-wheels", "write-files"])
def test_shellcheck_finds_nothing_in_the_steps(rendered: Rendered, step: str, tmp_path: Path) -> None:
    """SC1091: /.builder/common is not on this machine; SC2154: what it is told comes from the Dockerfile."""
    (tmp_path / step).write_text(text(rendered, f"steps/{step}"))
    argv = [Path(sys.executable).with_name("shellcheck"), "-s", "sh", "-e", "SC1091,SC2154", tmp_path / step]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("step", ["link", "list-compiled", "extract-linker"])
def test_no_step_needs_a_newer_python_than_the_oldest_installer_brings(rendered: Rendered, step: str) -> None:
    source = text(rendered, f"steps/{step}")
    tree = ast.parse(source, feature_version=(3, 8))
    assert tree.body
