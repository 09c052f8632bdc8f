"""Registry images by digest, by way of buildx: its proxy, trust and credentials are those that the build will use."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from datetime import datetime
from typing import Any

from builder.errors import Fault, HostError, LockError, NetworkError
from builder.models.catalog import ImageEntry
from builder.models.lock import ImageBase


class Registry:
    """The registries of an entry, asked in their order."""

    def image(self, entry: ImageEntry) -> ImageBase:
        """The image that the tag names now, for the entry's platform. Raises NetworkError, LockError, HostError."""
        faults: list[Fault] = []
        for registry in entry.registries:
            name = f"{registry}/{entry.repository}:{entry.tag}"
            done = _docker("buildx", "imagetools", "inspect", name, "--format", "{{json .}}")
            if not done.returncode:
                return _base(json.loads(done.stdout), entry)
            faults.append(Fault(what="no answer", where=registry, seen=done.stderr.strip()[-300:]))
        raise NetworkError(
            f"no registry gives {entry.repository}:{entry.tag}",
            faults=tuple(faults),
            remedy="add a registry that you can reach to the base's `registries`, or choose a base of kind rootfs",
        )

    def status(self, base: ImageBase) -> str:
        """The dpkg status inside an image, which is pulled but never started."""
        name = f"{base.reference.rpartition(':')[0]}@{base.digest}"
        for argv in (("pull", "--quiet", name), ("create", name, "/bin/true")):
            done = _docker(*argv)
            if done.returncode:
                raise NetworkError(
                    f"the engine cannot get {base.reference}", where=f"docker {argv[0]}", seen=done.stderr
                )
        container = done.stdout.strip()
        try:
            copied = subprocess.run(
                ["docker", "cp", f"{container}:/var/lib/dpkg/status", "-"], capture_output=True, check=False
            )
        finally:
            _docker("rm", container)
        if copied.returncode:
            raise LockError("the base has no dpkg status: it is no Debian system", where=base.reference)
        with tarfile.open(fileobj=io.BytesIO(copied.stdout)) as archive:
            file = archive.extractfile("status")
            return file.read().decode() if file else ""


def _base(seen: dict[str, Any], entry: ImageEntry) -> ImageBase:
    """The digest of the platform's own manifest: an index changes whenever any other platform's image does."""
    manifest, image = seen["manifest"], seen["image"]
    digest = manifest["digest"]
    if "manifests" in manifest:
        wanted = dict(zip(("os", "architecture"), entry.platform.split("/"), strict=True))
        digests = [m["digest"] for m in manifest["manifests"] if wanted.items() <= (m.get("platform") or {}).items()]
        if not digests:
            raise LockError(f"{entry.reference} has no image for {entry.platform}")
        digest, image = digests[0], image[entry.platform]
    created = datetime.fromisoformat(image["created"].replace("Z", "+00:00")[:19] + "+00:00")
    return ImageBase(reference=entry.reference, digest=digest, epoch=int(created.timestamp()))


def _docker(*argv: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *argv], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise HostError("docker is missing", remedy="run `builder doctor engine`") from None
