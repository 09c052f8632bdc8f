"""`builder build` on a real recipe: what a change costs, and what never gets a tag."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import trustme
from chain_project import PREFIX, Place, Ran, identity, inspect, layer_sizes, layers, measured, names_of
from conftest import First, Projects

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

VERBS = ["lock", "fetch", "render", "build", "check", "tag"]


def ran_in(ran: Ran) -> dict[str, str]:
    """By check: the image that it was asked in."""
    return {r["name"]: r["image"] for r in ran.image["report"]["results"]}


def test_a_recipe_becomes_a_checked_and_tagged_image(first: First) -> None:
    rows = re.findall(r"^(lock|fetch|render|build|check|tag) +(done|reused) ", first.ran.out, re.MULTILINE)
    assert [verb for verb, _ in rows] == VERBS
    assert {verb for verb, fate in rows if fate == "reused"} <= {"build"}  # its cache is the engine's, from before us
    assert first.ran.out.splitlines()[-1].split()[:3] == ["tag", "done", first.tag]
    assert names_of(first.name) == [first.tag]
    report = json.loads(first.place.builder("report", first.name, "--json").out)
    assert [(r["name"], r["outcome"]) for r in report["results"]] == [
        (n, "PASS") for n in ("python", "imports", "trust", "audit")
    ]
    assert report["image"] == identity(first.tag)


def test_nothing_runs_when_nothing_changed(first: First) -> None:
    log, image = first.place.log(first.name), identity(first.tag)
    before = log.stat().st_mtime_ns
    again = first.place.builder("build", first.name, "--json")
    assert again.image["image"] == image == identity(first.tag)
    assert {step["reused"] for step in again.image["steps"]} == {True}
    assert "fetch" not in again.steps
    assert log.stat().st_mtime_ns == before
    measured("nothing changed", again.seconds, 1.0)


def new_root(place: Place) -> trustme.CA:
    root = trustme.CA(organization_name="Site")
    (place.root / "recipes" / "site.pem").write_bytes(root.cert_pem.bytes())
    return root


def test_a_changed_ca_bundle_costs_one_small_layer_its_check_and_the_audit(project: Projects) -> None:
    place, name = project("ca"), f"{PREFIX}-ca"
    before = place.builder("build", name, "--json").image["image"]
    new_root(place)
    place.write(name, trust={"extra": ["site.pem"]})
    ran = place.builder("build", name, "--json")
    after = ran.image["image"]

    assert after != before
    assert layers(after)[:-1] == layers(before)[:-1]
    assert layers(after)[-1] not in layers(before)
    assert layer_sizes(after)[-1] < 1_000_000
    assert "3 steps run, " in ran.steps["build"]["detail"]  # the bundle comes, its stage runs, the image copies it
    assert ran_in(ran) == {"python": before, "imports": before, "trust": after, "audit": after}
    assert ran.steps["check"]["detail"] == "4 PASS; 2 carried over"
    measured("build step after a changed CA bundle", ran.steps["build"]["seconds"], 1.0)
    measured("from a changed CA bundle to the sealed image", ran.seconds, 5.0)

    every = place.builder("build", name, "--json", "--all-checks")
    assert every.image["image"] == after
    assert set(ran_in(every).values()) == {after}
    assert every.steps["check"]["detail"] == "4 PASS"

    new_root(place)
    place.write(name, trust={"extra": ["site.pem"]}, checks_carry_over=False)
    none = place.builder("build", name, "--json")
    assert none.image["image"] not in (before, after)
    assert set(ran_in(none).values()) == {none.image["image"]}


LARGE_FROM_10_MB = (
    "import builder.stages.plan_packages as p; p.LARGE = 10_000_000; from builder.cli import main; main()"
)


def test_one_changed_small_wheel_changes_its_own_layer_alone(project: Projects) -> None:
    packages = ["numpy==1.26.4", "six", "packaging==24.1"]
    program = (sys.executable, "-c", LARGE_FROM_10_MB)
    place, name = project("wheel", program=program, pip={"packages": packages}), f"{PREFIX}-wheel"
    before = place.builder("build", name, "--json").image["image"]
    place.write(name, pip={"packages": [*packages[:2], "packaging==24.2"]})
    assert place.builder("lock", name).out.endswith(
        f"24.1 -> 24.2\n{place.lock(name).relative_to(place.root)}: 1 moved\n"
    )
    assert place.builder("lock", name).out == f"{place.lock(name).relative_to(place.root)}: as it was\n"
    ran = place.builder("build", name, "--json")
    after = ran.image["image"]

    stages = re.findall(r"^COPY --link --from=layer-(\S+)", _dockerfile(place, name).rpartition("\nFROM ")[2], re.M)
    assert stages == ["wheel-numpy", "wheels-small", "trust"]
    lower = len(layers(after)) - len(stages)
    changed = [n for n, (a, b) in enumerate(zip(layers(before), layers(after), strict=True)) if a != b]
    assert changed == [lower + stages.index("wheels-small")]  # trust lies above it, and is the same bytes all the same
    assert set(ran_in(ran).values()) == {after}  # a wheel may bring what runs in every Python
    measured("from one changed small wheel to the sealed image", ran.seconds, 15.0)


def _dockerfile(place: Place, name: str) -> str:
    return (place.rendering(name) / "Dockerfile").read_text()


def test_an_image_that_fails_a_check_keeps_its_staging_name_and_gets_no_other(project: Projects) -> None:
    bad = {"checks": ["python", {"imports": {"modules": ["no_such_module"]}}]}
    place, name = project("failing", **bad), f"{PREFIX}-failing"
    error = place.builder("build", name, "--json").error
    (staging,) = names_of(name)
    assert staging.startswith(f"builder-staging/{name}:")
    assert staging in error["remedy"]

    place.write(name)
    good = place.builder("build", name, "--json").image["image"]
    assert names_of(name) == [f"{name}:1.0"]

    place.write(name, pip={"packages": ["six", "packaging==24.2", "idna"]}, **bad)
    failed = place.builder("build", name)
    assert failed.code == 10
    assert identity(f"{name}:1.0") == good
    (staging,) = {*names_of(name)} - {f"{name}:1.0"}
    assert staging in failed.err
    assert "imports" in place.builder("report", name).out


SHELLS = [
    ["python", "-V"],
    ["sh", "-c", "python -V"],
    ["sh", "-lc", "python -V"],
    ["bash", "-c", "python -V"],
    ["bash", "-lc", "python -V"],
]


def in_image(image: str, argv: list[str]) -> str:
    command = ["docker", "run", "--rm", "--network=none", image, *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_every_way_into_the_image_finds_the_environments_python(first: First, argv: list[str]) -> None:
    assert in_image(first.tag, argv) == "Python 3.9.2\n"
    where = [*argv[:-1], argv[-1].replace("-V", "-c 'import sys; print(sys.prefix)'")]
    if argv[0] == "python":
        where = ["python", "-c", "import sys; print(sys.prefix)"]
    assert in_image(first.tag, where) == "/opt/env\n"


LEFT = r"""
import os, re, sys
empty = ["/var/lib/apt/lists", "/var/cache", "/var/log", "/tmp", "/var/tmp", "/run", "/root", "/home", "/out"]
odd = re.compile(r"/(uv|uvx|busybox|gcc|cc|make|mmdebstrap)$|uv_cache\.json$|direct_url\.json$|\.builder|/\.uv/")
kept = {"/root/.bashrc", "/root/.profile", "/var/cache/debconf/config.dat", "/var/cache/debconf/templates.dat"}
for folder, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/proc", "/sys", "/dev")]
    for name in files + folders:
        path = os.path.join(folder, name)
        inside = any(path.startswith(e + "/") for e in empty) and not os.path.isdir(path) and os.lstat(path).st_size
        if (inside and path not in kept) or (odd.search(path) and not os.path.isdir(path)):
            print(path)
"""


def test_no_build_tool_cache_or_log_is_left_in_the_image(first: First) -> None:
    left = in_image(first.tag, ["python", "-B", "-c", LEFT]).split()
    assert left == []


def test_the_image_says_what_it_was_made_from(first: First) -> None:
    config = inspect(first.tag)["Config"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == first.name
    assert re.fullmatch("[0-9a-f]{64}", labels["builder.rendering"])
    assert labels["builder.lock"] == labels["org.opencontainers.image.revision"]
    assert not [e for e in config["Env"] if "proxy" in e.lower()]
