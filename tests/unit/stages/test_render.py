"""The rendering: pure, committed, and read by hadolint."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_root import ROOT

from builder.adapters.project import Project
from builder.models.plan import Action, File, Layer, Plan
from builder.models.rendered import Rendered
from builder.pipeline import Workplace, described
from builder.stages.render import render, stage_name

LOCKED = [name for name in Project(ROOT).names() if Project(ROOT).lock_path(name).is_file()]
"""Not those that wait for a conda server to be locked."""
BASE_IMAGE = f"docker.io/library/debian:bookworm-slim@sha256:{'ab' * 32}"


@pytest.fixture(scope="module")
def planned() -> Plan:
    return described(Workplace(Project(ROOT)), "quickstart").plan


@pytest.fixture(scope="module")
def rendered(planned: Plan) -> Rendered:
    return render(planned)


@pytest.fixture(scope="module")
def on_registry_base(planned: Plan) -> Rendered:
    """One layer on the base, and one on that."""
    files = Layer(name="files", title="Files", action=Action.WRITE_FILES, files=(File(path="/etc/a", content=""),))
    more = files.model_copy(update={"name": "more", "on": ("files",)})
    return render(planned.model_copy(update={"base": BASE_IMAGE, "busybox": None, "layers": (files, more)}))


def dockerfile(rendered: Rendered) -> str:
    return next(file.content for file in rendered.files if file.path == "Dockerfile")


@pytest.mark.parametrize("name", LOCKED)
def test_what_is_committed_is_what_the_recipe_and_its_lock_render_to(name: str) -> None:
    project = Project(ROOT)
    assert project.differences(described(Workplace(project), name).rendered) == ()


def test_no_step_has_a_network(rendered: Rendered) -> None:
    runs = re.findall(r"^RUN .*", dockerfile(rendered), re.MULTILINE)
    assert runs
    assert all(run.startswith("RUN --network=none ") for run in runs)


def test_no_frontend_is_pulled(rendered: Rendered) -> None:
    assert not re.search(r"^#\s*syntax\s*=", dockerfile(rendered), re.MULTILINE | re.IGNORECASE)


def test_every_artifact_is_added_by_its_hash_into_an_empty_stage(planned: Plan, rendered: Rendered) -> None:
    text = dockerfile(rendered)
    for artifact in planned.artifacts():
        stage = f"FROM scratch AS {stage_name(artifact)}\nARG STORE\nADD --checksum=sha256:{artifact.sha256} "
        assert text.count(stage) == 1
    assert text.count("\nADD ") == len(planned.artifacts())


def test_artifacts_are_bound_file_by_file(rendered: Rendered) -> None:
    mounts = re.findall(r"--mount=type=bind,from=(artifact-\w+),source=(\S+?),", dockerfile(rendered))
    assert mounts
    assert all(source.count("/") == 1 and len(source) > 1 for _, source in mounts)


def test_the_image_copies_each_layer_once_and_in_order(planned: Plan, rendered: Rendered) -> None:
    copied = re.findall(r"^COPY --link --from=layer-(\S+) /out/ /$", dockerfile(rendered), re.MULTILINE)
    assert copied == [layer.name for layer in planned.layers]


def test_the_bake_file_replaces_every_artifact_by_its_folder_in_the_store(planned: Plan, rendered: Rendered) -> None:
    bake = json.loads(next(file.content for file in rendered.files if file.path == "docker-bake.json"))
    contexts = bake["target"]["default"]["contexts"]
    assert contexts == {stage_name(a): f"${{STORE}}/{a.store_folder}" for a in planned.artifacts()}


def test_rendering_twice_gives_the_same_bytes(planned: Plan, rendered: Rendered) -> None:
    assert render(planned) == rendered


def test_the_digest_is_in_a_label_and_changes_with_any_file(planned: Plan, rendered: Rendered) -> None:
    other = render(planned.model_copy(update={"epoch": planned.epoch + 1}))
    assert f'LABEL builder.rendering="{rendered.digest}"' in dockerfile(rendered)
    assert other.digest != rendered.digest


def test_a_registry_base_is_a_stage_before_all_that_stand_on_it(on_registry_base: Rendered) -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", dockerfile(on_registry_base), re.MULTILINE)
    stages = [(parent, name) for parent, name in stages if not name.startswith("artifact-")]
    assert stages[0] == (BASE_IMAGE, "base")
    assert stages[1:] == [("base", "layer-files"), ("base", "on-files"), ("on-files", "layer-more"), ("on-files", "")]


def test_a_root_file_system_has_no_stage_of_a_registry(rendered: Rendered) -> None:
    assert " AS base\n" not in dockerfile(rendered)


@pytest.mark.parametrize("which", ["rendered", "on_registry_base"])
def test_hadolint_finds_nothing(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    rendered: Rendered = request.getfixturevalue(which)
    file = tmp_path / "Dockerfile"
    file.write_text(dockerfile(rendered))
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM debian\nRUN apt-get install curl\n")
    hadolint = Path(sys.executable).with_name("hadolint")
    assert subprocess.run([hadolint, file], capture_output=True, check=False).returncode != 0


def test_two_hundred_recipes_render_in_seconds() -> None:
    """The bar is 2 s on a quiet machine; a busy one gets three times that."""
    place = Workplace(Project(ROOT))
    begun = time.perf_counter()
    for _ in range(200):
        described(place, "quickstart")
    assert time.perf_counter() - begun < 6
