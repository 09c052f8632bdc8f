"""A deployment image from recipe to tag: an ONNX file, made int8 in a small workshop; and what its check refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from chain_project import PREFIX, Place, docker, identity, inspect, layers, measured, remove_images
from conftest import First

from builder.adapters.engine.client import Engine
from builder.adapters.project import Project
from builder.checks import CHECKS, Subject, script_of
from builder.models.report import Outcome
from builder.pipeline import Workplace, described
from builder.stages.answer import Answer, answer_of
from builder.stages.check import _BOOT

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

NAME = f"{PREFIX}-deployed"
MODEL = {
    "onnx": "tiny.onnx",
    "calibration": "samples.npz",
    "gates": {"agreement": 0.9},  # nobody trained it: its classes lie close to one another
}
RECIPE = {
    "purpose": "deployment",
    "model": MODEL,
    "workshop": {"pip": ["onnx==1.19.1"]},
    "pip": {"packages": ["onnxruntime==1.19.2", "numpy==2.0.2"], "without": ["sympy", "coloredlogs"]},
    "checks": ["python", "packages", "user", "secrets", "model"],
    "budget": {"size": "350MB"},
}
FOLDER = "/opt/model"


@dataclass(frozen=True)
class Deployed:
    """The image, and the project that it comes from."""

    place: Place
    tag: str
    report: Mapping[str, Any]

    def run(
        self, *arguments: str, options: tuple[str, ...] = (), given: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """A command of the image, with nothing to write to, no network, and no rights."""
        locked = ("--rm", "--interactive", "--read-only", "--network=none", "--cap-drop=ALL", *options)
        return subprocess.run(
            ["docker", "run", *locked, self.tag, *arguments], input=given, capture_output=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def deployed(first: First, scratch: Path) -> Iterator[Deployed]:
    """Built once, with the store and the base of the first build of all."""
    remove_images(NAME)
    folder = scratch / "deployed"
    place = Place(folder / "project", first.place.store, folder / "state", env={})
    place.write(NAME, **RECIPE)
    tiny_model.write(place.root / "recipes")
    shutil.copyfile(first.place.lock(first.name), place.lock(NAME))
    ran = place.builder("build", NAME, "--json")
    assert ran.code == 0, ran.out + ran.err
    yield Deployed(place, f"{NAME}:1.0", ran.image["report"])
    remove_images(NAME)


def test_the_recipe_becomes_a_checked_image(deployed: Deployed) -> None:
    results = {result["name"]: result["outcome"] for result in deployed.report["results"]}
    assert {results[name] for name in (*RECIPE["checks"], "size")} == {"PASS"}


def test_it_is_small_and_its_selftest_is_quick(deployed: Deployed) -> None:
    assert inspect(deployed.tag)["Size"] < 350e6
    begun = deployed.run("selftest")
    assert begun.returncode == 0, begun.stdout
    told = json.loads(begun.stdout)
    assert (told["outcome"], told["problems"]) == ("PASS", [])
    measured("selftest, cold, without docker's own start", told["seconds"], 2)


def test_nothing_of_the_workshop_is_in_it(deployed: Deployed) -> None:
    said = deployed.run("python", "-c", "import onnx")
    assert b"No module named 'onnx'" in said.stderr
    assert inspect(deployed.tag)["Config"]["User"] == "1000:1000"
    names = deployed.run("sh", "-c", f"ls {FOLDER}").stdout.decode().split()
    assert names == ["answers.npz", "manifest.json", "model.onnx"]


@pytest.mark.parametrize("user", ["1000:1000", "4321:99", "0"])
def test_any_user_may_run_it_and_none_may_change_it(deployed: Deployed, user: str) -> None:
    assert deployed.run("selftest", options=("--user", user)).returncode == 0
    assert deployed.run("healthcheck", options=("--user", user)).returncode == 0
    assert deployed.run("sh", "-c", f"echo > {FOLDER}/model.onnx", options=("--user", user)).returncode != 0


def test_it_predicts_what_is_sent_to_it(deployed: Deployed) -> None:
    said = deployed.run("predict", given=json.dumps([[0.5] * tiny_model.INPUTS, [-1.0] * tiny_model.INPUTS]).encode())
    assert said.returncode == 0, said.stderr
    outputs = json.loads(said.stdout)["outputs"]["output"]
    assert [len(row) for row in outputs] == [tiny_model.OUTPUTS, tiny_model.OUTPUTS]
    assert outputs[0] != outputs[1]


def test_two_builds_without_a_cache_give_one_image(deployed: Deployed) -> None:
    again = deployed.place.builder("build", NAME, "--json", "--no-cache")
    assert again.image["image"] == identity(deployed.tag)
    measured("a deployment image without a cache", again.steps["build"]["seconds"], 60)


def test_nothing_runs_when_nothing_changed(deployed: Deployed) -> None:
    again = deployed.place.builder("build", NAME, "--json")
    assert {step["reused"] for step in again.image["steps"]} == {True}


def test_a_store_without_the_recipe_s_files_gets_them_back(deployed: Deployed) -> None:
    for path in deployed.place.store.rglob("tiny.onnx"):
        path.unlink()
    assert deployed.place.builder("fetch", NAME).code == 0
    assert list(deployed.place.store.rglob("tiny.onnx"))


def elsewhere(deployed: Deployed, tmp_path: Path, **changes: object) -> Place:
    """Another state, the same store and lock, and a recipe with changes."""
    place = Place(tmp_path / "project", deployed.place.store, tmp_path / "state", env={})
    place.write(NAME, **{**RECIPE, **changes})
    tiny_model.write(place.root / "recipes")
    shutil.copyfile(deployed.place.lock(NAME), place.lock(NAME))
    return place


def test_a_changed_model_costs_its_layer_and_those_above(deployed: Deployed, tmp_path: Path) -> None:
    place, before = elsewhere(deployed, tmp_path), layers(deployed.tag)
    samples = tiny_model.npz({"input": ((64, tiny_model.INPUTS), [n % 7 / 7 - 0.5 for n in range(64 * 16)])})
    (place.root / "recipes/samples.npz").write_bytes(samples)
    ran = place.builder("build", NAME, "--json", "--until", "build")
    after = [f"sha256:{one.removeprefix('sha256:')}" for one in inspect(ran.image["image"])["RootFS"]["Layers"]]
    changed = [at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    assert changed == [len(before) - 2]  # the trust on top of it has the same bytes
    docker("rmi", "--force", ran.image["image"])


def test_a_model_that_fails_its_gates_gives_no_image_and_says_why(deployed: Deployed, tmp_path: Path) -> None:
    place = elsewhere(deployed, tmp_path, model={**MODEL, "gates": {"sqnr_db": 90}})
    ran = place.builder("build", NAME, "--json")
    assert ran.error["what"].endswith("the build failed at model")
    assert "no int8 form of the model passes its gates" in json.dumps(ran.error)


# --- what the check refuses: each with an image whose fault is that and nothing else


def ask(deployed: Deployed, image: str, **changes: object) -> Answer:
    """What the model check says of an image, with the arguments that the recipe gives it."""
    engine = Engine()
    found = described(Workplace(Project(deployed.place.root)), NAME)
    given = CHECKS["model"].given(Subject(recipe=found.loaded.recipe, plan=found.plan, lock=found.lock))
    script, facts = script_of("model").encode(), engine.inspect(image)
    assert facts is not None
    argv = (f"{found.plan.prefix}/bin/python", "-B", "-c", _BOOT, str(len(script)), json.dumps({**given, **changes}))
    return answer_of(engine.run_check(facts.id, argv=argv, stdin=script, timeout=120), timeout=120)


@pytest.fixture
def changed(deployed: Deployed) -> Iterator[Callable[[Mapping[str, bytes | None]], str]]:
    """Makes images with other files, by path; the model's own get their hashes into the manifest again."""
    made: list[str] = []

    def make(files: Mapping[str, bytes], *, honest: bool = True) -> str:
        every = dict(files)
        if honest:
            manifest = json.loads(docker("run", "--rm", deployed.tag, "cat", f"{FOLDER}/manifest.json"))
            for path, data in files.items():
                if path.startswith(FOLDER):
                    entry = {"sha256": sha256(data).hexdigest(), "size": len(data)}
                    manifest["files"][path.rpartition("/")[2]] = entry
            every[f"{FOLDER}/manifest.json"] = json.dumps(manifest).encode()
        container = docker("create", deployed.tag, "true")
        try:
            subprocess.run(
                ["docker", "cp", "-", f"{container}:/"], input=archive(every), check=True, capture_output=True
            )
            made.append(docker("commit", container))
        finally:
            docker("rm", "--force", container)
        return made[-1]

    yield make
    for image in made:
        docker("rmi", "--force", image)


def archive(files: Mapping[str, bytes]) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for path, data in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(data), 0o755 if "/bin/" in path else 0o644
            made.addfile(info, BytesIO(data))
    return buffer.getvalue()


def file_of(deployed: Deployed, name: str) -> bytes:
    done = deployed.run("cat", f"{FOLDER}/{name}")
    assert done.returncode == 0
    return done.stdout


Changed = Callable[..., str]


def test_the_image_itself_passes(deployed: Deployed) -> None:
    answer = ask(deployed, deployed.tag)
    assert answer.outcome is Outcome.PASS, answer
    assert answer.evidence["bit_identical"] is True


def refused(answer: Answer, problem: str) -> None:
    assert answer.outcome is Outcome.FAIL, answer
    assert answer.summary.startswith(problem), answer.summary


def test_a_changed_byte_of_the_model_is_refused(deployed: Deployed, changed: Changed) -> None:
    model = bytearray(file_of(deployed, "model.onnx"))
    model[len(model) // 2] ^= 1
    answer = ask(deployed, changed({f"{FOLDER}/model.onnx": bytes(model)}, honest=False))
    refused(answer, f"{FOLDER}/model.onnx is not what was made: its sha256 is ")


def test_a_file_that_nobody_made_is_refused(deployed: Deployed, changed: Changed) -> None:
    answer = ask(deployed, changed({f"{FOLDER}/other.onnx": b""}, honest=False))
    refused(answer, f"{FOLDER}/other.onnx is not in the manifest")


def test_wrong_stored_answers_are_refused(deployed: Deployed, changed: Changed) -> None:
    wrong = tiny_model.npz(
        {
            "input/input": ((2, tiny_model.INPUTS), [0.1 * (n % 9) for n in range(2 * tiny_model.INPUTS)]),
            "output/output": ((2, tiny_model.OUTPUTS), [1.0] * 2 * tiny_model.OUTPUTS),
        }
    )
    answer = ask(deployed, changed({f"{FOLDER}/answers.npz": wrong}))
    refused(answer, "the answers are not the stored ones: ")


def test_a_dead_model_is_refused(deployed: Deployed, changed: Changed) -> None:
    dead = tiny_model.tiny(alive=False)
    answers = tiny_model.npz(
        {
            "input/input": ((3, tiny_model.INPUTS), [0.1 * (n % 9) for n in range(3 * tiny_model.INPUTS)]),
            "output/output": ((3, tiny_model.OUTPUTS), dead.bias * 3),
        }
    )
    image = changed({f"{FOLDER}/model.onnx": dead.model, f"{FOLDER}/answers.npz": answers})
    refused(ask(deployed, image, scheme="none"), "the model is dead: its outputs do not depend on its input")


def test_int8_that_is_none_is_refused(deployed: Deployed, changed: Changed) -> None:
    answer = ask(deployed, changed({f"{FOLDER}/model.onnx": tiny_model.tiny().model}))
    refused(answer, "0% of the weights are int8: 90% are wanted")


def test_what_is_no_model_is_refused(deployed: Deployed, changed: Changed) -> None:
    answer = ask(deployed, changed({f"{FOLDER}/model.onnx": b"no model"}))
    refused(answer, "the model does not run: ")


def test_a_quality_below_the_recipe_s_gates_is_refused(deployed: Deployed) -> None:
    answer = ask(deployed, deployed.tag, gates={"sqnr_db": 90.0})
    refused(answer, "measured sqnr_db is ")


def test_the_model_of_another_recipe_is_refused(deployed: Deployed) -> None:
    refused(ask(deployed, deployed.tag, version="2.0"), "the model's version is '1.0', the recipe's '2.0'")


def test_a_model_that_its_user_may_change_is_refused(deployed: Deployed) -> None:
    container = docker("create", "--user", "0", "--entrypoint", "chown", deployed.tag, "1000", f"{FOLDER}/model.onnx")
    try:
        docker("start", "--attach", container)
        image = docker("commit", "--change", "USER 1000:1000", "--change", "ENTRYPOINT []", container)
    finally:
        docker("rm", "--force", container)
    try:
        refused(ask(deployed, image), f"{FOLDER}/model.onnx may be changed by who runs it")
    finally:
        docker("rmi", "--force", image)


@pytest.mark.parametrize(
    ("command", "problem"),
    [("selftest", "selftest ends with 3"), ("predict", "predict ends with 3"), ("healthcheck", "healthcheck fails")],
)
def test_a_command_that_fails_is_refused(deployed: Deployed, changed: Changed, command: str, problem: str) -> None:
    image = changed({f"/opt/builder/bin/{command}": b"#!/bin/sh\nexit 3\n"}, honest=False)
    refused(ask(deployed, image), problem)
