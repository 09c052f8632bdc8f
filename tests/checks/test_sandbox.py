"""What a check's container may and may not do, and that nothing of it stays."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from image_lab import Lab

from builder.adapters.engine.client import Engine, endpoint
from builder.adapters.engine.sandbox import OUTPUT_LIMIT, owner
from builder.errors import EngineError, TagError
from builder.models.engine import Completed
from builder.progress import Silent

pytestmark = pytest.mark.engine


def run(lab: Lab, code: str, *, stdin: bytes = b"", timeout: int = 60, memory: int | None = 1 << 30) -> Completed:
    argv = ("/usr/bin/python3", "-c", code)
    return lab.engine.run_check(lab.rootfs, argv=argv, stdin=stdin, timeout=timeout, memory=memory)


def containers(lab: Lab) -> set[str]:
    """The containers of checks in this lab's image: other workers have theirs."""
    found = lab.client.api.containers(all=True, filters={"label": "builder.check", "ancestor": lab.rootfs})
    return {c["Id"] for c in found}


def test_output_exit_code_and_standard_input_are_passed(lab: Lab) -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read(5)); sys.stderr.write('bad'); sys.exit(3)"
    done = run(lab, code, stdin=b"hello")
    assert (done.stdout, done.stderr, done.exit_code) == (b"hello", b"bad", 3)
    assert (done.timed_out, done.out_of_memory, done.cut, done.refused) == (False, False, 0, None)


def test_there_is_no_network_but_loopback(lab: Lab) -> None:
    done = run(lab, "import os; print(os.listdir('/sys/class/net'))")
    assert done.stdout.strip() == b"['lo']"


def test_there_are_no_capabilities_and_no_new_privileges(lab: Lab) -> None:
    lines = run(lab, "print(open('/proc/self/status').read())").stdout.decode().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert status["NoNewPrivs"] == "1"


def test_only_tmp_can_be_written(lab: Lab) -> None:
    code = "open('/tmp/x', 'w').write('fine')\ntry: open('/x', 'w')\nexcept OSError as e: print(e)"
    assert run(lab, code).stdout.strip() == b"[Errno 30] Read-only file system: '/x'"


def test_one_that_sees_all_reads_what_is_others_and_the_images_own_tmp_and_writes_nowhere(lab: Lab) -> None:
    image = lab.image({"/tmp/left": "x", "/srv/theirs": "secret"})
    code = (
        "import os; print(open('/tmp/left').read(), os.getuid())\n"
        "for path in ('/tmp/x', '/x', '/run/x', '/var/tmp/x'):\n"
        "    try: open(path, 'w')\n    except OSError as e: print(e.errno)\n"
        "print([l for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapBnd', 'NoNewPrivs'))])"
    )
    argv = ("/usr/bin/python3", "-c", code)
    done = lab.engine.run_check(image, argv=argv, stdin=b"", timeout=60, sees_all=True)
    first, *refused, status = done.stdout.decode().splitlines()
    assert first == "x 0"
    assert refused == ["30"] * 4  # EROFS
    read_search = f"{1 << 2:016x}"  # CAP_DAC_READ_SEARCH alone
    assert status == repr([f"CapEff:\t{read_search}\n", f"CapBnd:\t{read_search}\n", "NoNewPrivs:\t1\n"])


def test_hosts_proxy_does_not_get_in(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://proxy:3128"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    argv = ("/usr/bin/python3", "-c", "import os; print([n for n in os.environ if 'proxy' in n.lower()])")
    assert Engine().run_check(lab.rootfs, argv=argv, stdin=b"", timeout=60).stdout.strip() == b"[]"


def test_time_limit_ends_it(lab: Lab) -> None:
    begun = time.monotonic()
    done = run(lab, "import time; print('begun', flush=True); time.sleep(300)", timeout=2)
    assert (done.timed_out, done.stdout, done.exit_code) == (True, b"begun\n", 137)
    assert time.monotonic() - begun < 30
    assert containers(lab) == set()


def test_want_of_memory_is_noticed(lab: Lab) -> None:
    if not lab.engine.version().memory_limit:
        pytest.skip("this engine cannot limit memory")
    done = run(lab, "x = b'x' * (512 << 20)", memory=64 << 20)
    assert (done.out_of_memory, done.exit_code) == (True, 137)


def test_endless_output_is_cut_and_its_end_kept(lab: Lab) -> None:
    done = run(lab, "import sys; sys.stdout.write('x' * (3 << 20)); print('end')")
    assert (len(done.stdout), done.stdout[-4:], done.cut) == (OUTPUT_LIMIT, b"end\n", (2 << 20) + 4)


def test_long_input_that_nobody_reads_is_no_fault(lab: Lab) -> None:
    assert run(lab, "print('deaf')", stdin=b"x" * (4 << 20)).stdout == b"deaf\n"


def test_program_that_is_missing_is_an_engine_error_and_leaves_nothing(lab: Lab) -> None:
    with pytest.raises(EngineError) as caught:
        lab.engine.run_check(lab.rootfs, argv=("/nothing",), stdin=b"", timeout=9)
    assert caught.value.what == f"the engine could not run a check in {lab.rootfs}"
    assert containers(lab) == set()


SLEEPER = """
import sys
from builder.adapters.engine.client import Engine
argv = ("/usr/bin/python3", "-c", "import time; time.sleep(300)")
Engine().run_check(sys.argv[1], argv=argv, stdin=b"", timeout=120)
"""


def sleeping(lab: Lab) -> subprocess.Popen[bytes]:
    """A builder of its own whose check sleeps; back when the container runs."""
    child = subprocess.Popen([sys.executable, "-c", SLEEPER, lab.rootfs], stderr=subprocess.DEVNULL)
    filters = {"label": f"builder.check={owner(child.pid)}", "status": "running"}
    deadline = time.monotonic() + 60
    while not lab.client.api.containers(filters=filters):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return child


def test_interrupt_removes_the_container(lab: Lab) -> None:
    child = sleeping(lab)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) != 0
    assert containers(lab) == set()


def test_container_left_by_kill_is_swept_by_the_next_run_and_a_living_ones_is_not(lab: Lab) -> None:
    killed, living = sleeping(lab), sleeping(lab)
    try:
        killed.kill()
        killed.wait(30)
        assert len(containers(lab)) == 2
        assert lab.engine.remove_stale() >= 1
        assert len(containers(lab)) == 1
    finally:
        living.send_signal(signal.SIGINT)
        living.wait(30)
    assert containers(lab) == set()


def test_image_is_inspected_by_name_and_by_id(lab: Lab) -> None:
    image = lab.image({"/a": "b"}, {"X": "1=2"})
    facts = lab.engine.inspect(image)
    assert facts is not None
    assert (facts.id, len(facts.layers)) == (image, 2)
    assert ("X", "1=2") in facts.env
    assert facts.size > 100_000_000
    assert lab.engine.inspect("builder-test-gate:no-such") is None


def test_name_is_given_moved_and_taken_away(lab: Lab) -> None:
    name = f"builder-test-gate:named-{os.getpid()}"
    first, second = lab.image({"/a": "1"}), lab.image({"/a": "2"})
    for image in (first, second):
        lab.engine.tag(image, name)
        facts = lab.engine.inspect(name)
        assert facts is not None
        assert facts.id == image
    lab.engine.tag(second, f"{name}-kept")
    assert lab.engine.untag(name) is True
    assert lab.engine.untag(name) is False
    assert lab.engine.inspect(second) is not None
    lab.engine.untag(f"{name}-kept")
    lab.made.remove(second)
    assert lab.engine.inspect(second) is None  # an image goes with its last name


def test_name_that_the_engine_refuses_is_a_tag_error(lab: Lab) -> None:
    with pytest.raises(TagError) as caught:
        lab.engine.tag(lab.rootfs, "Upper/Case:1")
    assert caught.value.what == "the engine refuses the name Upper/Case:1"


def test_push_to_a_registry_that_does_not_answer_is_a_tag_error(lab: Lab) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = f"127.0.0.1:{port}/builder-test-gate:push"
    lab.engine.tag(lab.rootfs, name)
    try:
        with pytest.raises(TagError) as caught:
            lab.engine.push(name, Silent())
    finally:
        lab.engine.untag(name)
    assert caught.value.what == f"the registry refused {name}"
    assert "connection refused" in (caught.value.seen or "")


def relay(source: socket.socket, target: socket.socket) -> None:
    """Copies one direction until it ends, and ends the other side's reading."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(params=["tcp", "tls"])
def remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """The local engine, reached as a remote one: over TCP, and over TLS with a certificate made for the test."""
    if endpoint() != "unix:///var/run/docker.sock":
        pytest.skip("the engine is not on the local socket")
    context = secured(tmp_path, monkeypatch) if request.param == "tls" else None
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = server.accept()
                near = context.wrap_socket(plain, server_side=True) if context else plain
                far = socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=relay, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
    yield Engine()
    server.close()


def secured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS context; the client's files go where DOCKER_CERT_PATH says."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    client, context = authority.issue_cert("client"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.private_key_pem.write_to_path(folder / "key.pem")
    client.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(folder))
    return context


def test_remote_engine_runs_a_check_with_its_input_and_output(lab: Lab, remote: Engine) -> None:
    code = "import sys; n = len(sys.stdin.buffer.read(300000)); print(n); print('x' * 100000)"
    done = remote.run_check(lab.rootfs, argv=("/usr/bin/python3", "-c", code), stdin=b"s" * 300000, timeout=60)
    assert (done.exit_code, done.stdout) == (0, b"300000\n" + b"x" * 100000 + b"\n")
    assert remote.address.startswith("tcp://127.0.0.1:")
