"""Small real images for the checks: a Debian 11 with python3, and what each test changes in it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import docker
import pytest
import stand_in_gpu
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from builder.adapters.engine.client import Engine
from builder.checks import CHECKS, script_of
from builder.models.base import ImageId
from builder.stages.answer import Answer, answer_of
from builder.stages.check import _BOOT

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
TRUST_ENV = dict.fromkeys(
    ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"),
    BUNDLE,
)


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    to: str


Files = Mapping[str, str | bytes | Link]
"""Absolute path in the image to content."""


def make_rootfs(folder: Path) -> Path:
    """Debian 11 with python3, by mmdebstrap from the mirror that it is configured with; kept between runs.

    Raises CalledProcessError, FileNotFoundError.
    """
    kept = folder / "bullseye.tar"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist: one worker makes it, the others wait
        if not kept.exists():
            fresh = folder / "fresh.tar"
            old = 'Acquire::Check-Valid-Until "false"'  # past its end of life
            argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3", "--aptopt", old]
            subprocess.run([*argv, "bullseye", str(fresh)], check=True, capture_output=True, text=True)
            fresh.rename(kept)
    return kept


@dataclass
class Lab:
    """Makes images and asks checks in them; `close` takes them away again."""

    engine: Engine
    rootfs: ImageId
    client: Any
    made: list[str] = field(default_factory=list)

    def image(self, files: Files | None = None, env: Mapping[str, str] | None = None) -> ImageId:
        """The rootfs with further files and environment variables."""
        container = self.client.api.create_container(self.rootfs, command=["true"])["Id"]
        try:
            self.client.api.put_archive(container, "/", _tar(files or {}))
            changes = [f"ENV {name}={json.dumps(value)}" for name, value in (env or {}).items()]
            image: str = self.client.api.commit(container, changes=changes)["Id"]
        finally:
            self.client.api.remove_container(container, force=True)
        self.made.append(image)
        return image  # type: ignore[return-value]

    def ask(
        self,
        check: str,
        image: ImageId,
        *,
        change: Callable[[str], str] = lambda text: text,
        python: str = "/usr/bin/python3",
        timeout: int = 120,
        **arguments: object,
    ) -> Answer:
        """What a check says of an image; `change` alters the script first, to see that it can fail."""
        text = script_of(check)
        script = change(text).encode()
        assert change(text) == text or script != text.encode()
        argv = (python, "-B", "-c", _BOOT, str(len(script)), json.dumps(arguments))
        entry = CHECKS[check]
        kinds = {"alters": entry.alters, "sees_all": entry.sees_all}
        done = self.engine.run_check(image, argv=argv, stdin=script, timeout=timeout, **kinds)
        return answer_of(done, timeout=timeout)

    def close(self) -> None:
        for image in (*reversed(self.made), self.rootfs):
            with contextlib.suppress(docker.errors.ImageNotFound):
                self.client.api.remove_image(image, force=True)


@contextmanager
def opened(engine: Engine, tar: Path) -> Iterator[Lab]:
    """A lab over an imported rootfs."""
    client = docker.from_env()
    with tar.open("rb") as data:
        client.api.import_image_from_data(data, repository="builder-test-gate", tag=f"rootfs-{os.getpid()}")
    facts = engine.inspect(f"builder-test-gate:rootfs-{os.getpid()}")
    assert facts is not None
    lab = Lab(engine, facts.id, client)
    try:
        yield lab
    finally:
        lab.close()
        client.close()


def _tar(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.mode = 0o755
            if isinstance(content, Link):
                info.type, info.linkname = tarfile.SYMTYPE, content.to
                archive.addfile(info)
                continue
            data = content.encode() if isinstance(content, str) else content
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def root(name: str, *, days: int = 365, begun: int = 700, authority: bool = True) -> str:
    """A self-signed certificate in PEM, which ends in so many days and began so many days ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(tz=timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=begun))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def compiled(folder: Path, source: str) -> bytes:
    """A shared library of C source; where there is no compiler, the test is skipped."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc here to compile a stub library with")
    return stand_in_gpu.compiled(folder, source)
