from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import page_examples as examples
import pytest

from builder.adapters.reports import Reports
from builder.models.engine import ImageFacts
from builder.models.plan import Plan
from builder.models.report import Outcome, Report
from builder.pipeline.provenance import provenance
from builder.report.provenance import Provenance, layers_seen, predecessor


def facts(image: str, *contents: str) -> ImageFacts:
    return ImageFacts(id=image, layers=tuple(f"sha256:{text}" for text in contents), size=30)


@pytest.fixture
def plan() -> Plan:
    """A plan of two layers; nothing else of it is read."""
    layers = [SimpleNamespace(name=name, title=name, artifacts=()) for name in ("rootfs", "trust")]
    return SimpleNamespace(layers=layers)  # type: ignore[return-value]


def test_layers_are_the_topmost_of_the_image(plan: Plan) -> None:
    got = layers_seen(plan, facts(examples.IMAGE, "base", "a", "b"), (5, 20, 10))
    assert [(one.name, one.digest, one.size) for one in got] == [
        ("base", "sha256:base", 5),
        ("rootfs", "sha256:a", 20),
        ("trust", "sha256:b", 10),
    ]


@pytest.mark.parametrize("sizes", [None, (1,), (1, 2, 3)])
def test_sizes_that_do_not_fit_are_no_sizes(plan: Plan, sizes: tuple[int, ...] | None) -> None:
    got = layers_seen(plan, facts(examples.IMAGE, "a", "b"), sizes)
    assert [(one.digest, one.size) for one in got] == [("sha256:a", None), ("sha256:b", None)]


def test_image_with_too_few_layers_is_not_the_plans(plan: Plan) -> None:
    assert [one.digest for one in layers_seen(plan, facts(examples.IMAGE, "a"), (1,))] == ["", ""]


def test_anchors_that_went_and_came_are_told() -> None:
    trust = examples.lock().trust
    fewer = examples.lock().model_copy(
        update={"trust": trust.model_copy(update={"certificates": trust.certificates[1:]})}
    )
    gone = predecessor(examples.usual(), examples.provenance(), moved=(), lock=fewer)
    came = predecessor(examples.usual(), examples.provenance(lock=fewer), moved=(), lock=examples.lock())
    first = trust.certificates[0]
    assert [(one.sha256, one.new) for one in gone.anchors or ()] == [(first.sha256, False)]
    assert [(one.sha256, one.new) for one in came.anchors or ()] == [(first.sha256, True)]


class Place:
    """Real reports in a folder; the engine is one that knows the sizes of no layer."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.reports = Reports(folder)
        self.engine = SimpleNamespace(layer_sizes=lambda _: None)
        self.described = SimpleNamespace(lock=examples.lock(), plan=plan)

    def check(self, image: str, outcome: Outcome = Outcome.PASS) -> Provenance:
        """As `checked` keeps a report."""
        report: Report = examples.report(examples.result("x", outcome, image=image), image=image)
        before = self.reports.latest("demo")
        this: Any = self
        found = provenance(this, this.described, facts(image, "a", image[-1]), before=before)
        self.reports.write(report, found)
        return found


@pytest.fixture
def place(tmp_path: Path, plan: Plan) -> Place:
    return Place(tmp_path, plan)


def test_first_image_has_none_before_it(place: Place) -> None:
    assert place.check(examples.IMAGE).previous is None


def test_image_before_is_remembered_with_its_outcomes_and_layers(place: Place) -> None:
    place.check(examples.OLDER, Outcome.FAIL)
    previous = place.check(examples.IMAGE).previous
    assert previous is not None
    assert (previous.image, previous.outcomes) == (examples.OLDER, (("x", Outcome.FAIL),))
    assert [one.digest for one in previous.layers] == ["sha256:a", "sha256:b"]
    assert (previous.size, previous.moved, previous.anchors) == (30, (), ())


def test_image_that_is_checked_again_is_not_its_own_predecessor(place: Place) -> None:
    place.check(examples.OLDER)
    first = place.check(examples.IMAGE)
    assert place.check(examples.IMAGE).previous == first.previous


def test_image_of_an_older_builder_is_compared_by_its_outcomes_alone(place: Place) -> None:
    place.reports.write(examples.report(examples.result("x"), image=examples.OLDER))
    previous = place.check(examples.IMAGE).previous
    assert previous is not None
    assert (previous.layers, previous.moved, previous.anchors, previous.size) == ((), None, None, None)
