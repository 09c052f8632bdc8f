"""The plain way: a Dockerfile that copies the CA bundle, then the requirements, and installs them with one pip."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from builder.models.build_engine import BuildEngine
from builder.models.lock import Lock

from .base import BASE
from .engine import buildx, empty_build_cache, image_id, layers
from .scenarios import Measured, Scenario
from .subject import NAME, Subject

IMAGE = f"{NAME}-plain:latest"

DOCKERFILE = """\
FROM {base}
COPY ca-bundle.pem /etc/ssl/certs/ca-certificates.crt
COPY requirements.txt /tmp/requirements.txt
RUN --network=host ["{python}", "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", \\
    "--root-user-action=ignore", "--ignore-installed", "--require-hashes", "--no-deps", "--index-url={index}", \\
    "--requirement=/tmp/requirements.txt"]
"""


class Plain:
    """Builds the same lock with the plain Dockerfile.

    index: the URL of the package index on loopback.
    """

    name = "plain Dockerfile"
    scenarios = tuple(Scenario)

    def __init__(self, subject: Subject, engine: BuildEngine, *, index: str, keep_cache: bool) -> None:
        self._subject, self._engine, self._index, self._keep_cache = subject, engine, index, keep_cache

    def build(self, scenario: Scenario) -> Measured:
        """See `Contender`."""
        if scenario is Scenario.WHEEL and not self._keep_cache:
            empty_build_cache()  # of two installs that cannot be used again, and that take what the image takes
        anew = ("--no-cache",) if self._keep_cache and scenario is Scenario.EMPTY else ()
        # pip must not take the host's proxy for our loopback
        options = ("--allow=network.host", "--build-arg=no_proxy=127.0.0.1", "--build-arg=NO_PROXY=127.0.0.1", *anew)
        with tempfile.TemporaryDirectory() as name:
            self._write(Path(name), scenario)
            seconds = buildx(self._engine, Path(name), tag=IMAGE, options=options)
        return Measured(image=image_id(IMAGE), seconds=seconds, command=None, layers=layers(IMAGE))

    def _write(self, folder: Path, scenario: Scenario) -> None:
        described = self._subject.described(scenario)
        shutil.copy(self._subject.place.store.path(described.lock.trust.bundle), folder / "ca-bundle.pem")
        (folder / "requirements.txt").write_text(requirements(described.lock))
        python = f"{described.plan.prefix}/bin/python"
        (folder / "Dockerfile").write_text(DOCKERFILE.format(base=BASE, python=python, index=self._index))


def requirements(lock: Lock) -> str:
    """The lock's wheels, with their hashes, as pip reads them."""
    return "".join(f"{p.name}=={p.version} --hash=sha256:{p.artifact.sha256}\n" for p in lock.pip)
