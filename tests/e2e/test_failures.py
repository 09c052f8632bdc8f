"""Each kind of failure has an exit code of its own and one clear message, leaves no tag and loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chain_project import PREFIX, Place, Ran, names_of
from conftest import First, Projects

from builder.models.lock import Lock
from builder.models.lockfile import dump_lock, parse_lock

pytestmark = [pytest.mark.engine, pytest.mark.upstream]


def told(ran: Ran, kind: str, code: int) -> Any:
    """The error of a run with --json; nothing else was printed."""
    error = ran.error
    assert (error["kind"], ran.code, ran.err) == (kind, code, "")
    assert not error["what"].startswith("builder itself failed")
    return error


def assert_nothing_lost(place: Place, name: str, before: dict[str, bytes]) -> None:
    """The project is as it was, nothing is half-written, and no image has a name of the recipe's."""
    assert place.files() == before
    assert place.half_written() == []
    assert not [n for n in names_of(name) if not n.startswith("builder-staging/")]


def test_a_bad_recipe_is_told_with_every_fault_and_its_place(project: Projects) -> None:
    place, name = project("recipe"), f"{PREFIX}-recipe"
    place.recipe(name).write_text(f"name: {name}\nbase: debian-bulseye\npip:\n  package: [six]\nchecks: [pyton]\n")
    before = place.files()
    error = told(place.builder("build", name, "--json"), "recipe", 3)
    where = {fault["where"].removeprefix(f"recipes/{name}.yaml:").partition(":")[0] for fault in error["faults"]}
    assert where == {"2", "4", "5"}, error
    text = json.dumps(error["faults"])
    assert [near for near in ("debian-bullseye", "packages", "python") if near not in text] == []
    assert_nothing_lost(place, name, before)


def test_a_broken_lock_is_told_and_stays_as_it_is(project: Projects) -> None:
    place, name = project("broken"), f"{PREFIX}-broken"
    lock = place.lock(name)
    lock.write_text(lock.read_text()[:5000])
    before = place.files()
    error = told(place.builder("render", name, "--json"), "lock", 4)
    assert (error["what"], error["where"].split(":")[0]) == ("the lock is not JSON", f"recipes/{name}.lock")
    assert told(place.builder("build", name, "--json"), "lock", 4)["what"] == error["what"]
    assert_nothing_lost(place, name, before)


def test_a_stale_lock_is_not_rendered(project: Projects) -> None:
    place, name = project("stale", pip={"packages": ["idna"]}), f"{PREFIX}-stale"
    before = place.files()
    error = told(place.builder("render", name, "--json"), "lock", 4)
    assert error["what"] == f"the recipe {name} has changed since it was locked"
    assert error["remedy"] == f"run `builder lock {name}`"
    assert_nothing_lost(place, name, before)


@pytest.fixture
def closed() -> Iterator[str]:
    """An address on loopback that refuses: the port is ours, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_without_a_network_each_missing_file_is_told_with_its_mirror(
    project: Projects, tmp_path: Path, closed: str
) -> None:
    off = {"pip": {"packages": ["six", "packaging==24.1", "idna"], "mirrors": ["off"]}, "apt": {"mirrors": ["off"]}}
    place, name = project("offline", **off), f"{PREFIX}-offline"
    mirrors = tmp_path / "mirrors.yaml"
    mirrors.write_text(json.dumps({"off": {s: [closed] for s in ("pypi", "debian", "debian-security")}}))
    before, store = place.files(), tmp_path / "empty"
    env = {"BUILDER_MIRRORS": str(mirrors), "BUILDER_STORE": str(store)}
    error = told(place.builder("build", name, "--json", **env), "network", 5)
    assert "off" in json.dumps(error)
    assert "Connection refused" in json.dumps(error)
    assert closed.removeprefix("http://") not in json.dumps(error)
    assert not [p for p in store.rglob("*") if p.is_file() and p.stat().st_size]
    assert_nothing_lost(place, name, before)

    relocked = told(place.builder("lock", name, "--upgrade", "all", "--json", **env), "network", 5)
    assert "no mirror gives" in relocked["what"]
    assert_nothing_lost(place, name, before)


def edit_lock(place: Place, name: str, change: Callable[[Lock], Lock]) -> None:
    path = place.lock(name)
    path.write_text(dump_lock(change(parse_lock(path.read_text(), str(path)))))


def test_a_wrong_hash_in_the_lock_is_told_and_the_bytes_are_not_kept(project: Projects) -> None:
    place, name = project("hash"), f"{PREFIX}-hash"
    edit_lock(place, name, lambda lock: _with_wrong_hash(lock, "packaging"))
    before = place.files()
    error = told(place.builder("build", name, "--json"), "integrity", 6)
    assert "packaging-24.1-py3-none-any.whl" in json.dumps(error)
    assert not list(place.store.rglob("0" * 64 + "*/*"))
    assert_nothing_lost(place, name, before)
    assert place.builder("store", "verify").code == 0


def _with_wrong_hash(lock: Lock, name: str) -> Lock:
    wrong = {p.name: p.artifact.model_copy(update={"sha256": "0" * 64}) for p in lock.pip if p.name == name}
    pip = tuple(p.model_copy(update={"artifact": wrong[p.name]}) if p.name in wrong else p for p in lock.pip)
    return lock.model_copy(update={"pip": pip})


def test_an_edited_rendering_is_told_and_not_overwritten_by_the_look_at_it(project: Projects) -> None:
    place, name = project("edited"), f"{PREFIX}-edited"
    assert place.builder("render", name).code == 0
    assert place.builder("render", name, "--check").code == 0
    dockerfile = place.rendering(name) / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("--network=none", "--network=host"))
    (place.rendering(name) / "more").write_text("")
    before = place.files()
    error = told(place.builder("render", name, "--check", "--json"), "rendering", 7)
    assert error["seen"] == "Dockerfile, more"
    assert error["remedy"] == f"run `builder render {name}` and commit what it writes"
    assert_nothing_lost(place, name, before)
    assert place.builder("render", name).code == 0
    assert place.builder("render", name, "--check").code == 0


def test_without_an_engine_nothing_is_fetched_for_it(project: Projects, tmp_path: Path) -> None:
    place, name = project("engine"), f"{PREFIX}-engine"
    before, store = place.files(), tmp_path / "empty"
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock", "BUILDER_STORE": str(store)}
    error = told(place.builder("build", name, "--json", **nowhere), "engine", 8)
    assert error["where"] == nowhere["DOCKER_HOST"]
    assert error["remedy"]
    assert not store.exists()
    assert_nothing_lost(place, name, before)


def broken_wheel(place: Place) -> dict[str, Any]:
    """A wheel whose bytes are what the lock names, and which no installer can install."""
    path = place.root / "broken-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("broken.py", "")
    data = path.read_bytes()
    path.unlink()
    artifact = {"source": "pypi", "path": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    target = place.store / "sha256" / artifact["sha256"][:2] / artifact["sha256"] / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return {"name": "broken", "version": "1.0", "artifact": artifact}


def test_a_failing_step_is_told_with_its_output_and_its_log(project: Projects) -> None:
    place, name = project("step"), f"{PREFIX}-step"
    lock = json.loads(place.lock(name).read_text())
    lock["pip"].append(broken_wheel(place))
    place.lock(name).write_text(json.dumps(lock))
    assert place.builder("render", name).code == 0
    before = place.files()
    error = told(place.builder("build", name, "--json"), "build", 9)
    assert error["what"] == f"{name}: the build failed at wheels-small"
    assert "No .dist-info directory found" in error["seen"]
    assert str(place.log(name)) in error["remedy"]
    assert place.log(name).is_file()
    assert names_of(name) == []
    assert_nothing_lost(place, name, before)


def test_a_failing_check_is_told_with_what_it_saw(project: Projects) -> None:
    place, name = project("check", checks=[{"imports": {"modules": ["no_such_module"]}}]), f"{PREFIX}-check"
    assert place.builder("render", name).code == 0
    before = place.files()
    error = told(place.builder("build", name, "--json"), "check", 10)
    assert error["what"] == f"{name}: 1 of 2 checks did not pass, so there is no tag"
    assert [fault["where"] for fault in error["faults"]] == ["imports"]
    assert "no_such_module" in error["faults"][0]["what"]
    assert_nothing_lost(place, name, before)
    assert place.builder("check", name).code == 10
    assert place.builder("tag", name).code == 10
    assert_nothing_lost(place, name, before)


def test_what_this_host_cannot_prove_gets_no_tag_unless_the_recipe_allows_one(project: Projects) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this host has a GPU: it can prove it")
    place, name = project("unproven", checks=["python", "nvidia-smi"]), f"{PREFIX}-unproven"
    assert place.builder("render", name).code == 0
    before = place.files()
    error = told(place.builder("build", name, "--json"), "unproven", 11)
    assert error["what"] == f"{name}: this host cannot prove nvidia-smi, so there is no tag"
    assert "allow_unproven" in error["remedy"]
    assert_nothing_lost(place, name, before)
    place.write(name, checks=["python", "nvidia-smi"], allow_unproven=True)
    assert place.builder("build", name, "--json").image["tags"] == [f"{name}:1.0-unproven"]
    assert names_of(name) == [f"{name}:1.0-unproven"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 30 MB."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=30m", "none", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs to be root and allowed to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_too_small_is_told_before_anything_is_fetched(project: Projects, small_disk: Path) -> None:
    place, name = project("disk"), f"{PREFIX}-disk"
    before = place.files()
    error = told(place.builder("build", name, "--json", BUILDER_STORE=str(small_disk / "store")), "disk", 12)
    assert error["where"].startswith(str(small_disk))
    assert error["remedy"]
    assert not [p for p in small_disk.rglob("*") if p.is_file() and p.stat().st_size]
    assert_nothing_lost(place, name, before)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        except OSError:
            return


def test_a_full_disk_loses_no_lock_and_no_rendering(project: Projects, first: First, small_disk: Path) -> None:
    name = f"{PREFIX}-full"
    kept = project("full")
    place = Place(small_disk / "project", kept.store, kept.state, env={})
    place.write(name, pip={"packages": ["six", "packaging==24.1"]})  # one less than what is locked: to be locked again
    place.lock(name).write_bytes(first.place.lock(first.name).read_bytes())
    fill(small_disk)
    before = place.files("recipes")
    error = told(place.builder("lock", name, "--json"), "disk", 12)
    assert error["where"] == f"recipes/{name}.lock"
    assert place.files("recipes") == before

    place.write(name)
    error = told(place.builder("render", name, "--json"), "disk", 12)
    assert error["where"].startswith(f"images/{name}/")
    assert place.half_written() == []
    (small_disk / "filler").unlink()
    assert place.builder("render", name).code == 0
    assert place.builder("render", name, "--check").code == 0


def test_a_full_disk_for_the_state_is_told_and_the_image_gets_no_tag(project: Projects, small_disk: Path) -> None:
    place, name = project("state"), f"{PREFIX}-state"
    assert place.builder("render", name).code == 0
    before = place.files()
    state = small_disk / "state"
    state.mkdir()
    fill(small_disk)
    error = told(place.builder("build", name, "--json", BUILDER_STATE=str(state)), "disk", 12)
    assert str(state) in error["where"]
    assert_nothing_lost(place, name, before)


def test_a_person_reads_what_where_and_what_to_do(project: Projects) -> None:
    place, name = project("person", pip={"packages": ["idna"]}), f"{PREFIX}-person"
    ran = place.builder("render", name)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.splitlines() == [
        f"error: the recipe {name} has changed since it was locked",
        f"  where: recipes/{name}.lock",
        f"  to do: run `builder lock {name}`",
    ]
