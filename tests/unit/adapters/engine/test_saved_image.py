from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from builder.adapters.engine.saved_image import read_saved
from builder.errors import TagError

CONFIG, MANIFEST = "1" * 64, "2" * 64


def saved(folder: Path, **files: Any) -> Path:
    """A tar of JSON files, as `docker save` writes it."""
    path = folder / "image.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(f"{name}.json")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


OLD = [{"Config": f"{CONFIG}.json", "RepoTags": ["demo:1.0-unproven"], "Layers": []}]
NEW = [{"Config": f"blobs/sha256/{CONFIG}", "RepoTags": None, "Layers": []}]
INDEX = {"schemaVersion": 2, "manifests": [{"digest": f"sha256:{MANIFEST}"}]}


def test_image_of_an_old_engine_is_read(tmp_path: Path) -> None:
    found = read_saved(saved(tmp_path, manifest=OLD))
    assert (found.ids, found.names) == ((f"sha256:{CONFIG}",), ("demo:1.0-unproven",))


def test_image_may_be_known_by_its_configuration_or_its_manifest(tmp_path: Path) -> None:
    found = read_saved(saved(tmp_path, index=INDEX, manifest=NEW))
    assert (found.ids, found.names) == ((f"sha256:{CONFIG}", f"sha256:{MANIFEST}"), ())


def test_compressed_image_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, manifest=OLD)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_saved(path).ids == (f"sha256:{CONFIG}",)


@pytest.mark.parametrize(
    "files", [{}, {"manifest": []}, {"manifest": [{}]}, {"manifest": "x"}, {"index": {"manifests": 3}}, {"index": []}]
)
def test_what_is_no_saved_image_is_refused(tmp_path: Path, files: dict[str, Any]) -> None:
    with pytest.raises(TagError, match="this is no saved image"):
        read_saved(saved(tmp_path, **files))


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, b"\0" * 512])
def test_what_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(data)
    with pytest.raises(TagError, match="this is no saved image"):
        read_saved(path)
