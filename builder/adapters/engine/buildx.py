"""`docker-buildx build` as a child: the plugin itself, not `docker buildx`, whose death it would survive."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from builder.adapters.engine.build_log import BuildLog, logs_folder, unwritable
from builder.adapters.engine.processes import child
from builder.adapters.engine.questions import questions
from builder.adapters.engine.rawjson import RawJson
from builder.errors import BuildError
from builder.models.base import ImageId
from builder.models.build import BASE, BuildEvent, BuildRequest, BuildResult
from builder.models.build_engine import BuildEngine

_SAID = 50
"""Lines of the client's own that are kept."""

_DROPPED = ("BUILDX_", "BUILDKIT_", "DOCKER_CLI_PLUGIN", "DOCKER_DEFAULT_PLATFORM", "SOURCE_DATE_EPOCH")
"""Variables that would change what is built: attestations, labels from git, another builder, another platform."""


class Buildx:
    """Carries builds out on an engine.

    logs: the folder for `NAME.log`; by default that of the user's state.
    """

    def __init__(self, engine: BuildEngine, *, logs: Path | None = None) -> None:
        self._engine = engine
        self._logs = logs

    def run(self, request: BuildRequest, watch: Callable[[BuildEvent], None]) -> BuildResult:
        """Builds to the staging name and blocks until that has ended; leaving early ends the client, too.

        Raises DiskError when the log cannot be written, BuildError when the staging name was taken meanwhile.
        """
        path = (self._logs or logs_folder()) / f"{request.name}.log"
        with _log(path) as log, _scratch(path.parent) as scratch:
            metadata = scratch / "metadata.json"
            argv = self.argv(request, metadata)
            log.line(f"{self._engine}\n$ {shlex.join(argv)}")
            code, said = _follow(argv, _environment(scratch), watch, log)
            image = self._image(request, metadata) if code == 0 else None
            log.line(f"image {image}" if image else f"ended with {code}")
        return BuildResult(image=image, said=said, log=path)

    def argv(self, request: BuildRequest, metadata: Path) -> list[str]:
        """The command. It fixes what a configuration could change; the network of a `RUN` is the Dockerfile's."""
        arguments = [part for key, value in request.args for part in ("--build-arg", f"{key}={value}")]
        contexts = [part for name, path in request.contexts for part in ("--build-context", f"{name}={path}")]
        base = ["--build-context", f"{BASE}=docker-image://{request.base}"] if request.base else []
        return [
            str(self._engine.buildx.path),
            "build",
            f"--builder={self._engine.context}",
            "--progress=rawjson",
            "--provenance=false",
            "--sbom=false",
            f"--platform={request.platform}",
            f"--metadata-file={metadata}",
            f"--tag={request.staging}",
            *(["--no-cache"] if request.no_cache else []),
            *arguments,
            *contexts,
            *base,
            str(request.context),
        ]

    def _image(self, request: BuildRequest, metadata: Path) -> ImageId:
        """The ID that the engine itself knows the image by: buildx's own answer is the configuration's digest even
        where images are in containerd and their ID is the manifest's (buildx pull request 3952)."""
        told = json.loads(metadata.read_text(encoding="utf-8"))
        built = {told.get("containerimage.digest"), told.get("containerimage.config.digest")}
        found = questions(self._engine.address, self._engine.context).image_id(request.staging)
        if found is None or found not in built:
            raise BuildError(
                f"{request.name}: another build took the staging name while this one ended",
                where=request.staging,
                seen=f"it is {found}, and this build made {' or '.join(sorted(filter(None, built)))}",
                remedy="build again, one at a time",
            )
        return found  # type: ignore[return-value]


def _follow(
    argv: list[str], env: dict[str, str], watch: Callable[[BuildEvent], None], log: BuildLog
) -> tuple[int, tuple[str, ...]]:
    said: list[str] = []
    with child(argv, env=env, stdout=subprocess.DEVNULL) as process:
        for event in _events(process):
            if isinstance(event, str):
                said.append(event)
                log.line(event)
            else:
                log.event(event)
                watch(event)
        code = process.wait()
    if code < 0:
        said.append(f"the client was ended by signal {-code}")
    return code, tuple(said[-_SAID:])


def _events(process: subprocess.Popen[bytes]) -> Iterator[BuildEvent | str]:
    parser = RawJson()
    assert process.stderr is not None  # noqa: S101 - for the type checker: it is a pipe
    while piece := os.read(process.stderr.fileno(), 1 << 16):
        yield from parser.feed(piece)
    yield from parser.feed(b"", last=True)


def _environment(scratch: Path) -> dict[str, str]:
    """Ours, without what would change the build, and with a folder of its own for what buildx remembers of builds."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_DROPPED)}
    return {**kept, "BUILDX_CONFIG": str(scratch)}


@contextmanager
def _log(path: Path) -> Iterator[BuildLog]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise unwritable(str(path), error) from None
    try:
        yield BuildLog(file)
    finally:
        with suppress(OSError):  # what could not be written has been told
            file.close()


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A folder for one run. Takes away those that a `kill -9` left: their name holds the process that made them."""
    for old in parent.glob(".run-*-*"):
        if not Path(f"/proc/{old.name.split('-')[1]}").exists():
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".run-{os.getpid()}-", dir=parent) as folder:
        yield Path(folder)
