"""Real builds of a small image on the engine of this host."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import small_image
from build_fixtures import Builds, busybox, cleaned, engine, images, run

from builder.adapters.engine.artifact_server import ArtifactServer
from builder.errors import BuildError, IntegrityError
from builder.models.build_engine import BuildEngine
from builder.progress import Task, Unit

__all__ = ["busybox", "cleaned", "engine", "run"]

pytestmark = pytest.mark.engine

STEPS = ["busybox cp /blob /out/blob", "busybox chmod 644 /out/blob", "echo built"]
BLOB = bytes(range(256)) * 40_000


@pytest.fixture
def image(tmp_path: Path, busybox: Path) -> small_image.SmallImage:
    return small_image.make(tmp_path, busybox, STEPS, blob=BLOB)


def inspect(reference: str) -> dict[str, object]:
    output = subprocess.run(["docker", "image", "inspect", reference], check=True, capture_output=True).stdout
    (found,) = json.loads(output)
    assert isinstance(found, dict)
    return found


def test_the_same_image_comes_of_server_and_contexts_with_and_without_cache(
    run: Builds, image: small_image.SmallImage
) -> None:
    ways = [run(image, feeding=way, no_cache=n) for way in ("server", "contexts") for n in (True, False)]  # type: ignore[attr-defined]
    assert len({built.image for built in ways}) == 1
    assert images() == [ways[0].staging]
    assert inspect(ways[0].staging)["Id"] == ways[0].image
    assert str(inspect(ways[0].image)["Created"]).startswith("2023-11-14T22:13:20")


def test_nothing_changed_runs_nothing_and_asks_for_nothing(
    run: Builds, image: small_image.SmallImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(image)
    servers: list[ArtifactServer] = []
    enter = ArtifactServer.__enter__
    monkeypatch.setattr(ArtifactServer, "__enter__", lambda self: (servers.append(self), enter(self))[1])
    again = run(image)
    assert (again.image, again.steps_run) == (first.image, 0)
    assert again.steps_cached == first.steps_run + first.steps_cached == 5
    assert [server.asked for server in servers] == [0]
    assert again.seconds < 1


def test_a_failing_step_is_told_with_its_output_and_its_log(
    run: Builds, tmp_path: Path, busybox: Path, cleaned: None
) -> None:
    image = small_image.make(tmp_path, busybox, ["busybox seq 1 50", "echo it went wrong >&2", "exit 7"])
    with pytest.raises(BuildError) as caught:
        run(image)
    error = caught.value
    log = tmp_path / "logs" / "builder-test-build.log"
    assert type(error) is BuildError
    assert error.what == "builder-test-build: the build failed at all"
    assert error.where is not None
    assert error.where.startswith(f"{image.context}/Dockerfile: [layer-all 2/2] RUN --network=none")
    numbers = [str(n) for n in range(32, 51)]
    assert error.seen == "\n".join([*numbers, "it went wrong", "exit code: 7"])
    assert error.remedy is not None
    assert error.remedy.endswith(f"the whole log is {log}")
    assert " | 1\n" in log.read_text()
    assert images() == []


def test_a_dockerfile_that_cannot_be_read_is_told_as_the_client_tells_it(
    run: Builds, image: small_image.SmallImage
) -> None:
    (image.context / "Dockerfile").write_text("FROM scratch\nNONSENSE\n")
    with pytest.raises(BuildError) as caught:
        run(image)
    assert caught.value.what == "builder-test-build: the build failed"
    assert caught.value.seen is not None
    assert "unknown instruction: NONSENSE" in caught.value.seen


@pytest.mark.parametrize("feeding", ["server", "contexts"])
def test_an_artifact_with_other_bytes_is_refused(run: Builds, tmp_path: Path, busybox: Path, feeding: str) -> None:
    image = small_image.make(tmp_path, busybox, STEPS, blob=BLOB + hashlib.sha256(str(tmp_path).encode()).digest())
    artifact = image.plan.artifacts()[1]
    file = image.store / artifact.store_path
    file.write_bytes(b"x" * artifact.size)
    with pytest.raises(IntegrityError):
        run(image, feeding=feeding)  # type: ignore[arg-type]
    assert images() == []


@pytest.mark.parametrize("feeding", ["server", "contexts"])
def test_an_artifact_that_is_not_in_the_store_is_named(
    run: Builds, image: small_image.SmallImage, feeding: str
) -> None:
    artifact = image.plan.artifacts()[1]
    (image.store / artifact.store_path).unlink()
    with pytest.raises(BuildError, match="artifacts are not in the store") as caught:
        run(image, feeding=feeding)  # type: ignore[arg-type]
    assert [fault.what for fault in caught.value.faults] == ["blob is missing"]


def test_the_proxy_of_dockers_client_and_of_the_environment_changes_nothing(
    run: Builds, image: small_image.SmallImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(image, no_cache=True)
    config = tmp_path / "docker-config"
    config.mkdir()
    proxies = {"default": {"httpProxy": "http://proxy.invalid:3128", "noProxy": "x.invalid"}}
    (config / "config.json").write_text(json.dumps({"proxies": proxies}))
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    for name, value in {"http_proxy": "http://proxy.invalid:3128", "BUILDX_GIT_LABELS": "full"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    behind = run(image, no_cache=True)
    assert behind.image == plain.image
    assert "proxy.invalid" not in json.dumps(inspect(behind.image))


class Recorder:
    """A progress that keeps what it was told."""

    def __init__(self) -> None:
        self.done, self.totals, self.details = 0, [0], [""]

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        yield self

    def say(self, text: str) -> None: ...

    def advance(self, amount: int) -> None:
        self.done += amount

    def detail(self, text: str) -> None:
        self.details.append(text)

    def total(self, amount: int) -> None:
        self.totals.append(amount)


def test_progress_counts_the_steps_and_names_what_runs(run: Builds, tmp_path: Path, busybox: Path) -> None:
    unseen = time.time_ns().to_bytes(8, "big") * 4_000_000
    image = small_image.make(tmp_path, busybox, ["busybox sleep 0.1"], blob=unseen)
    told = Recorder()
    run(image, progress=told)
    assert told.done == told.totals[-1] == 5
    assert "all" in told.details
    assert "blob 32 MB" in told.details


def test_a_build_writes_nothing_into_the_users_docker_folder(
    run: Builds, image: small_image.SmallImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "docker-config"
    config.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    run(image)
    assert list(config.iterdir()) == []


def test_the_engine_of_this_host_is_found_in_a_tenth_of_a_second(engine: BuildEngine) -> None:
    from builder.adapters.engine.doctor import require_engine

    def once() -> float:
        started = time.monotonic()
        require_engine()
        return time.monotonic() - started

    assert min(once() for _ in range(5)) < 0.1
