"""What the doctor says of engines that are missing, too old, or no Docker.

The engines here are mocks, named so: a socket that answers `/version` and `/info` as such an engine does. The buildx
that is too old is a script. What a real engine answers is tested in tests/e2e.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from builder.adapters.engine.doctor import BUILDX_FLOOR, ENGINE_FLOOR, examine, require_engine
from builder.adapters.engine.questions import no_answer
from builder.adapters.engine.reach import engine_root_free, feeding_for, how_reached
from builder.adapters.engine.remedies import remedy
from builder.errors import EngineError
from builder.models.build_engine import BuildEngine, Client, Loopback

INFO = {
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"]],
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=builtin"],
}
MockEngine = Callable[..., None]


@pytest.fixture
def mock_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockEngine]:
    """Makes DOCKER_HOST a socket that answers as an engine of this version would."""
    servers: list[ThreadingUnixStreamServer] = []

    def start(version: str, *, name: str = "Engine", info: dict[str, Any] | None = None) -> None:
        answers = {
            "/version": {"Version": version, "Components": [{"Name": name, "Version": version}]},
            "/info": INFO | (info or {}),
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(answers[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...
            def address_string(self) -> str:
                return ""

        path = tmp_path / "docker.sock"
        server = ThreadingUnixStreamServer(str(path), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mock_buildx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a script before every other buildx that says it has this version."""

    def install(version: str) -> Path:
        script = tmp_path / "config" / "cli-plugins" / "docker-buildx"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\necho github.com/docker/buildx v{version} 0123abc\n")
        script.chmod(0o755)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
        return script

    return install


def test_an_engine_and_a_buildx_that_are_new_enough_are_taken(
    mock_engine: MockEngine, mock_buildx: Callable[[str], Path]
) -> None:
    script = mock_buildx("0.14.0-desktop.1")
    mock_engine("25.0.0")
    engine = require_engine()
    assert (engine.version, engine.storage, engine.context) == ("25.0.0", "overlay2", "default")
    assert engine.buildx == Client(path=script, version="0.14.0-desktop.1")
    assert (engine.rootless, engine.containerd_store, engine.loopback) == (False, False, "shared")
    assert str(engine) == "Engine 25.0.0 with buildx 0.14.0-desktop.1"


def test_an_old_engine_is_named_with_the_floor_and_the_reason(
    mock_engine: MockEngine, mock_buildx: Callable[[str], Path], tmp_path: Path
) -> None:
    mock_buildx("0.13.1")
    mock_engine("24.0.9")
    with pytest.raises(EngineError) as caught:
        require_engine()
    error = caught.value
    assert error.what == (
        "the engine is older than 25.0: `ADD --checksum`, which binds each input to its hash, needs BuildKit 0.12"
    )
    assert (error.where, error.seen) == (f"unix://{tmp_path}/docker.sock", "24.0.9")
    assert error.remedy == remedy("engine")


def test_all_that_is_too_old_is_told_at_once(mock_engine: MockEngine, mock_buildx: Callable[[str], Path]) -> None:
    mock_buildx("0.10.5")
    mock_engine("20.10.24+dfsg1")
    with pytest.raises(EngineError) as caught:
        require_engine()
    assert caught.value.what == "there is no container engine that can carry builds out"
    assert [(f.what.partition(":")[0], f.seen) for f in caught.value.faults] == [
        ("the engine is older than 25.0", "20.10.24+dfsg1"),
        ("the buildx is older than 0.13", "0.10.5"),
    ]


def test_podman_is_told_apart(mock_engine: MockEngine, mock_buildx: Callable[[str], Path]) -> None:
    mock_buildx("0.13.1")
    mock_engine("5.4.2", name="Podman Engine")
    with pytest.raises(EngineError) as caught:
        require_engine()
    assert caught.value.what == "Podman Engine 5.4.2 is no Docker Engine: it has no BuildKit"


def test_a_missing_buildx_is_told(mock_engine: MockEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mock_engine("26.1.5")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("builder.adapters.engine.docker_config._PLUGINS", ())
    with pytest.raises(EngineError) as caught:
        require_engine()
    assert (caught.value.what, caught.value.remedy) == ("docker's buildx is not installed", remedy("buildx"))


def test_no_socket_means_that_no_engine_runs(
    monkeypatch: pytest.MonkeyPatch, mock_buildx: Callable[[str], Path]
) -> None:
    mock_buildx("0.13.1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    with pytest.raises(EngineError) as caught:
        require_engine()
    assert (caught.value.what, caught.value.where) == ("no container engine is running", "unix:///nonexistent")
    assert caught.value.exit_code == 8


def test_a_socket_that_nobody_listens_on_means_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_buildx: Callable[[str], Path]
) -> None:
    mock_buildx("0.13.1")
    with closing(socket.socket(socket.AF_UNIX)) as stale:
        stale.bind(str(tmp_path / "stale"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/stale")
    with pytest.raises(EngineError, match=r"^no container engine is running$"):
        require_engine()


def test_a_user_who_may_not_is_told_how_to() -> None:
    error = no_answer("unix:///var/run/docker.sock", PermissionError(13, "Permission denied"))
    assert error.what == "this user may not talk to the container engine"
    assert error.remedy is not None
    assert error.remedy.startswith("`sudo usermod -aG docker $USER`")


def test_a_socket_of_something_else_is_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_buildx: Callable[[str], Path]
) -> None:
    mock_buildx("0.13.1")
    with closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()

        def answer() -> None:
            connection, _ = other.accept()
            connection.sendall(b"220 hello\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/other")
        with pytest.raises(EngineError, match=r"^the container engine does not answer$"):
            require_engine()
        thread.join()


def test_a_context_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_buildx: Callable[[str], Path]
) -> None:
    mock_buildx("0.13.1")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "faraway")
    with pytest.raises(EngineError, match=r"^the docker context faraway cannot be read$"):
        require_engine()


def test_the_examination_tells_faults_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    found = examine()
    assert found.engine is None
    assert "no container engine is running" in [f.what for f in found.faults]


def engine(
    *,
    address: str = "unix:///var/run/docker.sock",
    loopback: Loopback = "shared",
    system: str = "Debian",
    rootless: bool = False,
) -> BuildEngine:
    return BuildEngine(
        address=address,
        context="default",
        name="Engine",
        version="26.1.5",
        system=system,
        storage="overlay2",
        containerd_store=False,
        rootless=rootless,
        root=Path("/"),
        loopback=loopback,
        buildx=Client(path=Path("/docker-buildx"), version="0.13.1"),
    )


@pytest.mark.parametrize(
    ("found", "feeding", "told"),
    [
        (engine(), "auto", "it shares our loopback and asks us for the files that it does not have yet"),
        (engine(loopback="unknown"), "auto", "it may share our loopback; if it does not, "),
        (engine(loopback="other"), "contexts", "it is in another network namespace, so that "),
        (engine(loopback="other", address="ssh://far"), "contexts", "it is on another machine, so that "),
        (engine(system="Docker Desktop"), "contexts", "it runs in the virtual machine of Docker Desktop, so that "),
        (engine(rootless=True), "contexts", "it is rootless, with a network of its own, so that "),
    ],
)
def test_an_engine_that_cannot_ask_us_gets_contexts(
    found: BuildEngine, feeding: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUILDER_FEED", raising=False)
    assert feeding_for(found) == feeding
    assert how_reached(found).startswith(told)


@pytest.mark.parametrize("asked", ["server", "contexts"])
def test_builder_feed_decides(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDER_FEED", asked)
    assert feeding_for(engine(loopback="other")) == asked
    assert how_reached(engine()) == "because BUILDER_FEED says so"


def test_builder_feed_with_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDER_FEED", "pigeon")
    with pytest.raises(EngineError) as caught:
        feeding_for(engine())
    assert caught.value.seen == "pigeon"


def test_free_room_is_known_for_a_local_engine_alone() -> None:
    free = engine_root_free(engine())
    assert free is not None
    assert free > 0
    assert engine_root_free(engine(loopback="other")) is None
    assert engine_root_free(engine(system="Docker Desktop")) is None
    assert engine_root_free(engine(address="tcp://127.0.0.1:2375", loopback="unknown")) is None


@pytest.mark.parametrize(
    ("release", "part", "expected"),
    [
        ('ID=debian\nVERSION_ID="12"', "engine", "Debian 12 has engine 20.10 and no buildx: run `.ci/engine`"),
        ('ID=debian\nVERSION_ID="13"', "buildx", "apt-get install docker-buildx`, or run `.ci/engine`"),
        ("ID=debian", "engine", "apt-get install docker.io docker-buildx`"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"', "engine", "apt-get install docker.io docker-buildx`"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"', "engine", "install Docker Engine 25.0 and buildx 0.13"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', "engine", "dnf install moby-engine docker-buildx"),
        ("", "engine", "install Docker Engine 25.0 and buildx 0.13"),
    ],
)
def test_the_remedy_is_this_systems(release: str, part: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text(release)
    assert expected in remedy(part, release=file, platform="linux")


def test_the_remedy_on_macos_is_docker_desktop(tmp_path: Path) -> None:
    assert "Docker Desktop" in remedy("engine", release=tmp_path / "none", platform="darwin")


def test_the_installing_script_has_the_same_floors() -> None:
    script = (Path(__file__).parents[4] / ".ci" / "engine").read_text()
    assert f"\nENGINE_FLOOR={ENGINE_FLOOR[0]}.{ENGINE_FLOOR[1]}\n" in script
    assert f"\nBUILDX_FLOOR={BUILDX_FLOOR[0]}.{BUILDX_FLOOR[1]}\n" in script
