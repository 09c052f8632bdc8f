"""Mutate: breaks an image in every way that a check of its recipe has to catch, and asks that check alone.

A check that was never seen to fail proves nothing. What passes here passes for the wrong reason somewhere.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Protocol

from builder.errors import CheckFailed, Fault
from builder.models.mutation import Mutated, Verdict
from builder.models.report import Outcome
from builder.progress import Silent
from builder.stages.check import AT_ONCE, ask
from builder.stages.check_audit import AUDIT, audit_result
from builder.stages.check_size import SIZE, room, size_result
from builder.stages.questions import expected

if TYPE_CHECKING:
    from builder.models.engine import ImageFacts
    from builder.models.lock import Lock
    from builder.models.mutation import Mutation
    from builder.models.plan import Plan
    from builder.models.recipe import Recipe
    from builder.models.report import CheckResult
    from builder.progress import Progress
    from builder.stages.check import Runner
    from builder.stages.check_audit import Auditor


GPU = "gpu"
"""What a mutation needs that only shows on a GPU."""


class Altering(Protocol):
    """Makes an image of another one."""

    def __call__(
        self, image: ImageFacts, script: str, variables: tuple[tuple[str, str], ...] = ()
    ) -> AbstractContextManager[ImageFacts]:
        """The image after `sh -eu` has run the script as root in it; it is removed when the `with` block ends.

        variables: of its configuration, by name.

        Raises EngineError when the script fails.
        """


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The image, and who asks it."""

    recipe: Recipe
    plan: Plan
    lock: Lock
    image: ImageFacts
    runner: Runner
    auditor: Auditor
    altered: Altering

    def asked(self, check: str, mutant: ImageFacts) -> CheckResult:
        """What one check says of a mutant."""
        if check == AUDIT:
            return audit_result(
                recipe=self.recipe, plan=self.plan, image=mutant, auditor=self.auditor, progress=Silent()
            )
        if check == SIZE:
            (result,) = size_result(self.recipe, mutant)
            return result
        (result,) = ask(
            frozenset((check,)),
            recipe=self.recipe,
            plan=self.plan,
            lock=self.lock,
            image=self.image,
            instead=mutant.id,
            runner=self.runner,
            progress=Silent(),
        )
        return result


def mutate(subject: Subject, mutations: tuple[Mutation, ...], progress: Progress) -> tuple[Mutated, ...]:
    """Every mutation's result, in their order; two are tried at a time."""
    with (
        progress.task(f"mutate {subject.recipe.name}", total=len(mutations)) as task,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        running = [pool.submit(_tried, subject, mutation) for mutation in mutations]
        try:
            done: list[Mutated] = []
            for one in running:
                done.append(one.result())
                task.detail(done[-1].name)
                task.advance(1)
        except BaseException:
            pool.shutdown(cancel_futures=True, wait=False)
            subject.runner.remove_own()
            raise
    return tuple(done)


def require_caught(name: str, found: tuple[Mutated, ...]) -> None:
    """Raises CheckFailed for mutations that no check caught, or that one failed on by accident."""
    escaped = [one for one in found if one.verdict in (Verdict.MISSED, Verdict.ACCIDENT)]
    if not escaped:
        return
    faults = tuple(Fault(what=f"{m.verdict.value}: {m.summary}", where=f"{m.check}: {m.name}") for m in escaped)
    tried = sum(one.verdict is not Verdict.NOTHING for one in found)
    raise CheckFailed(
        f"{name}: {len(escaped)} of {tried} mutations were not caught for their own reason",
        where=name,
        faults=faults,
        remedy="the check's script has a hole: it lets an image through that is broken so",
    )


def _tried(subject: Subject, mutation: Mutation) -> Mutated:
    begun = time.monotonic()
    verdict, summary = _verdict(subject, mutation)
    seconds = round(time.monotonic() - begun, 3)
    return Mutated(name=mutation.name, check=mutation.check, verdict=verdict, summary=summary, seconds=seconds)


def _verdict(subject: Subject, mutation: Mutation) -> tuple[Verdict, str]:
    if mutation.check not in expected(subject.recipe):
        return Verdict.NOTHING, "the recipe does not ask for it"
    if any(one.check == mutation.check and one.skip is not None for one in subject.recipe.checks):
        return Verdict.NOTHING, "the recipe skips it"
    if lacking := set(mutation.needs) - _there(subject) - {GPU}:
        return Verdict.NOTHING, f"there is no {', '.join(sorted(lacking))}"
    with subject.altered(subject.image, _header(subject) + mutation.script, mutation.variables) as mutant:
        result = subject.asked(mutation.check, mutant)
    if GPU in mutation.needs and result.outcome is Outcome.UNPROVEN:  # engines do not tell beforehand whether they can
        return Verdict.NOTHING, result.summary
    if result.outcome is not Outcome.FAIL:
        return Verdict.MISSED, f"{result.outcome.value} {result.summary}"
    caught = re.search(mutation.finds, result.summary)
    return (Verdict.CAUGHT if caught else Verdict.ACCIDENT), result.summary


def _there(subject: Subject) -> set[str]:
    lock = subject.lock
    conda = {p.name for p in lock.conda.packages} | {"conda"} if lock.conda else set()
    wheels = {p.name for p in lock.pip} | ({"wheels"} if lock.pip else set())
    return wheels | {p.name for p in lock.apt} | conda


def _header(subject: Subject) -> str:
    """What a script is told."""
    plan = subject.plan
    told = {
        "PREFIX": plan.prefix,
        "CONDA": plan.conda or "",
        "ROOM": str(room(subject.recipe, subject.image)),
        "RUN": _program(subject.recipe),
    }
    site = 'SITE=$("$PREFIX/bin/python" -B -c "import sysconfig; print(sysconfig.get_path(\'purelib\'))")'
    return "".join(f"{name}={quote(value)}\n" for name, value in told.items()) + f"{site}\n"


def _program(recipe: Recipe) -> str:
    """What the recipe's first `command` starts; empty without one."""
    asked = next((one.with_.get("run", "") for one in recipe.checks if one.check == "command"), "")
    return str(asked[0]) if isinstance(asked, list) else "/bin/sh" if asked else ""
