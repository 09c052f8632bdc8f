"""What the end of a build means, told by a runner that ends as asked; real builds are in tests/e2e."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.errors import BuilderError, BuildError, DiskError, EngineError, IntegrityError
from builder.models.build import BuildEvent, BuildRequest, BuildResult, Built, Feeding, StepLogged, StepSeen
from builder.models.lock import Artifact
from builder.models.plan import Action, ImageConfig, Layer, Plan
from builder.models.rendered import Rendered, RenderedFile
from builder.progress import Silent
from builder.stages.build import build, staging_name

ARTIFACT = Artifact(source="pypi", path="torch.whl", sha256="ab" * 32, size=4)
PLAN = Plan(
    name="quickstart",
    platform="linux/amd64",
    epoch=1,
    created=1_700_000_000,
    base=None,
    prefix="/opt/env",
    python="/usr/bin/python3",
    uv=ARTIFACT,
    busybox=None,
    layers=(Layer(name="torch", title="torch", action=Action.INSTALL_WHEELS, artifacts=(ARTIFACT,)),),
    config=ImageConfig(),
)
DIGEST = "0123456789abcdef" * 4
RENDERED = Rendered(name="quickstart", digest=DIGEST, files=(RenderedFile(path="Dockerfile", content="FROM scratch"),))
IMAGE = "sha256:" + "cd" * 32
LOG = Path("/state/logs/quickstart.log")
ADD = "[artifact-abababababab 1/1] ADD --checksum=sha256:ab http://127.0.0.1:1/torch.whl /torch.whl"
RUN = "[layer-torch 1/1] RUN --network=none x"


class Runner:
    """A mock of buildx: tells these events, then ends; a request for named contexts always succeeds."""

    def __init__(self, *events: BuildEvent, said: tuple[str, ...] = (), fails: bool = True) -> None:
        self.requests: list[BuildRequest] = []
        self._events, self._said, self._fails = events, said, fails

    def run(self, request: BuildRequest, watch: Callable[[BuildEvent], None]) -> BuildResult:
        self.requests.append(request)
        if request.contexts:
            return BuildResult(image=IMAGE, said=(), log=LOG)
        for event in self._events:
            watch(event)
        return BuildResult(image=None if self._fails else IMAGE, said=self._said, log=LOG)


class Server:
    url = "http://127.0.0.1:41000"

    def __init__(self, asked: int) -> None:
        self.asked = asked


class Feed:
    """A mock of the store: its server was asked so many times."""

    def __init__(self, asked: int = 1) -> None:
        self._asked = asked

    @contextmanager
    def serve(self, artifacts: Sequence[Artifact], *, sent: Callable[[str, int], None]) -> Iterator[Server]:
        sent(artifacts[0].store_path, 4)
        yield Server(self._asked)

    def folder(self, artifact: Artifact) -> Path:
        return Path("/store") / artifact.store_folder


def seen(name: str, error: str = "", *, cached: bool = False) -> StepSeen:
    return StepSeen(id=name, name=name, started=True, completed=True, cached=cached, error=error)


def carried_out(runner: Runner, *, feeding: Feeding = "auto", asked: int = 1) -> Built:
    context = Path("images/quickstart")
    return build(PLAN, RENDERED, context=context, runner=runner, feed=Feed(asked), progress=Silent(), feeding=feeding)


def failure(runner: Runner, asked: int = 1) -> BuilderError:
    with pytest.raises(BuilderError) as caught:
        carried_out(runner, asked=asked)
    return caught.value


def test_a_built_image_has_a_staging_name_and_no_other() -> None:
    runner = Runner(seen(ADD, cached=True), seen(RUN), fails=False)
    built = carried_out(runner)
    assert (built.image, built.staging) == (IMAGE, "builder-staging/quickstart:0123456789ab")
    assert (built.steps_run, built.steps_cached) == (1, 1)
    assert runner.requests[0].args == (("STORE", "http://127.0.0.1:41000"), ("SOURCE_DATE_EPOCH", "1700000000"))
    assert runner.requests[0].platform == "linux/amd64"


def test_a_copy_of_the_base_is_asked_for_whichever_way_the_artifacts_go() -> None:
    runner, copy = Runner(seen(ADD, "connection refused")), f"mirror.example/library/debian@sha256:{DIGEST}"
    feed, context = Feed(asked=0), Path("images/quickstart")
    build(PLAN, RENDERED, context=context, runner=runner, feed=feed, progress=Silent(), base=copy)
    assert [(bool(request.contexts), request.base) for request in runner.requests] == [(False, copy), (True, copy)]


@pytest.mark.parametrize(("name", "kept"), [("a.b_c", "a-b-c"), ("a-", "a"), ("a..b", "a-b"), ("x1", "x1")])
def test_a_staging_name_is_a_name_that_an_engine_takes(name: str, kept: str) -> None:
    assert staging_name(Rendered(name=name, digest=DIGEST, files=())).startswith(f"builder-staging/{kept}:")


def test_a_failed_step_is_named_with_its_output_the_reason_and_the_log() -> None:
    command = 'process "/bin/sh -c x" did not complete successfully: exit code: 3'
    error = failure(Runner(StepLogged(step=RUN, text="first\nsecond\n"), seen(RUN, command)))
    assert type(error) is BuildError
    assert error.what == "quickstart: the build failed at torch"
    assert error.where == f"images/quickstart/Dockerfile: {RUN}"
    assert error.seen == "first\nsecond\nexit code: 3"
    assert error.remedy == (
        "finished steps are kept, so that the next build goes on from there; "
        "the whole log is /state/logs/quickstart.log"
    )


def test_without_a_failed_step_what_the_client_said_is_the_reason() -> None:
    error = failure(Runner(said=("Dockerfile:4", "ERROR: failed to solve: parse error")))
    assert (type(error), error.what) == (BuildError, "quickstart: the build failed")
    assert error.seen == "Dockerfile:4\nERROR: failed to solve: parse error"


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        ("write /x: no space left on device", DiskError, ": no room is left on the engine's disk"),
        ("digest mismatch sha256:1: sha256:2", IntegrityError, ": its bytes are not what the lock names"),
        ("error reading from server: EOF", EngineError, ": the engine went away"),
        ("Cannot connect to the Docker daemon at unix:///x", EngineError, ": the engine went away"),
    ],
)
def test_a_failure_of_another_kind_has_its_own_class(said: str, kind: type[BuilderError], what: str) -> None:
    error = failure(Runner(seen(ADD, said)))
    assert (type(error), error.what) == (kind, f"quickstart: the build failed at torch.whl{what}")


def test_a_disk_that_the_step_itself_finds_full_is_told_as_such() -> None:
    error = failure(Runner(StepLogged(step=RUN, text="cp: No space left on device\n"), seen(RUN, "exit code: 1")))
    assert type(error) is DiskError


def test_a_step_that_prints_the_words_of_another_failure_is_an_ordinary_one() -> None:
    error = failure(Runner(StepLogged(step=RUN, text="digest mismatch\n"), seen(RUN, "exit code: 1")))
    assert type(error) is BuildError


def test_an_engine_that_never_asked_gets_the_artifacts_sent() -> None:
    runner = Runner(seen(ADD, "dial tcp 127.0.0.1:41000: connect: connection refused"))
    assert carried_out(runner, asked=0).image == IMAGE
    (first, second) = runner.requests
    assert first.contexts == ()
    assert second.contexts == (("artifact-abababababab", Path("/store") / ARTIFACT.store_folder),)
    assert second.args == (("SOURCE_DATE_EPOCH", "1700000000"),)


def test_an_engine_that_asked_once_does_not_get_them_sent() -> None:
    runner = Runner(seen(ADD, "digest mismatch"))
    failure(runner, asked=1)
    assert len(runner.requests) == 1


def test_a_step_that_fails_with_all_cached_is_no_reason_to_send_anything() -> None:
    runner = Runner(seen(ADD, cached=True), seen(RUN, "exit code: 1"))
    failure(runner, asked=0)
    assert len(runner.requests) == 1


def test_no_server_is_started_where_contexts_are_asked_for() -> None:
    runner = Runner()
    carried_out(runner, feeding="contexts")
    assert [key for key, _ in runner.requests[0].args] == ["SOURCE_DATE_EPOCH"]


def test_nothing_is_sent_where_the_server_alone_is_asked_for() -> None:
    runner = Runner(seen(ADD, "connection refused"))
    with pytest.raises(BuildError, match=r"quickstart: the build failed at torch\.whl"):
        carried_out(runner, feeding="server", asked=0)
    assert len(runner.requests) == 1
