"""`builder prove` with two real engines. No GPU is to be had: the second one has a stand-in, named as such."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import second_engine
from chain_project import PREFIX, Place, docker, identity, measured, names_of
from conftest import First, Projects
from stand_in_gpu import Gpu

from builder.adapters.engine.client import Engine

pytestmark = [pytest.mark.engine, pytest.mark.upstream, second_engine.needs_root]

RECIPE = {
    "checks": ["python", "imports", "trust", {"nvidia-smi": {"driver": ">=525.60.13"}}],
    "allow_unproven": True,
    "tags": ["{name}:{version}", "{name}:{measured}-six{six}"],
}
MEASURED = "py3.9.2-six"


@dataclass(frozen=True)
class Second:
    """The engine of the host with the GPU."""

    address: str
    gpu: second_engine.StandInGpu

    def docker(self, *arguments: str) -> str:
        return docker("--host", self.address, *arguments)

    def names(self, recipe: str) -> list[str]:
        label = f"label=org.opencontainers.image.title={recipe}"
        found = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", label).split()
        return sorted(name for name in found if not name.startswith("<none>"))


@pytest.fixture(scope="module")
def second() -> Iterator[Second]:
    with second_engine.short_folder() as folder:
        gpu = second_engine.StandInGpu(folder / "gpu")
        gpu.set()
        with second_engine.running(folder, env={**os.environ, "PATH": gpu.path}) as address:
            second_engine.when_it_answers(folder, Engine(address).version)
            yield Second(address, gpu)


@pytest.fixture
def able(second: Second) -> Iterator[Second]:
    """The second engine with a GPU that works, whatever the test does to it."""
    second.gpu.set()
    yield second
    ids = {*second.docker("images", "--all", "--quiet", "--no-trunc").split()}
    if ids:
        second.docker("rmi", "--force", *sorted(ids))


def built(project: Projects, topic: str) -> tuple[Place, str, Path]:
    """An image that this host cannot prove, and the file that `docker save` makes of it."""
    place, name = project(topic, **RECIPE), f"{PREFIX}-{topic}"
    ran = place.builder("build", name, "--json")
    assert ran.image["tags"][0] == f"{name}:1.0-unproven"
    saved = place.root / "image.tar"
    docker("save", "--output", str(saved), f"{name}:1.0-unproven")
    return place, name, saved


def outcome(place: Place, name: str) -> dict[str, str]:
    report = json.loads(place.builder("report", name, "--json").out)
    return {r["name"]: r["outcome"] for r in report["results"]}


def final(names: list[str]) -> bool:
    return bool(names) and not any(name.endswith("-unproven") for name in names)


def test_what_another_engine_proves_makes_the_names_final_on_both(
    first: First, project: Projects, able: Second
) -> None:
    place, name, saved = built(project, "prove")
    image, before = identity(f"{name}:1.0-unproven"), names_of(name)
    assert [tag.rpartition(":")[2][: len(MEASURED)] for tag in before] == ["1.0-unproven"[: len(MEASURED)], MEASURED]

    absent = place.builder("prove", name, "--engine", able.address, "--json").error
    assert absent["what"] == f"{name}: the engine does not have the image that the report is about"
    assert absent["remedy"].startswith(f"`docker save {image[7:19]} | docker --host {able.address} load`")

    other = place.root / "other.tar"
    docker("save", "--output", str(other), first.tag)
    mistaken = place.builder("prove", name, "--engine", able.address, "--image", str(other), "--json").error
    assert mistaken["what"] == "the file holds another image than the report is about"
    assert mistaken["seen"] == f"{first.tag}, not {image}"
    assert able.names(first.name) == []

    ran = place.builder("prove", name, "--engine", able.address, "--image", str(saved), "--json")
    assert ran.code == 0, ran.out + ran.err
    assert (ran.data["image"], ran.data["proved"], ran.data["left"]) == (image, ["nvidia-smi"], [])
    there, here = ran.data["engines"]
    assert there["engine"] == able.address
    assert there["names"] == here["names"] == sorted(name.removesuffix("-unproven") for name in before)
    assert there["removed"] == [f"{name}:1.0-unproven"]
    assert here["removed"] == before
    assert final(able.names(name))
    assert names_of(name) == sorted(here["names"])
    (proven,) = (r for r in ran.data["report"]["results"] if r["name"] == "nvidia-smi")
    assert proven["summary"].startswith("Stub GPU")
    assert proven["proven"]["engine"].startswith("Engine ")
    assert proven["proven"]["host"] == able.docker("info", "--format", "{{.Name}}")
    assert [r["proven"] for r in ran.data["report"]["results"] if r["name"] != "nvidia-smi"].count(None) >= 3
    measured("proving on another engine, the image loaded first", ran.seconds, 10)

    again = place.builder("build", name, "--json")
    assert {step["reused"] for step in again.image["steps"]} == {True}
    assert again.image["tags"] == here["names"]
    once_more = place.builder("prove", image[7:19], "--engine", able.address)
    assert once_more.code == 0, once_more.err
    assert "nothing was asked: all is proven" in once_more.out


def test_a_report_travels_to_the_gpu_and_back(project: Projects, able: Second, tmp_path: Path) -> None:
    place, name, saved = built(project, "travel")
    first, proven = tmp_path / "first.json", tmp_path / "proven.json"
    first.write_text(place.builder("report", name, "--json").out)
    away = replace(place, state=tmp_path / "away", env={"DOCKER_HOST": able.address})

    forged = tmp_path / "forged.json"
    forged.write_text(first.read_text().replace(nvidia_key(first), "0" * 64))
    refused = away.builder("prove", name, "--report", str(forged), "--image", str(saved), "--json").error
    assert refused["what"] == f"{name}: what is asked has changed since the report was made"
    assert refused["seen"] == "nvidia-smi: another script, other arguments, or other layers"
    forged.write_text(first.read_text().replace("UNPROVEN", "PASS").replace(nvidia_key(first), "0" * 64))
    assert away.builder("prove", name, "--report", str(forged), "--json").error["what"] == refused["what"]

    lost = away.builder("prove", name, "--image", str(saved), "--json").error
    assert lost["what"] == f"there is no report on {name} to add to"
    ran = away.builder("prove", name, "--report", str(first), "--image", str(saved))
    assert ran.code == 0, ran.out + ran.err
    assert "proven now: nvidia-smi" in ran.out
    assert final(able.names(name))
    assert not final(names_of(name))

    proven.write_text(away.builder("report", name, "--json").out)
    home = place.builder("prove", name, "--report", str(proven))
    assert home.code == 0, home.out + home.err
    assert final(names_of(name))
    assert outcome(place, name)["nvidia-smi"] == "PASS"


def nvidia_key(report: Path) -> str:
    (found,) = (r["key"] for r in json.loads(report.read_text())["results"] if r["name"] == "nvidia-smi")
    return str(found)


def test_an_engine_that_cannot_prove_it_either_changes_nothing(project: Projects, able: Second) -> None:
    place, name, saved = built(project, "blind")
    names, state = names_of(name), kept(place)
    able.gpu.set(gpu=Gpu(status=9))
    error = place.builder("prove", name, "--engine", able.address, "--image", str(saved), "--json").error
    assert error["kind"] == "unproven"
    assert error["what"] == "this host cannot prove nvidia-smi either; report and names stay as they were"
    assert error["faults"][0]["what"] == ("UNPROVEN no GPU to prove it on: the NVIDIA driver is not loaded (NVML 9)")
    nowhere = place.builder("prove", name, "--json").error  # this host's own engine has no GPU
    assert nowhere["kind"] == "unproven"

    with (
        second_engine.short_folder() as folder,
        second_engine.running(folder, containerd_store=True) as address,
    ):
        second_engine.when_it_answers(folder, Engine(address).version)
        docker("--host", address, "load", "--input", str(saved))
        error = place.builder("prove", name, "--engine", address, "--json").error
    assert error["what"] == f"{name}: the engine has this image under another ID, and a report is about one ID"
    assert error["seen"].endswith("; the layers and the configuration are the same")
    assert error["remedy"].startswith("containerd's image store names an image by its manifest")
    assert (names_of(name), kept(place)) == (names, state)


def kept(place: Place) -> dict[str, bytes]:
    """Every report and seal."""
    return {str(p): p.read_bytes() for part in ("reports", "seals") for p in (place.state / part).rglob("*.json")}


def test_an_image_that_fails_on_the_gpu_loses_its_unproven_names(project: Projects, able: Second) -> None:
    place, name, saved = built(project, "faulty")
    image = identity(f"{name}:1.0-unproven")
    able.gpu.set(torch=second_engine.WRONG)
    error = place.builder("prove", name, "--engine", able.address, "--image", str(saved), "--json").error
    assert error["kind"] == "check"
    assert error["faults"][0]["what"].startswith("FAIL matmul on cuda:0 is wrong by 5.0e-01")
    assert f"{name}:1.0-unproven" in error["seen"]
    for names, docker_ in ((names_of(name), docker), (able.names(name), able.docker)):
        (staging,) = names
        assert staging.startswith(f"builder-staging/{name}:")
        assert docker_("image", "inspect", "--format", "{{.Id}}", staging) == image
    assert outcome(place, name)["nvidia-smi"] == "FAIL"

    able.gpu.set()  # neither another host nor another build washes it away
    assert place.builder("prove", name, "--engine", able.address, "--json").error["kind"] == "check"
    assert place.builder("build", name, "--json").error["kind"] == "check"
    assert names_of(name) == [staging]
    anew = place.builder("check", name, "--all-checks")
    assert anew.code == 0
    assert place.builder("prove", name, "--engine", able.address).code == 0
    assert final([n for n in names_of(name) if not n.startswith("builder-staging/")])


def test_mutations_of_the_gpu_are_caught_where_there_is_one(project: Projects, able: Second) -> None:
    place, name, saved = built(project, "gpu-mutants")
    able.docker("load", "--input", str(saved))
    ran = replace(place, env={"DOCKER_HOST": able.address}).builder("check", name, "--mutate", "--json")
    assert ran.code == 0, ran.out + ran.err
    verdicts = {m["name"]: m["verdict"] for m in ran.data["mutations"] if m["check"] == "nvidia-smi"}
    assert verdicts == {
        "gpu-that-is-hidden": "caught",
        "gpu-without-cuda": "caught",
        "torch-that-multiplies-wrongly-on-gpus": "not here",
    }


def test_an_interrupted_proof_leaves_no_container_and_changes_nothing(project: Projects, able: Second) -> None:
    place, name, saved = built(project, "interrupted")
    able.docker("load", "--input", str(saved))
    names, state = names_of(name), kept(place)
    able.gpu.set(torch=second_engine.HANGS)
    env = {**os.environ, "BUILDER_STORE": str(place.store), "BUILDER_STATE": str(place.state)}
    argv = [sys.executable, "-m", "builder", "prove", name, "--engine", able.address]
    with subprocess.Popen(argv, cwd=place.root, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            end = time.monotonic() + 60
            while not able.docker("ps", "--quiet", "--filter", "label=builder.check"):
                assert time.monotonic() < end
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert able.docker("ps", "--all", "--quiet") == ""
    assert (names_of(name), kept(place)) == (names, state)
