"""Builds on a registry's image where the registry that the lock names is out of reach; real pulls, on loopback."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
import small_image
from build_fixtures import engine
from checks.image_lab import make_rootfs
from image_registry import Content, image, registry

from builder.adapters.catalog import load_catalog
from builder.adapters.engine.buildx import Buildx
from builder.adapters.engine.feed import StoreFeed
from builder.adapters.engine.registry import Registry
from builder.adapters.project import Project
from builder.adapters.store.content import Store
from builder.errors import BuildError
from builder.models.build import Built
from builder.models.build_engine import BuildEngine
from builder.models.catalog import BaseEntry, Catalog, ImageEntry
from builder.models.plan import Action, File, ImageConfig, Layer, Plan
from builder.pipeline import Workplace
from builder.pipeline.verbs import carry_out, describe, locked
from builder.progress import Silent
from builder.stages.build import build
from builder.stages.render import render

__all__ = ["engine"]

pytestmark = [pytest.mark.engine, pytest.mark.network]
NAME = "builder-test-base"
THING = "library/thing"


@dataclass(frozen=True)
class Base:
    """An image of a real Debian, as registries have it."""

    content: Content
    digest: str
    layers: list[str]

    def at(self, host: str) -> str:
        return f"{host}/{THING}@{self.digest}"


@pytest.fixture
def base(pytestconfig: pytest.Config) -> Iterator[Base]:
    """Debian 11 with Python below a layer that no engine has seen before."""
    assert pytestconfig.cache is not None
    try:
        rootfs = make_rootfs(pytestconfig.cache.mkdir("gate-rootfs")).read_bytes()
    except FileNotFoundError:
        pytest.skip("no mmdebstrap here to make a Debian 11 with")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"mmdebstrap makes no Debian 11: {error.stderr.strip()[-300:]}")
    content: Content = {}
    fresh = _layer("etc/made", str(time.time_ns()).encode())
    digest = str(image(content, "amd64", rootfs, fresh, tag="1")["digest"])
    manifest = json.loads(content[digest][1])
    yield Base(content, digest, [layer["digest"] for layer in manifest["layers"]])
    _remove(f"builder-staging/{NAME}*", f"127.0.0.1:*/{THING}")


def _layer(path: str, data: bytes) -> bytes:
    buffer, file = io.BytesIO(), tarfile.TarInfo(path)
    file.size = len(data)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(file, io.BytesIO(data))
    return buffer.getvalue()


def _remove(*patterns: str) -> None:
    client = docker.from_env()
    try:
        for pattern in patterns:
            for found in client.images.list(name=pattern):
                for name in (*found.tags, *found.attrs["RepoDigests"]):
                    client.images.remove(name, force=True)
    finally:
        client.close()


@pytest.fixture
def plan(base: Base, tmp_path: Path) -> Plan:
    """One layer on a base that is named in a registry that nobody can reach."""
    return Plan(
        name=NAME,
        platform="linux/amd64",
        epoch=small_image.EPOCH,
        created=small_image.EPOCH,
        base=f"docker.io/library/builder-nowhere:1@{base.digest}",
        prefix="/opt/env",
        python="/usr/bin/python3",
        uv=small_image.put(tmp_path / "store", "uv.whl", b"no step asks for it"),
        busybox=None,
        layers=(
            Layer(
                name="files",
                title="Files",
                action=Action.WRITE_FILES,
                files=(File(path="/etc/hello", content="hello\n"),),
            ),
        ),
        config=ImageConfig(),
    )


def built(plan: Plan, engine: BuildEngine, folder: Path, base: str | None) -> Built:
    project, rendered = Project(folder), render(plan)
    project.write_rendering(rendered)
    return build(
        plan,
        rendered,
        context=project.rendering_path(plan.name),
        runner=Buildx(engine, logs=folder / "logs"),
        feed=StoreFeed(folder / "store"),
        progress=Silent(),
        no_cache=True,
        base=base,
    )


def layers(reference: str) -> list[str]:
    argv = ["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", reference]
    found: list[str] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return found


def said_in(reference: str, *argv: str) -> str:
    command = ["docker", "run", "--rm", "--network=none", reference, *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_copy_in_another_registry_stands_in_for_the_base(
    base: Base, plan: Plan, engine: BuildEngine, tmp_path: Path
) -> None:
    with registry(base.content) as host:
        made = built(plan, engine, tmp_path, base.at(host))
    assert layers(made.image)[:-1] == base.layers
    assert said_in(made.image, "cat", "/etc/hello") == "hello\n"


def test_two_registries_give_the_same_image(base: Base, plan: Plan, engine: BuildEngine, tmp_path: Path) -> None:
    with registry(base.content) as first, registry(base.content) as second:
        assert len({built(plan, engine, tmp_path, base.at(host)).image for host in (first, second)}) == 1


def test_without_a_copy_a_registry_out_of_reach_fails_the_build(
    plan: Plan, engine: BuildEngine, tmp_path: Path
) -> None:
    with pytest.raises(BuildError) as caught:
        built(plan, engine, tmp_path, None)
    assert type(caught.value) is BuildError
    assert "builder-nowhere" in (caught.value.seen or "")


def test_a_copy_that_the_engine_has_needs_no_registry_at_all(
    base: Base, plan: Plan, engine: BuildEngine, tmp_path: Path
) -> None:
    with registry(base.content) as host:
        subprocess.run(["docker", "pull", "--quiet", base.at(host)], check=True, capture_output=True)
    assert Registry().having(entry("127.0.0.1:9", host), base.digest) == host
    assert layers(built(plan, engine, tmp_path, base.at(host)).image)[:-1] == base.layers


def entry(*registries: str) -> ImageEntry:
    """Debian 11 as an image of these registries."""
    known = load_catalog().bases["debian-bullseye"].model_dump(include=set(ImageEntry.model_fields) - {"kind"})
    return ImageEntry(**known, registries=registries, repository=THING, tag="1")


@pytest.mark.upstream
def test_a_recipe_on_a_registry_base_is_locked_and_built_with_packages_on_top(
    base: Base, engine: BuildEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDER_STATE", str(tmp_path / "state"))
    recipe = {"name": NAME, "base": "here", "python": "3.9", "apt": ["less"], "pip": {"packages": ["six"]}}
    (tmp_path / "recipes").mkdir()
    (tmp_path / f"recipes/{NAME}.yaml").write_text(json.dumps({**recipe, "checks": ["trust"]}))
    with registry(base.content) as host:
        place = workplace(tmp_path, entry("127.0.0.1:9", host))
        loaded = place.load(NAME)
        lock = locked(place, loaded, Silent()).lock
        found = describe(place, loaded, lock)
        assert found.plan.base == f"127.0.0.1:9/{THING}:1@{base.digest}"
        place.bring(loaded, lock, lock.artifacts(), Silent(), jobs=2)
        place.project.write_rendering(found.rendered)
        images = {carry_out(place, found, Silent(), no_cache=True).image for _ in range(2)}
    assert len(images) == 1
    (made,) = images
    assert layers(made)[:2] == base.layers
    assert said_in(made, "less", "--version").startswith("less 551")
    assert said_in(made, "python", "-c", "import six; print('six')") == "six\n"


def workplace(folder: Path, base: BaseEntry) -> Workplace:
    place = Workplace(Project(folder))
    place.catalog = Catalog(bases={"here": base}, python_end_of_life=load_catalog().python_end_of_life)
    place.store = Store(folder / "store")
    return place
