"""An image whose Python is conda's: installer, environment and wheels, through mirrors that fail, built offline."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from chain_project import PREFIX, Place, Ran, identity, inspect, layers, measured, names_of, remove_images
from checks.image_lab import Lab, root
from conda_project import (
    ENVIRONMENT,
    PACKAGES,
    conda_place,
    farming,
    in_image,
    layers_of,
    python_in,
    store_without_conda,
    write_recipe,
)
from farm import PLACEHOLDER, Farm
from rattler import PrefixRecord
from test_reproducible import assert_all_ran

from builder.adapters.engine.client import Engine
from builder.checks import CHECKS
from builder.models.lock import CondaLock
from builder.models.lockfile import parse_lock

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

NAME = f"{PREFIX}-conda"
TAG = f"{NAME}:1.0"


@dataclass(frozen=True)
class Made:
    """The first build, through the farm with all its mirrors up."""

    place: Place
    farm: Farm
    ran: Ran
    image: str

    def lock(self) -> CondaLock:
        conda = parse_lock(self.place.lock(NAME).read_text(), "the lock").conda
        assert conda is not None
        return conda


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("conda")
    remove_images(NAME)
    with farming(folder) as farm:
        place = conda_place(farm, folder / "first", folder / "store")
        write_recipe(place, farm)
        ran = place.builder("build", NAME, "--json")
        yield Made(place, farm, ran, ran.image["image"])
    remove_images(NAME)
    subprocess.run(["rm", "-rf", str(folder)], check=False)


def test_a_recipe_with_conda_becomes_a_checked_and_tagged_image(made: Made) -> None:
    assert names_of(NAME) == [TAG]
    assert identity(TAG) == made.image
    outcomes = {result["name"]: result["outcome"] for result in made.ran.image["report"]["results"]}
    assert outcomes == {"python": "PASS", "imports": "PASS", "trust": "PASS", "audit": "PASS"}


def test_nothing_runs_when_nothing_changed(made: Made) -> None:
    again = made.place.builder("build", NAME, "--json")
    assert again.image["image"] == made.image
    assert {step["reused"] for step in again.image["steps"]} == {True}
    measured("nothing changed in a recipe with conda", again.seconds, 1.0)


def test_from_big_and_stable_to_small_and_volatile(made: Made) -> None:
    own = ["conda-package-bigcuda", "conda-package-bigmath", "conda-packages", "wheels-small", "configuration", "trust"]
    assert layers_of(made.place.rendering(NAME)) == ["rootfs", "conda-base", "conda-python", *own]
    assert len(layers(TAG)) == 3 + len(own)


SAYS = "import sys; print(sys.prefix, sys.version_info[:2])"


@pytest.mark.parametrize(
    "shell",
    [
        ["python", "-c"],
        ["python3.9", "-c"],
        *([s, f, f"python3.9 -c '{SAYS}'"] for s in ("sh", "bash") for f in ("-c", "-lc")),
    ],
    ids=lambda shell: " ".join(shell[:2]),
)
def test_every_way_into_the_image_finds_the_environments_python(made: Made, shell: list[str]) -> None:
    argv = shell if len(shell) == 3 else [*shell, SAYS]
    assert in_image(TAG, *argv) == f"{ENVIRONMENT} (3, 9)\n"


@pytest.mark.parametrize("shell", [(), ("sh", "-c"), ("sh", "-lc"), ("bash", "-c"), ("bash", "-lc")], ids=" ".join)
def test_conda_is_there_in_every_shell_and_is_not_the_environments_python(made: Made, shell: tuple[str, ...]) -> None:
    argv = [*shell, "conda --version"] if shell else ["conda", "--version"]
    assert re.match(r"conda 25\.9\.1\b", in_image(TAG, *argv))
    assert in_image(TAG, "sh", "-c", "head -n 1 $(command -v conda)") == "#!/opt/conda/bin/python\n"


def test_a_login_shell_with_nothing_of_the_images_environment_is_as_good(made: Made) -> None:
    said = in_image(
        TAG, "env", "-i", "bash", "-lc", "python -V; conda --version; echo $CONDA_PREFIX $CONDA_DEFAULT_ENV"
    )
    assert said.startswith("Python 3.9.2\nconda 25.9.1")
    assert said.endswith(f"{ENVIRONMENT} {NAME}\n")


def test_somebody_who_is_not_root_has_it_all(made: Made) -> None:
    command = ["docker", "run", "--rm", "--network=none", "--user=1000:1000", TAG, "sh", "-c"]
    done = subprocess.run([*command, "hello-conda && conda --version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"hello from {ENVIRONMENT}\nconda 25.9.1")


def test_entry_points_and_scripts_run(made: Made) -> None:
    assert in_image(TAG, "hello-conda") == f"hello from {ENVIRONMENT}\n"
    assert in_image(TAG, "greeting") == "hello\n"


def test_the_prefix_is_replaced_in_text_and_in_binaries(made: Made) -> None:
    program = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    assert python_in(TAG, "import farm_native; print(farm_native.PREFIX)") == f"{ENVIRONMENT}\n"
    binary = python_in(TAG, program, f"{ENVIRONMENT}/lib/greeting.bin").encode()
    path = f"{ENVIRONMENT}/share/greeting".encode()
    assert binary == b"\x7fFARM\0" + path + b"\0" * (len(PLACEHOLDER) - len(ENVIRONMENT)) + b"\0tail\0"


def test_post_link_scripts_ran(made: Made) -> None:
    assert in_image(TAG, "cat", f"{ENVIRONMENT}/etc/post-link-was-here") == "linked post-linked\n"


WALK = r"""
import json, os, sys
epoch = int(sys.argv[1])
own = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/.dockerenv", "/", "/etc"}
words = [word.encode() for word in sys.argv[2:]]
found = {"newer": [], "named": [], "left": []}
for folder, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/proc", "/sys", "/dev")]
    for path in [os.path.join(folder, name) for name in files + folders]:
        if path not in own and os.lstat(path).st_mtime > epoch:
            found["newer"].append(path)
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as file:
                data = file.read()
            found["named"] += [path for word in words if word in data]
            if path.startswith(("/tmp/", "/root/.c", "/opt/conda/pkgs/")) or path.endswith("/CACHEDIR.TAG"):
                found["left"].append(path)
print(json.dumps(found))
"""


def test_no_file_names_where_it_was_made_and_none_is_newer_than_the_epoch(made: Made) -> None:
    epoch = parse_lock(made.place.lock(NAME).read_text(), "the lock").epoch
    words = ("/.builder", "/out/opt", "/tmp/packages", "/tmp/home", "/tmp/nobody", str(made.place.root))
    found = json.loads(python_in(TAG, WALK, str(epoch), *words))
    assert found == {"newer": [], "named": [], "left": []}


def test_such_a_file_would_be_found(made: Made) -> None:
    plant = 'mkdir -p /opt/conda/pkgs/x; echo /.builder/in > /opt/conda/pkgs/x/y; exec python -B -c "$0" "$@"'
    found = json.loads(in_image(TAG, "sh", "-c", plant, WALK, "1", "/.builder"))
    assert found["named"] == found["left"] == ["/opt/conda/pkgs/x/y"]
    assert "/opt/conda/pkgs/x/y" in found["newer"]


@pytest.fixture(scope="module")
def records(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment's conda-meta, on this side."""
    folder = tmp_path_factory.mktemp("meta")
    container = subprocess.run(["docker", "create", TAG], check=True, capture_output=True, text=True).stdout.strip()
    try:
        subprocess.run(["docker", "cp", "-q", f"{container}:{ENVIRONMENT}/conda-meta", str(folder)], check=True)
    finally:
        subprocess.run(["docker", "rm", container], check=True, capture_output=True)
    return folder / "conda-meta"


def test_conda_meta_is_as_conda_would_have_written_it(made: Made, records: Path) -> None:
    found = {r.name.normalized: r for r in map(PrefixRecord.from_path, sorted(records.glob("*.json")))}
    locked = {package.name: package for package in made.lock().packages}
    assert found.keys() == locked.keys()
    for name, record in found.items():
        artifact = locked[name].artifact
        assert record.url == f"https://conda.anaconda.org/{artifact.source}/{artifact.path}"
        assert (record.sha256.hex(), record.size) == (artifact.sha256, artifact.size)
        assert record.license, name
        assert not record.extracted_package_dir
    text = "".join(path.read_text() for path in records.iterdir())
    assert "file:" not in text
    assert '"link"' not in text


def test_every_file_of_a_record_is_there(made: Made, records: Path) -> None:
    files = [f for path in records.glob("*.json") for f in json.loads(path.read_text())["files"]]
    compiled = {f for f in files if f.endswith(".pyc")}
    assert {f.rpartition("/")[2] for f in compiled if "hello_conda" in f} == {
        "__init__.cpython-39.pyc",
        "main.cpython-39.pyc",
    }
    assert [f.rpartition("/")[2] for f in compiled if "has_a_template" in f] == ["__init__.cpython-39.pyc"]
    missing = "import json, os, sys; print([f for f in json.load(sys.stdin) if not os.path.lexists(f)])"
    command = ["docker", "run", "--rm", "-i", "--workdir", ENVIRONMENT, TAG, "python", "-c", missing]
    done = subprocess.run(command, input=json.dumps(files), check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_history_keeps_what_the_recipe_asked_for(made: Made, records: Path) -> None:
    text = (records / "history").read_text()
    assert re.match(r"==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <==\n# cmd: ", text)
    assert f"# update specs: {[*PACKAGES, 'python 3.9.*']!r}\n" in text


@pytest.mark.parametrize(
    ("fault", "switch", "code"),
    [("refused", "1", 0), ("expired", "1", 0), ("http_403", "1", 0), ("html_200", "1", 0), ("refused", "0", 1)],
)
def test_in_a_running_container_conda_gets_past_a_first_mirror_that_fails(
    made: Made, fault: str, switch: str, code: int
) -> None:
    """As it was baked: nothing but the farm's own root is added, as a site would."""
    path, record = made.farm.channels["conda-forge"].find("greeting")
    command = ["conda", "fetch-for-tests", f"{made.farm.mirrors[0].url}/conda-forge/{path}", record["sha256"]]
    given = ["--env=REQUESTS_CA_BUNDLE=/site.pem", f"--env=BUILDER_CONDA_FAILOVER={switch}"]
    mounted = f"--volume={made.farm.ca_pem}:/site.pem:ro"
    with made.farm.faulty({0: fault}):
        argv = ["docker", "run", "--rm", "--network=host", mounted, *given, TAG, *command]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("failed (" in done.stderr) is (code == 0)


COPIES = """
import json, os, sys
print(json.dumps({p: os.path.realpath(p) for p in sys.argv[1:]}))
"""


def test_every_copy_of_a_ca_bundle_is_the_one_bundle(made: Made) -> None:
    ssl = [f"{root}/ssl/{name}.pem" for root in ("/opt/conda", ENVIRONMENT) for name in ("cacert", "cert")]
    packages = "lib/python3.9/site-packages"
    brought = [f"/opt/conda/{packages}/{where}/cacert.pem" for where in ("certifi", "pip/_vendor/certifi")]
    found: dict[str, Any] = json.loads(python_in(TAG, COPIES, *ssl, *brought))
    assert set(found.values()) == {"/etc/ssl/certs/ca-certificates.crt"}
    listed = python_in(TAG, f"import os; print(os.listdir({f'{ENVIRONMENT}/{packages}'!r}))")
    assert "certifi" not in listed  # no package brings it here: nothing is made in its place


def test_what_conda_activate_sets_is_set(made: Made) -> None:
    env = dict(entry.split("=", 1) for entry in inspect(TAG)["Config"]["Env"])
    assert env["PATH"].startswith(f"{ENVIRONMENT}/bin:/opt/conda/condabin:/usr/local/sbin:")
    assert (env["CONDA_PREFIX"], env["CONDA_DEFAULT_ENV"], env["CONDA_SHLVL"]) == (ENVIRONMENT, NAME, "1")


def differing(place: Place, one: str, other: str) -> list[str]:
    """The names of the layers that are not the same."""
    names = layers_of(place.rendering(NAME))
    return [name for name, a, b in zip(names, layers(one), layers(other), strict=True) if a != b]


@pytest.mark.parametrize("dead", [0, 2], ids=["the first mirror dead", "the last mirror dead"])
def test_one_lock_gives_one_image_through_other_mirrors(made: Made, dead: int, tmp_path: Path) -> None:
    store = store_without_conda(made.place.store, tmp_path / "store")
    place = conda_place(made.farm, tmp_path / "elsewhere", store)
    write_recipe(place, made.farm)
    place.lock(NAME).write_bytes(made.place.lock(NAME).read_bytes())
    anew = ("--no-cache",) if dead == 0 else ()
    asked = [len(mirror.requests) for mirror in made.farm.mirrors]
    with made.farm.faulty({dead: "refused"}):
        ran = place.builder("build", NAME, "--json", *anew)
    assert differing(place, ran.image["image"], made.image) == []
    assert ran.image["image"] == made.image
    assert not ran.steps["fetch"]["reused"]
    served = [len(mirror.requests) - before for mirror, before in zip(made.farm.mirrors, asked, strict=True)]
    assert served[dead] == 0
    assert sum(served) >= len(made.lock().packages) + 1
    if anew:
        assert_all_ran(ran, place, NAME)


def test_a_changed_small_package_leaves_the_large_ones_as_they_were(made: Made) -> None:
    place = made.place
    lock = place.lock(NAME).read_bytes()
    write_recipe(place, made.farm, *(p.replace("<1.1", ">=1.1") for p in PACKAGES))
    try:
        after = place.builder("build", NAME, "--json").image["image"]
        changed = differing(place, after, made.image)
        assert changed == ["conda-packages", "configuration"]  # conda's history names each version
    finally:
        write_recipe(place, made.farm)
        place.lock(NAME).write_bytes(lock)
        assert place.builder("build", NAME, "--json").image["image"] == made.image


def test_a_post_link_script_that_fails_fails_the_build_with_its_words(made: Made, tmp_path: Path) -> None:
    place = conda_place(made.farm, tmp_path, made.place.store)
    write_recipe(place, made.farm, "fails-to-link")
    place.lock(NAME).write_bytes(made.place.lock(NAME).read_bytes())  # what is asked anew is conda's packages alone
    error = place.builder("build", NAME, "--json").error
    assert error["what"] == f"{NAME}: the build failed at conda-packages"
    assert "there is no fails-to-link here" in error["seen"]
    assert "the post-link script of fails-to-link failed: bin/.fails-to-link-post-link.sh" in error["seen"]
    assert names_of(NAME) == [TAG]
    assert identity(TAG) == made.image


def test_bake_alone_builds_the_same_image(made: Made) -> None:
    place = made.place
    readme = (place.rendering(NAME) / "README.md").read_text()
    (export,) = re.findall(r"`(builder store export .+?)`", readme)
    (bake,) = re.findall(r"^    (docker buildx bake .+)$", readme, re.MULTILINE)
    assert place.command(export).code == 0
    (place.root / "store").mkdir()
    subprocess.run(["tar", "-xf", "store.tar", "-C", "store"], cwd=place.root, check=True)
    done = place.command(bake + " --no-cache")
    assert done.code == 0, done.err[-3000:]
    assert identity(f"{NAME}:unchecked") == made.image


def test_after_packages_brought_bundles_of_their_own_every_client_still_reads_the_images(made: Made) -> None:
    """As `conda update ca-certificates certifi` and `pip install -U pip` leave conda and the environment."""
    links = in_image(TAG, "find", "/opt/conda", "-lname", "*/ca-certificates.crt").split()
    assert {f"{ENVIRONMENT}/ssl/cacert.pem", "/opt/conda/ssl/cacert.pem"} <= set(links)
    client = docker.from_env()
    lab = Lab(Engine(), identity(TAG), client)  # type: ignore[arg-type]
    try:
        image = lab.image(dict.fromkeys(links, root("Brought by an update")))
        answer = lab.ask("trust", image, python=f"{ENVIRONMENT}/bin/python", **CHECKS["trust"].made())
    finally:
        for one in lab.made:
            client.api.remove_image(one, force=True)
        client.close()
    did = answer.evidence["clients"]
    assert {"python", "conda's python", "conda"} <= set(did)  # type: ignore[arg-type]
    assert set(did.values()) == {"accepts the good server, refuses the bad one"}, answer.evidence  # type: ignore[union-attr]
