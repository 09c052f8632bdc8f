"""Registry bases by digest: buildx against a registry's API on loopback, and the next registry when one is dead."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from builder.adapters.catalog import load_catalog
from builder.adapters.registry import Registry
from builder.errors import LockError, NetworkError
from builder.models.catalog import ImageEntry

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(shutil.which("docker") is None, reason="no docker client on this host"),
]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
Content = dict[str, tuple[str, bytes]]
"""By reference or digest: media type and bytes."""


def _put(content: Content, kind: str, value: object, *, tag: str | None = None) -> dict[str, object]:
    data = json.dumps(value).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    content[digest] = (kind, data)
    if tag:
        content[tag] = (kind, data)
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def image(content: Content, arch: str, *, tag: str | None = None) -> dict[str, object]:
    config = {"created": "2025-01-02T03:04:05.123456789Z", "architecture": arch, "os": "linux"}
    config |= {"config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    described = _put(content, "application/vnd.oci.image.config.v1+json", config)
    return _put(
        content, MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}, tag=tag
    )


def index(content: Content, *arches: str, tag: str) -> None:
    """Several platforms, and an attestation as BuildKit adds it."""
    manifests = [{**image(content, arch), "platform": {"os": "linux", "architecture": arch}} for arch in arches]
    manifests.append({**image(content, "unknown"), "platform": {"os": "unknown", "architecture": "unknown"}})
    _put(content, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}, tag=tag)


@contextmanager
def registry(content: Content) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = content.get(self.path.rsplit("/", 1)[-1])
            if self.path == "/v2/":
                found = ("application/json", b"{}")
            if not found:
                return self.send_error(404)
            kind, data = found
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(data).hexdigest())
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)
            return None

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def entry(*registries: str, tag: str = "v1") -> ImageEntry:
    base = load_catalog().bases["debian-bookworm-slim"]
    assert isinstance(base, ImageEntry)
    return base.model_copy(update={"registries": registries, "repository": "library/thing", "tag": tag})


def test_a_single_platform_image_is_locked_by_its_manifest_and_creation_time() -> None:
    content: Content = {}
    described = image(content, "amd64", tag="v1")
    with registry(content) as host:
        base = Registry().image(entry(host))
    assert (base.reference, base.digest, base.epoch) == (f"{host}/library/thing:v1", described["digest"], 1735787045)


def test_of_an_index_the_platforms_own_manifest_is_locked() -> None:
    content: Content = {}
    index(content, "arm64", "amd64", tag="v1")
    wanted = image({}, "amd64")
    with registry(content) as host:
        assert Registry().image(entry(host)).digest == wanted["digest"]


def test_a_dead_registry_is_passed_over_and_the_first_one_still_names_the_image() -> None:
    content: Content = {}
    described = image(content, "amd64", tag="v1")
    with registry(content) as host:
        base = Registry().image(entry("127.0.0.1:9", host))
    assert (base.reference, base.digest) == ("127.0.0.1:9/library/thing:v1", described["digest"])


def test_an_image_without_the_platform_is_refused() -> None:
    content: Content = {}
    index(content, "arm64", "riscv64", tag="v1")
    with registry(content) as host, pytest.raises(LockError, match="has no image for linux/amd64"):
        Registry().image(entry(host))


def test_when_no_registry_has_the_tag_each_is_named_with_what_it_said() -> None:
    with registry({}) as host, pytest.raises(NetworkError) as caught:
        Registry().image(entry("127.0.0.1:9", host, tag="nosuch"))
    assert caught.value.what == "no registry gives library/thing:nosuch"
    assert [fault.where for fault in caught.value.faults] == ["127.0.0.1:9", host]
    assert "connection refused" in (caught.value.faults[0].seen or "")
    assert "not found" in (caught.value.faults[1].seen or "")
