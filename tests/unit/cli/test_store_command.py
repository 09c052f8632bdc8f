"""`builder store`, as it is called."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builder.adapters.store.content import Store
from builder.cli.app import app
from builder.models.lock import Artifact, Certificate, Lock, Package, RootfsBase, TrustLock
from builder.models.lockfile import dump_lock


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def artifact_of(source: str, path: str) -> Artifact:
    content = path.encode()
    return Artifact(source=source, path=path, sha256=digest(content), size=len(content))


def package(source: str, path: str) -> Package:
    return Package(name=path[:3], version="1", artifact=artifact_of(source, path))


def lock_of(wheel: str) -> Lock:
    base = RootfsBase(
        suite="bullseye",
        arch="amd64",
        epoch=1,
        packages=(package("debian", "pool/bash_1.deb"),),
        rootfs=artifact_of("derived", "rootfs.tar"),
    )
    return Lock(
        inputs=digest(b""),
        epoch=1,
        created=2,
        base=base,
        uv=package("pypi", "uv-1.whl"),
        busybox=None,
        busybox_binary=None,
        trust=TrustLock(
            roots=package("pypi", "certifi-1.whl"),
            certificates=(Certificate(subject="CN=x", sha256=digest(b"x"), not_after="2030-01-01"),),
            bundle=artifact_of("derived", "ca-bundle.pem"),
        ),
        apt=(),
        pip=(package("pypi", wheel),),
    )


def fill(store: Store, *artifacts: Artifact) -> None:
    for artifact in artifacts:
        file = store.root.parent / "incoming"
        file.write_bytes(artifact.path.encode())
        store.add(artifact.source, artifact.path, file)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A project with two locks, and a store with all that they need to be built."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILDER_STORE", str(tmp_path / "store"))
    (tmp_path / "recipes").mkdir()
    store = Store()
    for name in ("one", "two"):
        lock = lock_of(f"{name}-1.whl")
        (tmp_path / "recipes" / f"{name}.lock").write_text(dump_lock(lock))
        fill(store, *lock.artifacts())
    return store


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["store", *args])


def names(store: Store) -> list[str]:
    return sorted(e.path.name for e in store.entries())


def test_verify_says_how_many_files_are_right(here: Store) -> None:
    result = run("verify", "--json")
    assert (result.exit_code, json.loads(result.stdout)["files"]) == (0, 5)


def test_verify_names_the_damaged_file_and_removes_it_when_asked(here: Store) -> None:
    path = here.path(artifact_of("pypi", "one-1.whl"))
    path.chmod(0o644)
    path.write_bytes(b"ONE-1.whl")
    result = run("verify", "--json")
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == 6
    assert error["what"] == "1 of 5 files in the store are damaged"
    assert [(f["what"], f["seen"]) for f in error["faults"]] == [("one-1.whl", f"sha256 {digest(b'ONE-1.whl')}")]
    assert path.exists()
    assert run("verify", "--remove").exit_code == 6
    assert not path.exists()
    assert run("verify").exit_code == 0


def test_gc_keeps_what_the_locks_below_recipes_need(here: Store) -> None:
    stray = artifact_of("pypi", "stray-1.whl")
    fill(here, stray, artifact_of("debian", "pool/bash_1.deb"))
    result = run("gc")
    assert result.stdout == "removed 1 files (0 of them unfinished), 0.0 MB; kept 6\n"
    assert not here.has(stray)


def test_gc_keeps_only_what_the_named_locks_need(here: Store) -> None:
    assert json.loads(run("gc", "one", "--json", "--dry-run").stdout)["removed"] == 1
    assert "two-1.whl" in names(here)
    run("gc", "one")
    assert names(here) == ["ca-bundle.pem", "one-1.whl", "rootfs.tar", "uv-1.whl"]


def test_gc_without_any_lock_removes_nothing(here: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "store")
    result = run("gc")
    assert result.exit_code == 4
    assert "there is no lock here" in result.stderr
    assert len(names(here)) == 5
    assert run("gc", "--everything").exit_code == 0
    assert names(here) == []


def test_what_is_exported_can_be_imported_where_there_is_nothing(here: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bash = artifact_of("debian", "pool/bash_1.deb")
    fill(here, bash)
    out = run("export", "one.tar", "one", "--json")
    assert json.loads(out.stdout) == {
        "archive": "one.tar",
        "files": 5,
        "bytes": sum(a.size for a in (*lock_of("one-1.whl").artifacts(), bash)),
        "images_not_included": [],
    }
    monkeypatch.setenv("BUILDER_STORE", str(here.root.parent / "other"))
    assert run("import", "one.tar").exit_code == 0
    assert names(Store()) == ["bash_1.deb", "ca-bundle.pem", "one-1.whl", "rootfs.tar", "uv-1.whl"]


def test_an_export_that_lacks_a_file_says_which(here: Store) -> None:
    here.remove(next(e for e in here.entries() if e.path.name == "two-1.whl"))
    result = run("export", "all.tar")
    assert result.exit_code == 1
    assert "1 of 5 files are not in the store" in result.stderr
    assert "two-1.whl" in result.stderr
    assert not Path("all.tar").exists()


def test_a_lock_that_is_not_there_is_told(here: Store) -> None:
    result = run("export", "all.tar", "three")
    assert result.exit_code == 4
    assert "there is no such lock" in result.stderr
