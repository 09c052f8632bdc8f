"""The store: what is in it may be used, and nothing else gets in."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from builder.adapters.store.content import Store, default_root
from builder.errors import HostError, IntegrityError, LockError
from builder.models.lock import Artifact


def artifact_of(name: str, content: bytes, *, source: str = "pypi") -> Artifact:
    return Artifact(source=source, path=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, name: str, content: bytes) -> Artifact:
    file = store.root.parent / "incoming"
    file.write_bytes(content)
    return store.add("pypi", name, file)


def test_the_root_is_what_builder_store_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BUILDER_STORE", str(tmp_path))
    assert default_root() == tmp_path
    monkeypatch.setenv("BUILDER_STORE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "builder" / "store"


def test_a_file_lies_alone_in_the_folder_of_its_hash_under_its_own_name(store: Store) -> None:
    artifact = put(store, "pool/main/h/hello/hello_1.deb", b"deb")
    path = store.root / "sha256" / artifact.sha256[:2] / artifact.sha256 / "hello_1.deb"
    assert store.path(artifact) == path
    assert [p.name for p in path.parent.iterdir()] == ["hello_1.deb"]
    assert path.read_bytes() == b"deb"


def test_a_file_is_read_only_and_has_the_one_time(store: Store) -> None:
    stat = store.path(put(store, "a.whl", b"x")).stat()
    assert (stat.st_mode & 0o777, stat.st_mtime) == (0o444, 315532800)


def test_adding_moves_the_file_in_and_gives_its_hash_and_size(store: Store, tmp_path: Path) -> None:
    artifact = put(store, "a.whl", b"content")
    assert artifact == artifact_of("a.whl", b"content")
    assert not (tmp_path / "incoming").exists()
    assert put(store, "a.whl", b"content") == artifact
    assert not (tmp_path / "incoming").exists()


def test_has_looks_at_the_size(store: Store) -> None:
    artifact = put(store, "a.whl", b"content")
    assert store.has(artifact)
    os.truncate(store.path(artifact), 3)
    assert not store.has(artifact)
    assert not store.has(artifact_of("b.whl", b"other"))


def test_the_same_bytes_under_another_name_serve_as_well(store: Store) -> None:
    first = put(store, "a.whl", b"content")
    second = artifact_of("b.whl", b"content")
    assert store.missing((first, second)) == ()
    assert store.path(second).read_bytes() == b"content"


@pytest.mark.parametrize("path", ["..", "a/..", "a/", ".", "a\0b"])
def test_a_path_that_ends_in_no_file_name_is_refused(store: Store, path: str) -> None:
    odd = Artifact.model_construct(source="pypi", path=path, sha256="0" * 64, size=1)  # no lock can say it
    with pytest.raises(LockError, match=r"^an artifact's path ends in no file name$"):
        store.has(odd)


def test_only_the_right_bytes_get_in(store: Store) -> None:
    artifact = artifact_of("a.whl", b"right")
    partial = store.partial(artifact)
    assert partial is not None
    with partial:
        partial.write(b"wrong")
        with pytest.raises(IntegrityError, match=r"^a\.whl is not what its hash says$"):
            partial.commit()
        assert not store.has(artifact)
        partial.restart()
        partial.write(b"rig")
        partial.write(b"ht")
        partial.commit()
    assert store.has(artifact)


def test_an_unfinished_file_belongs_to_one_at_a_time_and_is_gone_on_with(store: Store) -> None:
    artifact = artifact_of("a.whl", b"right")
    first = store.partial(artifact)
    assert first is not None
    first.write(b"rig")
    assert store.partial(artifact) is None
    first.close()
    assert store.partial_size(artifact) == 3
    second = store.partial(artifact)
    assert second is not None
    with second:
        assert second.size == 3
        second.write(b"ht")
        second.commit()
    assert store.path(artifact).read_bytes() == b"right"


def test_an_unfinished_file_that_is_too_long_starts_again(store: Store) -> None:
    artifact = artifact_of("a.whl", b"right")
    (store.root / "partial").mkdir(parents=True)
    (store.root / "partial" / artifact.sha256).write_bytes(b"far too long")
    partial = store.partial(artifact)
    assert partial is not None
    with partial:
        assert partial.size == 0


def test_verify_finds_a_flipped_byte(store: Store) -> None:
    good, bad = put(store, "good.whl", b"good"), put(store, "bad.whl", b"bad!")
    path = store.path(bad)
    path.chmod(0o644)
    path.write_bytes(b"baD!")
    read: list[int] = []
    verdict = store.verify(read=read.append)
    assert (verdict.files, verdict.bytes, sorted(read)) == (2, 8, [4, 4])
    assert [(e.path, seen) for e, seen in verdict.damaged] == [(path, hashlib.sha256(b"baD!").hexdigest())]
    for entry, _ in verdict.damaged:
        store.remove(entry)
    assert [e.path for e in store.entries()] == [store.path(good)]
    assert not path.parent.exists()


def test_gc_keeps_what_it_is_told_to_and_nothing_else(store: Store) -> None:
    kept, gone = put(store, "kept.whl", b"kept"), put(store, "gone.whl", b"gone!")
    would = store.gc({kept.sha256}, dry_run=True)
    assert (would.files, would.bytes, would.kept) == (1, 5, 1)
    assert store.has(gone)
    assert store.gc({kept.sha256}) == would
    assert (store.has(kept), store.has(gone)) == (True, False)


def test_gc_removes_an_unfinished_file_unless_it_is_wanted_or_under_way(store: Store) -> None:
    artifacts = [artifact_of(f"{n}.whl", n.encode() * 9) for n in ("idle", "wanted", "busy")]
    partials = [store.partial(a) for a in artifacts]
    for partial in partials:
        assert partial is not None
        partial.write(b"abc")
    idle, wanted, busy = artifacts
    for partial in partials[:2]:
        assert partial is not None
        partial.close()
    removed = store.gc({wanted.sha256})
    assert (removed.files, removed.partial, removed.bytes) == (1, 1, 3)
    assert [store.partial_size(a) for a in (idle, wanted, busy)] == [0, 3, 3]


def test_gc_removes_what_a_killed_derivation_left_a_day_ago(store: Store) -> None:
    old, new = store.root / ".making-old", store.root / ".making-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "rootfs.tar").write_bytes(b"x")
    os.utime(old, (time.time() - 90_000,) * 2)
    store.gc(set())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_root_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HostError) as caught:
        Store(tmp_path / "file" / "store").require_room(1)
    assert caught.value.what == "the store's folder cannot be made"
    assert caught.value.remedy == "set BUILDER_STORE to a folder that you may write to"
