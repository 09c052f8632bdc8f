"""Registry images by digest, by way of buildx: its proxy, trust and credentials are those that the build will use."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from builder.errors import EngineError, Fault, HostError, LockError, NetworkError
from builder.models.catalog import ImageEntry
from builder.models.lock import ImageBase


class Registry:
    """The registries of an entry, asked in their order."""

    def image(self, entry: ImageEntry) -> ImageBase:
        """The image that the tag names now, for the entry's platform. Raises NetworkError, LockError, HostError."""
        name = f"{entry.repository}:{entry.tag}"
        _, seen = _first(entry, name, "buildx", "imagetools", "inspect", "--format", "{{json .}}")
        return _base(json.loads(seen), entry)

    def having(self, entry: ImageEntry, digest: str) -> str:
        """The first registry from which a build gets the image: one whose copy the engine has already, which needs no
        network, else one that answers. Raises NetworkError when there is none, EngineError, HostError.
        """
        name = f"{entry.repository}@{digest}"
        for registry in entry.registries:
            if not _docker("image", "inspect", f"{registry}/{name}").returncode:
                return registry
        found, _ = _first(entry, name, "buildx", "imagetools", "inspect", "--raw")
        return found.removesuffix(f"/{name}")

    def status(self, base: ImageBase, entry: ImageEntry) -> str:
        """The dpkg status inside an image, which is pulled but never started.

        Raises NetworkError when no registry has it, EngineError without an engine, LockError for one without dpkg.
        """
        image, _ = _first(entry, f"{entry.repository}@{base.digest}", "pull", "--quiet", "--platform", entry.platform)
        with _container(image) as container:
            copied = subprocess.run(
                ["docker", "cp", f"{container}:/var/lib/dpkg/status", "-"], capture_output=True, check=False
            )
        if copied.returncode:
            raise LockError("the base has no dpkg status: it is no Debian system", where=base.reference)
        with tarfile.open(fileobj=io.BytesIO(copied.stdout)) as archive:
            file = archive.extractfile("status")
            return file.read().decode() if file else ""


def _first(entry: ImageEntry, name: str, *argv: str) -> tuple[str, str]:
    """The image's name in the first registry where the command works, and what the command printed."""
    faults: list[Fault] = []
    for registry in entry.registries:
        done = _docker(*argv, f"{registry}/{name}")
        if not done.returncode:
            return f"{registry}/{name}", done.stdout
        faults.append(Fault(what="no answer", where=registry, seen=done.stderr.strip()[-300:]))
    raise NetworkError(
        f"no registry gives {name}",
        faults=tuple(faults),
        remedy="add a registry that you can reach to the base's `registries`, or choose a base of kind rootfs",
    )


@contextmanager
def _container(image: str) -> Iterator[str]:
    """A container that is never started, so that files can be read out of the image; removed afterwards."""
    made = _docker("create", "--pull=never", "--network=none", image, "/bin/true")
    if made.returncode:
        raise EngineError("the engine makes no container", where=image, seen=made.stderr.strip()[-300:])
    try:
        yield made.stdout.strip()
    finally:
        _docker("rm", made.stdout.strip())


def _base(seen: dict[str, Any], entry: ImageEntry) -> ImageBase:
    """The digest of the platform's own manifest: an index changes whenever any other platform's image does."""
    manifest, image = seen["manifest"], seen["image"]
    digest = manifest["digest"]
    if "manifests" in manifest:
        wanted = dict(zip(("os", "architecture"), entry.platform.split("/"), strict=True))
        digests = [m["digest"] for m in manifest["manifests"] if wanted.items() <= (m.get("platform") or {}).items()]
        if not digests:
            raise LockError(f"{entry.reference} has no image for {entry.platform}")
        digest, image = digests[0], image.get(entry.platform, image)
    # Python 3.10 reads neither Z nor nanoseconds.
    created = datetime.fromisoformat(f"{image['created'][:19]}+00:00")
    return ImageBase(reference=entry.reference, digest=digest, epoch=int(created.timestamp()))


def _docker(*argv: str) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(["docker", *argv], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise HostError("docker is missing", remedy="run `builder doctor engine`") from None
    if "Cannot connect to the Docker daemon" in done.stderr:
        raise EngineError("no container engine answers", seen=done.stderr.strip(), remedy="run `builder doctor engine`")
    return done
