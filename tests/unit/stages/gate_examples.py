"""A small recipe, its lock, its plan and an image, for tests of the gate; and a runner on this host's own Python."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from builder.audit.examine import placed
from builder.audit.finding import Finding, Hit
from builder.audit.machine import Audited
from builder.models.base import ImageId, Sha256, sha256_of
from builder.models.engine import Completed, EngineFacts, ImageFacts
from builder.models.lock import Artifact, Certificate, Lock, Package, RootfsBase, TrustLock
from builder.models.plan import Action, ImageConfig, Layer, Plan
from builder.models.recipe import Recipe
from builder.stages.check_audit import Auditor

RENDERING: Sha256 = sha256_of("rendering")


def recipe(**changes: Any) -> Recipe:
    given = {"name": "demo", "base": "debian-bullseye", "python": "3.9", "checks": [{"imports": {"modules": ["json"]}}]}
    return Recipe.model_validate({**given, **changes}, strict=False)


def artifact(name: str) -> Artifact:
    return Artifact(source="derived", path=name, sha256=sha256_of(name), size=1)


def lock() -> Lock:
    base = RootfsBase(suite="bullseye", arch="amd64", epoch=1, packages=(), rootfs=artifact("rootfs.tar"))
    anchor = Certificate(subject="Root", sha256=sha256_of("root"), not_after="2030-01-01")
    return Lock(
        inputs=sha256_of("inputs"),
        epoch=1,
        created=1,
        base=base,
        uv=Package(name="uv", version="1", artifact=artifact("uv.whl")),
        busybox=None,
        busybox_binary=None,
        trust=TrustLock(
            roots=Package(name="certifi", version="1", artifact=artifact("certifi.whl")),
            certificates=(anchor,),
            bundle=artifact("bundle.pem"),
        ),
        apt=(),
        pip=(),
    )


LAYERS = (
    ("rootfs", Action.UNPACK),
    ("environment", Action.MAKE_ENVIRONMENT),
    ("wheels", Action.INSTALL_WHEELS),
    ("trust", Action.INSTALL_TRUST),
)


def plan(base: str | None = None) -> Plan:
    return Plan(
        name="demo",
        platform="linux/amd64",
        epoch=1,
        created=1,
        base=base,
        prefix="/opt/env",
        python="/usr/bin/python3",
        uv=artifact("uv.whl"),
        busybox=None,
        layers=tuple(Layer(name=name, title=name, action=action) for name, action in LAYERS),
        config=ImageConfig(),
    )


def image(*layers: str, size: int = 1_000_000, env: tuple[tuple[str, str], ...] = ()) -> ImageFacts:
    """An image whose ID depends on its layers, as real ones' do."""
    named = layers or tuple(f"sha256:{name}" for name, _ in LAYERS)
    identity: ImageId = f"sha256:{sha256_of('|'.join(named) + repr(env))}"  # type: ignore[assignment]
    return ImageFacts(id=identity, layers=named, size=size, env=env)


def audited(*findings: Finding) -> Auditor:
    """An auditor that has found just this, wherever it is asked to look."""

    def auditor(image: ImageFacts, **_more: object) -> Audited:
        auditor.asked.append(image.id)  # type: ignore[attr-defined]
        return Audited(findings=findings, conda={}, read=7)

    auditor.asked = []  # type: ignore[attr-defined]
    return auditor


def finding(rule: str = "CONDA001", path: str = "/opt/conda/.condarc") -> Finding:
    """A finding on line 2, as severe as its rule says."""
    (found,) = placed(path, "x\ny\n", iter([Hit(rule=rule, at=2, seen="ssl_verify: false")]))
    return found


class HostRunner:
    """Carries checks out for real, in this host's Python instead of a container; remembers what it ran."""

    def __init__(self, refused: str | None = None) -> None:
        self.refused, self.ran, self.swept = refused, list[tuple[str, ...]](), 0

    def version(self) -> EngineFacts:
        facts = {"address": "-", "name": "Host", "version": "1", "os": "linux", "arch": "amd64"}
        return EngineFacts(**facts, nvidia=False, memory_limit=False, pids_limit=False)

    def remove_stale(self) -> int:
        self.swept += 1
        return 0

    def remove_own(self) -> int:
        return 0

    def run_check(
        self,
        image: ImageId,
        *,
        argv: tuple[str, ...],
        stdin: bytes,
        timeout: int,
        gpus: bool = False,
        alters: bool = False,
        sees_all: bool = False,
    ) -> Completed:
        assert not alters, "this runs on the host itself"
        self.ran.append(argv)
        if gpus and self.refused:
            return Completed(exit_code=-1, stdout=b"", stderr=b"", seconds=0.0, refused=self.refused)
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, *argv[1:]], input=stdin, capture_output=True, timeout=timeout, check=False
        )
        seconds = time.monotonic() - begun
        return Completed(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr, seconds=seconds)
