"""Build: a rendering carried out by an engine, to a staging name. No final tag is given here."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from builder.errors import BuilderError, BuildError, DiskError, EngineError, IntegrityError
from builder.models.build import BuildEvent, BuildRequest, BuildResult, Built, Feeding, StepMoved, StepSeen
from builder.models.lock import Artifact
from builder.models.plan import Plan
from builder.models.rendered import Rendered
from builder.progress import Progress, Task
from builder.stages.build_steps import TAIL, Steps
from builder.stages.render import image_part, stage_name


class Runner(Protocol):
    """Carries a request out."""

    def run(self, request: BuildRequest, watch: Callable[[BuildEvent], None]) -> BuildResult:
        """Blocks until the build has ended and tells what happens meanwhile, from this thread."""


class Serving(Protocol):
    """A server over artifacts, for the time of its `with` block."""

    @property
    def url(self) -> str:
        """Without a slash at the end."""

    @property
    def asked(self) -> int:
        """Requests so far."""


class Feed(Protocol):
    """Where the artifacts are."""

    def serve(
        self, artifacts: Sequence[Artifact], *, sent: Callable[[str, int], None]
    ) -> AbstractContextManager[Serving]:
        """A loopback server over these; `sent` hears of each path how many bytes went out, from other threads."""

    def folder(self, artifact: Artifact) -> Path:
        """The folder that holds this file alone, verified."""


def build(
    plan: Plan,
    rendered: Rendered,
    *,
    context: Path,
    runner: Runner,
    feed: Feed,
    progress: Progress,
    feeding: Feeding = "auto",
    no_cache: bool = False,
    base: str | None = None,
) -> Built:
    """The image under its staging name, which the caller takes away once the image has others.

    context: `images/NAME/` as `render` wrote it.
    base: a copy of the plan's base, by digest, where the registry that the plan names is out of reach.
    Raises BuildError, and for their own reasons IntegrityError, DiskError and EngineError.
    """
    request = BuildRequest(
        name=plan.name,
        context=context,
        staging=staging_name(rendered),
        platform=plan.platform,
        args=(("SOURCE_DATE_EPOCH", str(plan.created)),),
        no_cache=no_cache,
        base=base,
    )
    started = time.monotonic()
    with progress.task(f"build {plan.name}") as task:
        watch = _Watch(plan, task)
        result = _carry_out(plan, request, watch, runner=runner, feed=feed, feeding=feeding, progress=progress)
    if result.image is None:
        raise _failure(request, result, watch.steps)
    return Built(
        image=result.image,
        staging=request.staging,
        seconds=time.monotonic() - started,
        steps_run=watch.steps.total - watch.steps.cached,
        steps_cached=watch.steps.cached,
        log=result.log,
    )


def staging_name(rendered: Rendered) -> str:
    """Where the image of this rendering is kept until it is checked: `builder-staging/NAME:DIGEST`."""
    return f"builder-staging/{image_part(rendered.name)}:{rendered.digest[:12]}"


class _Watch:
    """Takes the events of one build, from any thread, and moves the bar."""

    def __init__(self, plan: Plan, task: Task) -> None:
        self._names = {a.store_path: stage_name(a) for a in plan.artifacts()}
        self._task, self._lock = task, threading.Lock()
        self._files = {stage_name(a): a.filename for a in plan.artifacts()}
        self.steps, self._done, self._total = Steps(self._files), 0, 0

    def again(self) -> None:
        """The build starts over."""
        with self._lock:
            self.steps = Steps(self._files)
            self._show()

    def event(self, event: BuildEvent) -> None:
        with self._lock:
            self.steps.add(event)
            if isinstance(event, StepSeen | StepMoved):
                self._show()

    def sent(self, path: str, sent: int) -> None:
        """Bytes that the server gave out of one file."""
        with self._lock:
            self.steps.served(self._names[path], sent)
            self._task.detail(self.steps.running())

    def _show(self) -> None:
        if self.steps.total != self._total:
            self._total = self.steps.total
            self._task.total(self._total)
        if moved := self.steps.done - self._done:
            self._done += moved
            self._task.advance(moved)
        self._task.detail(self.steps.running())


def _carry_out(
    plan: Plan,
    request: BuildRequest,
    watch: _Watch,
    *,
    runner: Runner,
    feed: Feed,
    feeding: Feeding,
    progress: Progress,
) -> BuildResult:
    if feeding != "contexts":
        with feed.serve(plan.artifacts(), sent=watch.sent) as server:
            args = (("STORE", server.url), *request.args)
            result = runner.run(request.model_copy(update={"args": args}), watch.event)
        if feeding == "server" or not _out_of_reach(result, watch.steps, server):
            return result
        progress.say("the engine cannot reach this machine's loopback: sending it the artifacts instead, all of them")
        watch.again()
    contexts = tuple((stage_name(a), feed.folder(a)) for a in plan.artifacts())
    return runner.run(request.model_copy(update={"contexts": contexts}), watch.event)


def _out_of_reach(result: BuildResult, steps: Steps, server: Serving) -> bool:
    """An artifact did not come, and nobody asked us for one."""
    failed = steps.failed()
    return result.image is None and not server.asked and failed is not None and failed.name.startswith("[artifact-")


def _failure(request: BuildRequest, result: BuildResult, steps: Steps) -> BuilderError:
    """What the end of the build says about why."""
    step = steps.failed()
    error = _reason(step.error) if step else "\n".join(result.said[-TAIL:])
    tail = steps.tail(step) if step else ()
    where = f"{request.context}/Dockerfile" + (f": {_shortened(step.name)}" if step else "")
    kind, what, remedy = _kind("\n".join((*result.said, error)), "\n".join(tail))
    at = f" at {steps.label(step)}" if step else ""
    return kind(
        f"{request.name}: the build failed{at}{what}",
        where=where,
        seen="\n".join((*tail, error)),
        remedy=f"{remedy}; the whole log is {result.log}",
    )


def _kind(said: str, tail: str) -> tuple[type[BuilderError], str, str]:
    """The error's class, what it adds to the message, and what to do; `tail` is the step's own output."""
    if "no space left on device" in (said + tail).lower():
        return DiskError, ": no room is left on the engine's disk", "see `docker system df`, make room, build again"
    if "digest mismatch" in said:
        return IntegrityError, ": its bytes are not what the lock names", "run `builder store verify`, build again"
    if re.search(r"Cannot connect to the Docker daemon|error reading from server|transport is closing", said):
        return EngineError, ": the engine went away", "run `builder doctor engine`, build again"
    return BuildError, "", "finished steps are kept, so that the next build goes on from there"


def _reason(error: str) -> str:
    """Without the whole command, which the Dockerfile shows: `exit code: 3`."""
    return re.sub(r'^process ".*" did not complete successfully: ', "", error, flags=re.DOTALL)


def _shortened(name: str) -> str:
    return name if len(name) <= 160 else name[:157] + "..."
