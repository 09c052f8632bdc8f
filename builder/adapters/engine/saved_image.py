"""What a `docker save` holds, read before an engine is given gigabytes of it."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

from builder.errors import TagError
from builder.models.base import ImageId, Model


class SavedImages(Model):
    """The images of one file."""

    ids: tuple[ImageId, ...]
    """Every ID that an engine may give to one of them: its configuration's digest, or its manifest's."""
    names: tuple[str, ...]
    """The names that loading it gives."""


def read_saved(path: Path) -> SavedImages:
    """What the file holds; only its table of contents is read. Raises TagError when it is no `docker save`."""
    try:
        with tarfile.open(path) as archive:
            manifest, index = _json(archive, "manifest.json", []), _json(archive, "index.json", {})
        known = [one["Config"] for one in manifest] + [one["digest"] for one in index.get("manifests", ())]
        names = [name for one in manifest for name in one["RepoTags"] or ()]
    except (OSError, EOFError, tarfile.TarError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise _refused(path, f"{type(error).__name__}: {error}") from error
    digests = [match[0] for match in (re.search(r"[0-9a-f]{64}", text) for text in known) if match]
    if not digests:
        raise _refused(path, "no image in it")
    unique = list(dict.fromkeys(f"sha256:{digest}" for digest in digests))
    return SavedImages.model_validate({"ids": unique, "names": names}, strict=False)


def _json(archive: tarfile.TarFile, name: str, missing: Any) -> Any:
    member = archive.extractfile(name) if name in archive.getnames() else None
    return json.loads(member.read()) if member else missing


def _refused(path: Path, seen: str) -> TagError:
    return TagError(
        "this is no saved image",
        where=str(path),
        seen=seen,
        remedy="`docker save IMAGE --output FILE.tar` where the image is writes one",
    )
