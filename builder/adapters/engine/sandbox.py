"""One locked-down container for one check: no network, no privileges, no writing but in /tmp, and gone afterwards.

One that `sees_all` has the image's own /tmp instead, nothing that it could write, and the right to read every file.
"""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.models.engine import Completed

OUTPUT_LIMIT = 1 << 20
"""Bytes of each stream that are kept: its end, where the answer and the traceback are."""

_OWNER, _DEADLINE = "builder.check", "builder.check.deadline"
_GRACE = 3600  # seconds past its time limit after which a container is nobody's, also where the owner cannot be asked

_GPU_REFUSALS = ("could not select device driver", "nvidia-container-cli", "nvidia.com/gpu", "unresolvable CDI devices")


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """What to run, and within which limits."""

    image: str
    argv: tuple[str, ...]
    timeout: int
    """Seconds."""
    gpus: bool
    alters: bool
    """As root, with a root file system that can be written: what is changed goes with the container."""
    sees_all: bool
    """As root that may read every file: root without capabilities is refused what belongs to others."""
    memory: int | None
    """Bytes."""
    pids: bool

    def run(self, api: Any, stdin: bytes) -> Completed:
        """Runs it to its end, or to its time limit. The container is removed however this is left."""
        import docker.errors  # noqa: PLC0415 - not on the path of `builder --help`

        container = api.create_container(**self._options(api))["Id"]
        try:
            return self._started(api, container, stdin)
        except docker.errors.APIError as error:
            if self.gpus and (reason := _gpu_refusal(str(error.explanation))):
                return Completed(exit_code=-1, stdout=b"", stderr=b"", seconds=0.0, refused=reason)
            raise
        finally:
            api.remove_container(container, force=True, v=True)

    def _options(self, api: Any) -> dict[str, Any]:
        # A GPU's container keeps a writable root: the toolkit's hook writes /etc/ld.so.cache into it.
        host = api.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            cap_add=["DAC_READ_SEARCH"] if self.sees_all else None,
            security_opt=["no-new-privileges"],
            pids_limit=1024 if self.pids else None,
            mem_limit=self.memory,
            read_only=not (self.gpus or self.alters),
            tmpfs={} if self.sees_all else {"/tmp": "rw,exec,nosuid,mode=1777"},  # noqa: S108 - the container's
            device_requests=[{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}] if self.gpus else None,
        )
        return {
            "image": self.image,
            "entrypoint": [self.argv[0]],
            "command": list(self.argv[1:]),
            "user": "0" if self.alters or self.sees_all else None,
            "stdin_open": True,
            "host_config": host,
            "labels": {_OWNER: owner(), _DEADLINE: str(int(time.time()) + self.timeout + _GRACE)},
            "use_config_proxy": False,  # the host's proxy is no part of the image
        }

    def _started(self, api: Any, container: str, stdin: bytes) -> Completed:
        stream = api.attach_socket(container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        expired = threading.Event()
        watch = threading.Timer(self.timeout, _expire, args=(api, container, expired))
        watch.daemon = True
        begun = time.monotonic()
        try:
            api.start(container)
            watch.start()
            tails = _converse(stream, stdin)
            status = api.wait(container)["StatusCode"]
        finally:
            watch.cancel()
            stream.close()
        return Completed(
            exit_code=status,
            stdout=bytes(tails[1].kept),
            stderr=bytes(tails[2].kept),
            cut=tails[1].cut + tails[2].cut,
            timed_out=expired.is_set(),
            out_of_memory=bool(api.inspect_container(container)["State"].get("OOMKilled")),
            seconds=round(time.monotonic() - begun, 3),
        )


class _Tail:
    """The end of a stream that may be endless."""

    def __init__(self) -> None:
        self.kept, self.cut = bytearray(), 0

    def add(self, data: bytes) -> None:
        self.kept += data
        if (excess := len(self.kept) - OUTPUT_LIMIT) > 0:
            del self.kept[:excess]
            self.cut += excess


def _converse(stream: Any, stdin: bytes) -> dict[int, _Tail]:
    """Writes standard input and reads both streams to their end.

    Standard input is never half-closed: over TLS that cannot be done. The program is told how much to read.
    """
    from docker.utils.socket import frames_iter  # noqa: PLC0415

    tails = {1: _Tail(), 2: _Tail()}
    writer = threading.Thread(target=_write, args=(stream, stdin), daemon=True)
    writer.start()
    frames: Iterator[tuple[int, bytes]] = frames_iter(stream, False)
    for number, data in frames:
        tails[number if number in tails else 2].add(data)
    return tails


def _write(stream: Any, data: bytes) -> None:
    """Sends all of it; a program that ended before it read everything is no fault of ours."""
    raw: socket.socket = getattr(stream, "_sock", stream)
    try:
        raw.sendall(data)
    except OSError:
        return


def _expire(api: Any, container: str, expired: threading.Event) -> None:
    import docker.errors  # noqa: PLC0415

    expired.set()
    try:
        api.kill(container)
    except docker.errors.APIError:  # it ended by itself in this very moment
        expired.clear()


def _gpu_refusal(explanation: str) -> str | None:
    known = any(phrase in explanation for phrase in _GPU_REFUSALS)
    return explanation.strip() if known else None


def owner(pid: int | None = None) -> str:
    """Names a process so that another one can tell later whether it still runs.

    Host name and process namespace say where the number counts; the start time tells a reused number.
    """
    pid = pid or os.getpid()
    return f"{platform.node()}/{_namespace()}/{pid}/{_started_at(pid)}"


def sweep(api: Any) -> int:
    """Removes the containers whose owner is gone, or whose deadline has long passed; gives their number."""
    return _remove(api, _abandoned)


def sweep_own(api: Any) -> int:
    """Removes the containers of this process; gives their number."""
    me = owner()
    return _remove(api, lambda labels: labels[_OWNER] == me)


def _remove(api: Any, chosen: Callable[[dict[str, str]], bool]) -> int:
    import docker.errors  # noqa: PLC0415

    removed = 0
    for container in api.containers(all=True, filters={"label": _OWNER}):
        if not chosen(container["Labels"]):
            continue
        try:
            api.remove_container(container["Id"], force=True, v=True)
            removed += 1
        except docker.errors.APIError:  # it goes by itself, or another builder sweeps
            continue
    return removed


def _abandoned(labels: dict[str, str]) -> bool:
    host, namespace, pid, started = [*labels[_OWNER].split("/"), "", "", ""][:4]
    here = (host, namespace) == (platform.node(), _namespace()) and pid.isdigit()
    if here and started and _started_at(int(pid)) != started:
        return True
    deadline = labels.get(_DEADLINE, "")
    return deadline.isdigit() and time.time() > int(deadline)


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no Linux
        return "-"


def _started_at(pid: int) -> str:
    """The 22nd field of /proc/PID/stat: ticks since boot; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
