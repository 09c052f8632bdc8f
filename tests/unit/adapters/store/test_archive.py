"""The store as one file, out and in again."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from test_store import artifact_of, put

from builder.adapters.store.archive import export_store, import_archive
from builder.adapters.store.content import Store
from builder.errors import BuilderError, IntegrityError
from builder.models.lock import Artifact


@pytest.fixture
def full(tmp_path: Path) -> tuple[Store, list[Artifact]]:
    (tmp_path / "full").mkdir()
    store = Store(tmp_path / "full" / "store")
    return store, [put(store, "a.whl", b"wheel"), put(store, "pool/b_1+x.deb", b"deb" * 5000)]


def test_what_goes_out_comes_in_again(full: tuple[Store, list[Artifact]], tmp_path: Path) -> None:
    store, artifacts = full
    out = export_store(store, artifacts, tmp_path / "all.tar")
    other = Store(tmp_path / "other")
    came = import_archive(other, tmp_path / "all.tar")
    assert (out.files, out.bytes) == (came.files, came.bytes) == (2, 15_005)
    assert [other.path(a).read_bytes() for a in artifacts] == [b"wheel", b"deb" * 5000]
    assert other.path(artifacts[0]).stat().st_mode & 0o777 == 0o444
    assert other.verify().damaged == ()
    assert import_archive(other, tmp_path / "all.tar").present == 2


def test_an_archive_that_is_unpacked_is_a_store(full: tuple[Store, list[Artifact]], tmp_path: Path) -> None:
    store, artifacts = full
    export_store(store, artifacts, tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert all(Store(tmp_path / "unpacked").has(a) for a in artifacts)


def test_the_same_files_give_the_same_bytes(full: tuple[Store, list[Artifact]], tmp_path: Path) -> None:
    store, artifacts = full
    export_store(store, artifacts, tmp_path / "one.tar")
    export_store(store, [*reversed(artifacts), artifacts[0]], tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_nothing_is_exported_when_a_file_is_missing(full: tuple[Store, list[Artifact]], tmp_path: Path) -> None:
    store, artifacts = full
    with pytest.raises(BuilderError) as caught:
        export_store(store, [*artifacts, artifact_of("c.whl", b"c")], tmp_path / "all.tar")
    assert caught.value.what == "1 of 3 files are not in the store"
    assert [f.what for f in caught.value.faults] == ["c.whl"]
    assert list(tmp_path.glob("*.tar*")) == []


def test_a_damaged_file_is_not_exported(full: tuple[Store, list[Artifact]], tmp_path: Path) -> None:
    store, artifacts = full
    path = store.path(artifacts[0])
    path.chmod(0o644)
    path.write_bytes(b"Wheel")
    with pytest.raises(IntegrityError, match=r"^a\.whl is not what it was when it was fetched$"):
        export_store(store, artifacts, tmp_path / "all.tar")
    assert [p.name for p in tmp_path.iterdir()] == ["full"]


def archive_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_member_that_is_not_what_its_path_says_is_refused(tmp_path: Path) -> None:
    artifact = artifact_of("a.whl", b"wheel")
    archive = archive_of(tmp_path / "bad.tar", {artifact.store_path: b"WHEEL"})
    store = Store(tmp_path / "store")
    with pytest.raises(IntegrityError, match=r"^a\.whl is not what its hash says$"):
        import_archive(store, archive)
    assert not store.has(artifact)
    assert store.partial_size(artifact) == 0


@pytest.mark.parametrize("name", ["etc/passwd", "../sha256/x", f"sha256/aa/{'b' * 64}/x", f"sha256/bb/{'b' * 64}/x/y"])
def test_an_archive_with_anything_else_in_it_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        import_archive(Store(tmp_path / "store"), archive_of(tmp_path / "odd.tar", {name: b"x"}))
    assert (caught.value.what, caught.value.seen) == ("this is no archive of a store", f"{name} in it")


def test_an_archive_that_is_cut_short_is_told(full: tuple[Store, list[Artifact]], tmp_path: Path) -> None:
    store, artifacts = full
    export_store(store, artifacts, tmp_path / "all.tar")
    (tmp_path / "cut.tar").write_bytes((tmp_path / "all.tar").read_bytes()[:9000])
    with pytest.raises(IntegrityError, match=r"^(this is no whole archive|.* is not what its hash says)$"):
        import_archive(Store(tmp_path / "other"), tmp_path / "cut.tar")


def test_a_file_that_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(IntegrityError, match=r"^this is no whole archive$"):
        import_archive(Store(tmp_path / "store"), tmp_path / "text")
