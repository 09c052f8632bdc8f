"""Locking against package indexes on loopback: real uv, real wheels, indexes with and without sizes."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.adapters.lock.uv import UvIndex
from builder.adapters.lock.world import MirroredIndex
from builder.errors import LockError, NetworkError
from builder.models.resolved import Target

pytestmark = pytest.mark.network
TARGET = Target(python="3.9.2", glibc="2.31")
JSON = "application/vnd.pypi.simple.v1+json"


def make_wheel(folder: Path, name: str, version: str, *requires: str) -> Path:
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


class _Index(http.server.SimpleHTTPRequestHandler):
    """PEP 503 pages (hashes alone), or PEP 691 JSON with sizes and upload times."""

    def __init__(self, *args: object, folder: Path, sizes: bool, **kwargs: object) -> None:
        self.sizes = sizes
        super().__init__(*args, directory=str(folder), **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if not self.path.startswith("/simple/"):
            return super().do_GET()
        name = self.path.split("/")[2]
        wheels = sorted(Path(self.directory).glob(f"{name}-*.whl"))
        if not wheels:
            return self.send_error(404)
        body, kind = (self._json(name, wheels), JSON) if self.sizes else (self._html(wheels), "text/html")
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def _html(self, wheels: list[Path]) -> bytes:
        rows = (f'<a href="/{w.name}#sha256={_sha256(w)}">{w.name}</a>' for w in wheels)
        return f"<!DOCTYPE html><html><body>{''.join(rows)}</body></html>".encode()

    def _json(self, name: str, wheels: list[Path]) -> bytes:
        files = [
            {
                "filename": w.name,
                "url": f"/{w.name}",
                "hashes": {"sha256": _sha256(w)},
                "size": w.stat().st_size,
                "upload-time": "2025-01-02T03:04:05Z",
            }
            for w in wheels
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def serving(folder: Path, *, sizes: bool) -> Iterator[str]:
    handler = functools.partial(_Index, folder=folder, sizes=sizes)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "alpha", "1.0", "beta")
    make_wheel(folder, "beta", "1.0")
    return folder


@pytest.mark.parametrize("sizes", [True, False])
def test_name_hash_and_size_are_locked_whether_or_not_the_index_tells_sizes(wheels: Path, sizes: bool) -> None:
    with serving(wheels, sizes=sizes) as url:
        found = UvIndex(name="near", url=url).resolve(("alpha",), target=TARGET, keep={}, where="r")
    for wheel in found:
        path = wheels / wheel.package.artifact.path
        assert wheel.package.artifact.sha256 == _sha256(path)
        assert wheel.package.artifact.size == path.stat().st_size
    assert [(w.package.name, w.uploaded) for w in found] == [
        ("alpha", 1735787045 if sizes else None),
        ("beta", 1735787045 if sizes else None),
    ]


def test_a_version_that_is_kept_stays_and_one_that_is_not_moves(wheels: Path) -> None:
    make_wheel(wheels, "alpha", "2.0", "beta")
    make_wheel(wheels, "beta", "2.0")
    with serving(wheels, sizes=True) as url:
        index = UvIndex(name="near", url=url)
        found = index.resolve(("alpha",), target=TARGET, keep={"alpha": "1.0"}, where="r")
    assert {w.package.name: w.package.version for w in found} == {"alpha": "1.0", "beta": "2.0"}


def test_a_kept_version_gives_way_to_a_requirement(wheels: Path) -> None:
    make_wheel(wheels, "beta", "2.0")
    with serving(wheels, sizes=True) as url:
        index = UvIndex(name="near", url=url)
        found = index.resolve(("alpha", "beta>=2"), target=TARGET, keep={"alpha": "1.0", "beta": "1.0"}, where="r")
    assert {w.package.name: w.package.version for w in found} == {"alpha": "1.0", "beta": "2.0"}


def test_what_cannot_be_met_is_a_lock_error(wheels: Path) -> None:
    with serving(wheels, sizes=True) as url, pytest.raises(LockError) as caught:
        UvIndex(name="near", url=url).resolve(
            ("beta>=9",), target=TARGET, keep={}, where="recipes/a.yaml: pip.packages"
        )
    assert caught.value.where == "recipes/a.yaml: pip.packages"
    assert caught.value.seen is not None
    assert "beta>=9" in caught.value.seen
    assert "127.0.0.1" not in caught.value.seen


class Table:
    """A port that knows two mirrors."""

    def __init__(self, **urls: str) -> None:
        self.urls = urls

    def index_url(self, name: str) -> str:
        return self.urls[name]

    def apt_roots(self, name: str, source: str) -> tuple[str, ...]:
        raise NotImplementedError


def test_a_mirror_that_does_not_answer_is_passed_over(wheels: Path) -> None:
    with serving(wheels, sizes=True) as url:
        index = MirroredIndex(Table(dead="http://127.0.0.1:9/simple", alive=url))
        found = index.resolve(("beta",), target=TARGET, keep={}, mirrors=("dead", "alive"), where="r")
    assert [w.package.name for w in found] == ["beta"]


def test_when_no_mirror_answers_each_is_named() -> None:
    index = MirroredIndex(Table(one="http://127.0.0.1:9/simple", two="http://127.0.0.1:9/other"))
    with pytest.raises(NetworkError) as caught:
        index.resolve(("beta",), target=TARGET, keep={}, mirrors=("one", "two"), where="r")
    assert caught.value.what == "no mirror gives the package index"
    assert [fault.where for fault in caught.value.faults] == ["one", "two"]
    assert "127.0.0.1:9/" not in str(caught.value.faults)
