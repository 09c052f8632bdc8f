"""A project of a test's own: recipes/, images/, a store and a state, and the `builder` command as a person runs it."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "builder-test-e2e"
"""How each recipe here is named, so that its images can be told from everybody else's."""

BUILDER = (sys.executable, "-m", "builder")

MEASURED: list[str] = []
"""Shown when all tests have ended, whether they passed or not."""

GENEROUS = 5
"""How many times the aim a step may take here, on a machine that does other things, too. `make bench` is where the
aims themselves are held."""


def measured(what: str, seconds: float, aim: float) -> None:
    """Notes a figure and holds it to a generous bound."""
    MEASURED.append(f"{seconds:6.2f} s  {what} (aim: under {aim:g} s)")
    assert seconds < GENEROUS * aim


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def image(self) -> Any:
        """What `builder build --json` says of the one image."""
        assert self.code == 0, self.out + self.err
        (one,) = self.data["images"]
        return one

    @property
    def steps(self) -> dict[str, Any]:
        """Its steps, by verb."""
        return {step["verb"]: step for step in self.image["steps"]}

    @property
    def error(self) -> Any:
        """The error that `--json` tells."""
        assert self.code != 0, self.out
        assert self.data["exit_code"] == self.code
        return self.data["error"]


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], umask: int = -1, timeout: int = 280) -> Ran:
    """A command without a terminal and without input; never waits for ever."""
    begun = time.monotonic()
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=env,
        umask=umask,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


@dataclass(frozen=True)
class Place:
    """A folder with recipes/ in it, and the environment that `builder` runs in there."""

    root: Path
    store: Path
    state: Path
    env: Mapping[str, str]
    """Beside this process's own."""
    umask: int = -1
    program: tuple[str, ...] = BUILDER

    def builder(self, *arguments: str, timeout: int = 280, **env: str) -> Ran:
        """`builder ARGUMENTS...` in the project; it has so many seconds."""
        return run((*self.program, *arguments), self.root, self._environment(env), self.umask, timeout)

    def command(self, line: str) -> Ran:
        """A command line of a README, as it stands there."""
        argv = tuple(shlex.split(line))
        program = self.program if argv[0] == "builder" else argv[:1]
        return run((*program, *argv[1:]), self.root, self._environment({}), self.umask)

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        own = {"BUILDER_STORE": str(self.store), "BUILDER_STATE": str(self.state)}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("BUILDER_")}
        return {**inherited, **own, **self.env, **env}

    def write(self, name: str, **changes: object) -> str:
        """Writes a small recipe (JSON is YAML, too) and gives its name."""
        recipe = {
            "name": name,
            "base": "debian-bullseye",
            "python": "3.9",
            "pip": {"packages": ["six", "packaging==24.1", "idna"]},
            "checks": ["python", "imports", "trust"],
            "tags": ["{name}:{version}"],
        }
        self.recipe(name).parent.mkdir(parents=True, exist_ok=True)
        self.recipe(name).write_text(json.dumps({**recipe, **changes}, indent=1))
        return name

    def recipe(self, name: str) -> Path:
        return self.root / "recipes" / f"{name}.yaml"

    def lock(self, name: str) -> Path:
        return self.root / "recipes" / f"{name}.lock"

    def rendering(self, name: str) -> Path:
        return self.root / "images" / name

    def log(self, name: str) -> Path:
        return self.state / "logs" / f"{name}.log"

    def files(self, folder: str = ".") -> dict[str, bytes]:
        """Every file of the project, hidden ones, too."""
        found = (path for path in (self.root / folder).rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    def half_written(self) -> list[str]:
        """What an interrupted write would have left, in the project, the store and the state."""
        marks = (".making-*", ".run-*", ".*-????????", ".tmp*", ".*.json")
        roots = (self.root, self.store, self.state)
        return [str(p) for root in roots for mark in marks for p in root.rglob(mark)]


def host_roots() -> bytes:
    """What this host trusts, as PEM."""
    paths = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile)
    found = next((Path(p) for p in (*paths, "/etc/ssl/certs/ca-certificates.crt") if p and Path(p).is_file()), None)
    return found.read_bytes() + b"\n" if found else b""


def docker(*arguments: str) -> str:
    """Standard output of a docker command that has to succeed."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def inspect(reference: str) -> Any:
    """What docker knows of an image."""
    (found,) = json.loads(docker("image", "inspect", reference))
    return found


def identity(reference: str) -> str:
    return str(inspect(reference)["Id"])


def layers(reference: str) -> list[str]:
    """The diff IDs, lowest first."""
    found: list[str] = inspect(reference)["RootFS"]["Layers"]
    return found


def layer_sizes(reference: str) -> list[int]:
    """Bytes of the layers, lowest first."""
    argv = ("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", reference)
    lines = [line.split(" ", 1) for line in docker(*argv).splitlines()]
    return [int(size) for size, by in reversed(lines) if by.startswith("COPY")]


def names_of(recipe: str) -> list[str]:
    """Every name of every image of a recipe, staging names among them."""
    lines = docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}}", *_label(recipe)).splitlines()
    return sorted(name for name in lines if not name.startswith("<none>"))


def remove_images(recipe: str) -> None:
    """All images of a recipe, whatever their names; build cache is the engine's own to keep."""
    if ids := set(docker("images", "--all", "--quiet", "--no-trunc", *_label(recipe)).split()):
        subprocess.run(["docker", "rmi", "--force", *sorted(ids)], check=False, capture_output=True)


def _label(recipe: str) -> tuple[str, str]:
    return "--filter", f"label=org.opencontainers.image.title={recipe}"
