"""What both contenders start from, made once and not counted: the rendering's own ground, and pip in it."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from builder.adapters.engine.feed import StoreFeed
from builder.models.build_engine import BuildEngine

from .engine import buildx
from .scenarios import Scenario
from .subject import NAME, Subject

BASE = f"{NAME}-base:latest"
GROUND = f"{NAME}-ground:latest"

_PIP = """\
FROM {ground}
RUN --network=none --mount=type=bind,source={wheel},target=/tmp/{wheel} \\
    ["{python}", "/tmp/{wheel}/pip", "install", "--no-index", "--no-deps", "--no-cache-dir", "/tmp/{wheel}"]
"""
"""A wheel of pip can be run as it is."""


def make_base(subject: Subject, engine: BuildEngine) -> None:
    """Builds `BASE`: the root file system, the distribution's packages, the empty environment, and the lock's pip."""
    described = subject.described(Scenario.EMPTY)
    plan = described.plan
    subject.place.project.write_rendering(described.rendered)
    context = subject.place.project.rendering_path(plan.name)
    with StoreFeed(subject.place.store.root).serve(plan.artifacts()) as server:
        arguments = (f"--build-arg=STORE={server.url}", f"--build-arg=SOURCE_DATE_EPOCH={plan.created}")
        buildx(engine, context, tag=GROUND, options=("--target=on-environment", *arguments))
    pip = next((p.artifact for p in described.lock.pip if p.name == "pip"), None)
    if pip is None:
        raise SystemExit("the plain Dockerfile needs a pip: the recipe has none among its packages")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(subject.place.store.path(pip), folder / pip.filename)
        python = f"{plan.prefix}/bin/python"
        (folder / "Dockerfile").write_text(_PIP.format(ground=GROUND, wheel=pip.filename, python=python))
        buildx(engine, folder, tag=BASE)


def grounds(dockerfile: str) -> tuple[str, ...]:
    """The stages that layers stand on: the base takes their place where both start from it."""
    return tuple(re.findall(r"^FROM \S+ AS (on-\S+)$", dockerfile, flags=re.MULTILINE))
