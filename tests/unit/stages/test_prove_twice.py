"""`builder prove` while another one runs, and long after the first report: with stand-ins for engines and checks."""

from __future__ import annotations

import importlib
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gate_examples as examples
import pytest

from builder.adapters.reports import Reports
from builder.errors import CheckFailed
from builder.models.base import Sha256
from builder.models.engine import EngineFacts, ImageFacts
from builder.models.report import CheckResult, Outcome, Report
from builder.pipeline import Wanted
from builder.progress import Silent
from builder.stages.check import keys
from builder.stages.questions import expected

pipeline = importlib.import_module("builder.pipeline.prove")

RECIPE = examples.recipe(checks=["imports", "clock", "nvidia-smi"], allow_unproven=True, tags=["{name}:{version}"])
STAGING = "builder-staging/demo:x"


class NamedEngine:
    """An engine that has the image, and gives it names."""

    address = "unix:///nowhere"

    def __init__(self) -> None:
        self.names = {"demo:1.0-unproven"}

    def version(self) -> EngineFacts:
        return examples.HostRunner().version()

    def inspect(self, reference: str) -> ImageFacts | None:
        known = reference in self.names or reference == examples.image().id
        return examples.image().model_copy(update={"tags": tuple(sorted(self.names))}) if known else None

    def tag(self, image: str, reference: str) -> None:
        assert image == examples.image().id
        self.names.add(reference)

    def untag(self, reference: str) -> bool:
        self.names.discard(reference)
        return True


Answer = Callable[[CheckResult], CheckResult]


@dataclass
class Host:
    """A place with a report in which the GPU is unproven, and what a GPU would say."""

    reports: Reports
    monkeypatch: pytest.MonkeyPatch
    engine: NamedEngine = field(default_factory=NamedEngine)
    asked: list[str] = field(default_factory=list)

    def prove(self, outcome: Outcome = Outcome.PASS, *, meanwhile: Callable[[], None] = lambda: None) -> Any:
        def ask(names: frozenset[str], **_: Any) -> tuple[CheckResult, ...]:
            self.asked += sorted(names)
            now = datetime.now(timezone.utc)
            kept = [r for r in self.kept().results if r.name in names]
            answers = [
                r.model_copy(update={"outcome": outcome if r.name == "nvidia-smi" else Outcome.PASS, "asked": now})
                for r in kept
            ]
            meanwhile()
            return tuple(answers)

        self.monkeypatch.setattr(pipeline, "ask", ask)
        return pipeline.prove(self, Wanted(target="demo"), Silent())

    def kept(self) -> Report:
        found = self.reports.latest("demo")
        assert found
        return found

    def outcome(self, name: str = "nvidia-smi") -> Outcome:
        (found,) = (r.outcome for r in self.kept().results if r.name == name)
        return found

    @property
    def project(self) -> Any:
        return SimpleNamespace(names=lambda: ("demo",))


def result(name: str, key: Sha256) -> CheckResult:
    outcome = Outcome.UNPROVEN if name == "nvidia-smi" else Outcome.PASS
    said = {"summary": "said", "seconds": 0.1, "asked": datetime.now(timezone.utc)}
    return CheckResult(name=name, outcome=outcome, key=key, image=examples.image().id, **said)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    now = SimpleNamespace(
        loaded=SimpleNamespace(recipe=RECIPE),
        plan=examples.plan(),
        lock=examples.lock(),
        rendered=SimpleNamespace(digest=examples.RENDERING, name="demo"),
    )
    monkeypatch.setattr(pipeline, "described", lambda *_: now)
    monkeypatch.setattr(pipeline, "staging_name", lambda _: STAGING)
    image = examples.image()
    asked = keys(recipe=RECIPE, plan=now.plan, lock=now.lock, image=image)
    found = Host(Reports(tmp_path), monkeypatch)
    found.reports.write(
        Report(
            name="demo",
            image=image.id,
            recipe=RECIPE.content_digest(),
            lock=now.lock.content_digest(),
            rendering=examples.RENDERING,
            engine="Engine 28",
            results=tuple(result(name, key) for name, key in zip(expected(RECIPE), asked, strict=True)),
        )
    )
    return found


def test_what_is_unproven_is_asked_and_the_names_become_final(host: Host) -> None:
    done = host.prove()
    assert (host.asked, done.proved, done.left) == (["nvidia-smi"], ("nvidia-smi",), ())
    assert host.engine.names == {"demo:1.0"}


def test_failure_that_another_run_wrote_meanwhile_is_not_washed_away(host: Host) -> None:
    def another_run_fails() -> None:
        before = host.kept()
        failed = tuple(
            r.model_copy(update={"outcome": Outcome.FAIL, "summary": "conv2d is wrong"})
            if r.name == "nvidia-smi"
            else r
            for r in before.results
        )
        host.reports.write(before.model_copy(update={"results": failed}))

    with pytest.raises(CheckFailed, match="1 of 4 checks did not pass"):
        host.prove(meanwhile=another_run_fails)
    assert host.outcome() is Outcome.FAIL
    assert host.engine.names == {STAGING}


def test_failure_takes_the_final_names_that_another_run_gave_meanwhile(host: Host) -> None:
    with pytest.raises(CheckFailed):
        host.prove(Outcome.FAIL, meanwhile=lambda: Host(host.reports, host.monkeypatch, host.engine).prove() and None)
    assert host.outcome() is Outcome.FAIL
    assert host.engine.names == {STAGING}


def test_what_depends_on_the_day_is_asked_again_when_it_is_a_day_old(host: Host) -> None:
    before, old = host.kept(), datetime.now(timezone.utc) - timedelta(days=2)
    results = tuple(r.model_copy(update={"asked": old}) for r in before.results)
    host.reports.write(before.model_copy(update={"results": results}))
    done = host.prove()
    assert (host.asked, done.proved) == (["clock", "nvidia-smi"], ("clock", "nvidia-smi"))
    (clock,) = (r for r in host.kept().results if r.name == "clock")
    assert clock.asked
    assert clock.asked > old
    assert host.engine.names == {"demo:1.0"}


def held(root: Path, taken: Any, free: Any) -> None:
    with Reports(root).locked("demo"):
        taken.set()
        free.wait(30)


def test_another_process_waits_for_the_reports(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken, free = context.Event(), context.Event()
    other = context.Process(target=held, args=(tmp_path, taken, free))
    other.start()
    try:
        assert taken.wait(30)
        got = threading.Event()

        def take() -> None:
            with Reports(tmp_path).locked("demo"):
                got.set()

        waiting = threading.Thread(target=take)
        waiting.start()
        assert not got.wait(0.3)
        free.set()
        assert got.wait(10)
        waiting.join(10)
    finally:
        free.set()
        other.join(10)
