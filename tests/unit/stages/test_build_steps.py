"""The state of a build, from events alone."""

from __future__ import annotations

from builder.models.build import StepLogged, StepMoved, StepSeen
from builder.stages.build_steps import TAIL, Steps

ARTIFACT = "[artifact-3d9f2889d678 1/1] ADD --checksum=sha256:3d http://127.0.0.1:1/x /torch.whl"


def seen(
    name: str,
    identity: str = "",
    *,
    started: bool = True,
    completed: bool = False,
    cached: bool = False,
    error: str = "",
) -> StepSeen:
    return StepSeen(id=identity or name, name=name, started=started, completed=completed, cached=cached, error=error)


def steps(*events: StepSeen | StepLogged | StepMoved) -> Steps:
    state = Steps({"artifact-3d9f2889d678": "torch.whl"})
    for event in events:
        state.add(event)
    return state


def test_the_two_vertices_of_an_added_url_are_one_step() -> None:
    state = steps(seen(ARTIFACT, "source", completed=True), seen(ARTIFACT, "copy"))
    assert (state.total, state.done) == (1, 0)
    state.add(seen(ARTIFACT, "copy", completed=True))
    assert (state.total, state.done, state.cached) == (1, 1, 0)


def test_an_added_url_that_the_engine_has_is_cached_though_its_source_does_not_say_so() -> None:
    state = steps(seen(ARTIFACT, "source", completed=True), seen(ARTIFACT, "copy", completed=True, cached=True))
    assert (state.total, state.done, state.cached) == (1, 1, 1)


def test_what_buildkit_does_for_itself_is_no_step() -> None:
    state = steps(
        seen("[internal] load build definition from Dockerfile", completed=True),
        seen("exporting to image"),
        seen("[layer-torch 1/1] RUN x"),
    )
    assert state.total == 1
    assert state.running() == "writing the image, torch"


def test_a_vertex_that_starts_again_is_not_done() -> None:
    state = steps(seen("[a 1/1] RUN x", completed=True), seen("[a 1/1] RUN x"))
    assert state.done == 0


def test_running_names_files_layers_and_the_image_with_their_bytes() -> None:
    state = steps(
        seen(ARTIFACT),
        seen("[layer-torch 1/1] RUN x"),
        seen("[stage-7 2/9] COPY x"),
        seen("[layer-last 1/1] RUN x"),
        seen("[layer-waits 1/1] RUN x", started=False),
        StepMoved(step="[layer-torch 1/1] RUN x", what="x", current=20_000_000, total=40_000_000),
    )
    state.served("artifact-3d9f2889d678", 512_000_000)
    assert state.running() == "torch.whl 512 MB, torch 20 of 40 MB, the image"


def test_the_failure_is_the_step_that_failed_and_not_those_that_were_cancelled() -> None:
    state = steps(
        seen("[a 1/1] RUN x", error="failed to solve: context canceled"),
        seen("[b 1/1] RUN y", error="exit code: 3"),
    )
    failed = state.failed()
    assert failed is not None
    assert failed.name == "[b 1/1] RUN y"


def test_no_failure_without_an_error() -> None:
    assert steps(seen("[a 1/1] RUN x", completed=True)).failed() is None


def test_the_tail_joins_pieces_and_keeps_the_last_lines() -> None:
    step = seen("[a 1/1] RUN x")
    lines = "".join(f"line {n}\n" for n in range(100))
    state = steps(step, *(StepLogged(step=step.id, text=piece) for piece in (lines[:5], lines[5:301], lines[301:])))
    assert state.tail(step) == tuple(f"line {n}" for n in range(100 - TAIL, 100))


def test_the_tail_shows_what_a_terminal_would_after_carriage_returns() -> None:
    step = seen("[a 1/1] RUN x")
    state = steps(step, StepLogged(step=step.id, text="10 %\r50 %\r100 %\r\ndone"))
    assert state.tail(step) == ("100 %", "done")
