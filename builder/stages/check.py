"""Check: asks an image every question of its recipe and gives a report bound to the image's ID.

A PASS whose key did not change (see `questions`) is carried over from the report before; one that depends on the day
too, for a day.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

from builder.checks import faults_of
from builder.errors import RecipeError
from builder.models.report import CheckResult, Notice, Outcome, Report
from builder.stages.answer import Answer, answer_of
from builder.stages.check_audit import audit_key, audit_result
from builder.stages.check_size import size_result
from builder.stages.questions import Question, is_fresh, questions

if TYPE_CHECKING:
    from builder.models.base import ImageId, Sha256
    from builder.models.engine import Completed, EngineFacts, ImageFacts
    from builder.models.lock import Lock
    from builder.models.plan import Plan
    from builder.models.recipe import Recipe
    from builder.progress import Progress, Task
    from builder.stages.check_audit import Auditor

AT_ONCE = 2
"""Containers at a time: most checks import torch on one core."""

_BOOT = "import sys; exec(compile(sys.stdin.buffer.read(int(sys.argv[1])), 'check', 'exec'))"
"""Reads the script from standard input by its length: a stream over TLS cannot be half-closed to end it."""


class Runner(Protocol):
    """An engine that runs a program in an image."""

    def version(self) -> EngineFacts:
        """What the engine is."""

    def remove_stale(self) -> int:
        """Removes what a killed run left behind."""

    def remove_own(self) -> int:
        """Removes what this run has started and not ended."""

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
        """Runs a program in a locked-down container, removed afterwards; timeout in seconds.

        alters: as root, with a root file system that can be written. sees_all: with every file of the image in sight,
        whoever owns it, and none that can be written.
        """


def validate(recipe: Recipe) -> None:
    """Raises RecipeError for checks and arguments that do not exist: to be asked before anything is built."""
    if faults := faults_of(recipe):
        raise RecipeError("the recipe's checks cannot be carried out", where=recipe.name, faults=faults)


def check(
    *,
    recipe: Recipe,
    plan: Plan,
    lock: Lock,
    rendering: Sha256,
    image: ImageFacts,
    runner: Runner,
    auditor: Auditor,
    progress: Progress,
    previous: Report | None = None,
    all_checks: bool = False,
    notices: tuple[Notice, ...] = (),
) -> Report:
    """Runs every check of the recipe in the image; one that fails does not keep the others from running.

    Results of `previous` are carried over where nothing that they depend on has changed, unless `all_checks` or the
    recipe says otherwise. Raises RecipeError for unknown checks, CheckFailed when the image is not the plan's.
    """
    validate(recipe)
    prepared = questions(recipe, plan, lock, image)
    carried = {} if all_checks or previous is None else _carried(previous, passed=recipe.checks_carry_over)
    engine = str(runner.version())
    runner.remove_stale()
    asked = [one for one in prepared if not _holds(one, carried.get(one.key))]
    audit = carried.get(audit_key(recipe, plan, image))
    with progress.task(f"check {recipe.name}", total=len(asked) + (audit is None)) as task:
        fresh = _ask(asked, plan, image, runner, task)
        if audit is None:
            audit = audit_result(recipe=recipe, plan=plan, image=image, auditor=auditor, progress=progress)
            audit = audit.model_copy(update={"engine": engine})
            task.advance(1)
    results = [
        fresh[o.name] if o.name in fresh else carried[o.key].model_copy(update={"name": o.name}) for o in prepared
    ]
    return Report(
        name=recipe.name,
        image=image.id,
        recipe=recipe.content_digest(),
        lock=lock.content_digest(),
        rendering=rendering,
        engine=engine,
        results=(*results, audit, *size_result(recipe, image)),
        notices=notices,
    )


def ask(
    names: frozenset[str],
    *,
    recipe: Recipe,
    plan: Plan,
    lock: Lock,
    image: ImageFacts,
    runner: Runner,
    progress: Progress,
    instead: ImageId | None = None,
) -> tuple[CheckResult, ...]:
    """The results of these checks alone, asked now; nothing is carried over. Raises what `check` raises.

    instead: an image made from `image`, which is asked in its place.
    """
    validate(recipe)
    prepared = [one for one in questions(recipe, plan, lock, image) if one.name in names]
    image = image.model_copy(update={"id": instead}) if instead else image
    runner.remove_stale()
    with progress.task(f"prove {recipe.name}", total=len(prepared)) as task:
        found = _ask(prepared, plan, image, runner, task)
    return tuple(found[one.name] for one in prepared)


def keys(*, recipe: Recipe, plan: Plan, lock: Lock, image: ImageFacts) -> tuple[Sha256, ...]:
    """The key of every result that a report on this image would have; in the report's order."""
    asked = (one.key for one in questions(recipe, plan, lock, image))
    return (*asked, audit_key(recipe, plan, image), *(r.key for r in size_result(recipe, image)))


def _carried(previous: Report, *, passed: bool) -> dict[Sha256, CheckResult]:
    """What passed; and what failed on a host that could ask where this one may have to say UNPROVEN."""
    kept = [r for r in previous.with_outcome(Outcome.PASS) if passed]
    return {r.key: r for r in (*kept, *(f for f in previous.with_outcome(Outcome.FAIL) if f.proven))}


def _holds(one: Question, before: CheckResult | None) -> bool:
    """Whether the result of before still stands; what depends on the day does so for a day. A skip is the recipe's."""
    return (
        one.asked.skip is None
        and before is not None
        and (not one.script.dated or is_fresh(before, datetime.now(timezone.utc)))
    )


def _ask(prepared: list[Question], plan: Plan, image: ImageFacts, runner: Runner, task: Task) -> dict[str, CheckResult]:
    """The results by name. Two containers at a time, those with the longest limit first: they take longest."""
    results = {}
    engine = str(runner.version())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [
            pool.submit(_asked, one, plan, image, runner) for one in sorted(prepared, key=lambda o: -o.asked.timeout)
        ]
        try:
            for done in as_completed(running):
                result = done.result().model_copy(update={"engine": engine})
                results[result.name] = result
                task.detail(result.name)
                task.advance(1)
        except BaseException:
            _end(running, runner)
            raise
    return results


def _end(running: list[Future[CheckResult]], runner: Runner) -> None:
    """Leaves no container behind: a thread that waits for one is woken by its removal."""
    for one in running:
        one.cancel()
    while wait(running, timeout=0.2).not_done:
        runner.remove_own()


def _asked(one: Question, plan: Plan, image: ImageFacts, runner: Runner) -> CheckResult:
    begun = time.monotonic()
    if one.asked.skip is not None:
        answer = Answer(outcome=Outcome.SKIP, summary=one.asked.skip)
    else:
        script = one.text.encode()
        arguments = json.dumps({**one.arguments, **one.script.made()})
        argv = (f"{plan.prefix}/bin/python", "-B", "-c", _BOOT, str(len(script)), arguments)
        completed = runner.run_check(
            image.id,
            argv=argv,
            stdin=script,
            timeout=one.asked.timeout,
            gpus=one.script.needs_gpu,
            alters=one.script.alters,
            sees_all=one.script.sees_all,
        )
        answer = answer_of(completed, timeout=one.asked.timeout)
    return CheckResult(
        name=one.name,
        outcome=answer.outcome,
        summary=answer.summary,
        evidence=answer.evidence,
        seconds=round(time.monotonic() - begun, 3),
        key=one.key,
        image=image.id,
        asked=datetime.now(timezone.utc).replace(microsecond=0),
    )
