"""What the checks measure in the quickstart image is what its tag says."""

from __future__ import annotations

import pytest
from tests_root import ROOT

from builder.adapters.engine.client import Engine
from builder.adapters.project import Project
from builder.checks.measures import measured_in
from builder.models.base import ImageId
from builder.models.report import Report
from builder.pipeline import Workplace, described
from builder.progress import Silent
from builder.stages.check import ask

pytestmark = [pytest.mark.engine, pytest.mark.quickstart]

MEASURING = frozenset({"python", "imports", "cuda", "cudnn"})


def test_the_quickstarts_tag_is_measured_in_it(engine: Engine, quickstart: ImageId) -> None:
    now, image = described(Workplace(Project(ROOT)), "quickstart"), engine.inspect(quickstart)
    assert image is not None
    recipe, digest = now.loaded.recipe, now.rendered.digest
    results = ask(MEASURING, recipe=recipe, plan=now.plan, lock=now.lock, image=image, runner=engine, progress=Silent())
    about = {"name": recipe.name, "image": quickstart, "recipe": digest, "lock": digest, "rendering": digest}
    measured = measured_in(Report(**about, engine="-", results=results))
    assert measured["measured"] == "py3.9.2-torch2.8.0-cu12.8-cudnn9.10.2"
    assert (measured["onnx"], measured["onnxruntime"]) == ("1.19.1", "1.19.2")
