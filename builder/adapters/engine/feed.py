"""How a build gets its artifacts: from a loopback server over the store, or sent by the client as named contexts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from builder.adapters.engine.artifact_server import ArtifactServer, Sent, Served
from builder.errors import BuildError, Fault, IntegrityError
from builder.models.lock import Artifact


class StoreFeed:
    """The artifacts of one store.

    root: the folder above `sha256/`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def serve(self, artifacts: Sequence[Artifact], *, sent: Sent = lambda _path, _bytes: None) -> ArtifactServer:
        """A server, to be used in a `with` block, that has these under `Artifact.store_path`.

        Raises BuildError when the store lacks one. Their bytes are for the engine to check (`ADD --checksum`).
        """
        self._all_here(artifacts)
        files = {a.store_path: Served(self._root / a.store_path, a.sha256) for a in artifacts}
        return ArtifactServer(files, sent=sent)

    def folder(self, artifact: Artifact) -> Path:
        """The folder that holds this file alone. Reads all of it, because a named context has no checksum.

        Raises BuildError when the store lacks it, IntegrityError when its bytes are not what the lock names.
        """
        self._all_here((artifact,))
        path = self._root / artifact.store_path
        if (seen := _sha256(path)) != artifact.sha256:
            raise IntegrityError(
                "a file of the store is not what it was when it was fetched",
                where=str(path),
                seen=f"sha256 {seen}",
                remedy="run `builder store verify`, then build again",
            )
        return self._root / artifact.store_folder

    def _all_here(self, artifacts: Sequence[Artifact]) -> None:
        faults = tuple(fault for artifact in artifacts if (fault := self._fault(artifact)))
        if faults:
            raise BuildError(
                f"{len(faults)} of {len(artifacts)} artifacts are not in the store",
                where=str(self._root),
                remedy="fetch them first: `builder fetch`",
                faults=faults,
            )

    def _fault(self, artifact: Artifact) -> Fault | None:
        path = self._root / artifact.store_path
        try:
            size = path.stat().st_size
        except OSError as error:
            return Fault(what=f"{artifact.filename} is missing", where=str(path), seen=error.strerror)
        if size != artifact.size:
            return Fault(what=f"{artifact.filename} has {size} bytes, not {artifact.size}", where=str(path))
        return None


def _sha256(path: Path) -> str:
    """As `hashlib.file_digest`, which Python 3.10 lacks."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(1 << 20))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
    return digest.hexdigest()
