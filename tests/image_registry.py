"""A registry on loopback, in memory, that images can be pulled from: dockerd takes plain HTTP there."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
Content = dict[str, tuple[str, bytes]]
"""By reference or digest: media type and bytes."""


def _put(content: Content, kind: str, value: object, *, tag: str | None = None) -> dict[str, object]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    content[digest] = (kind, data)
    if tag:
        content[tag] = (kind, data)
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def image(content: Content, arch: str, *layers: bytes, tag: str | None = None) -> dict[str, object]:
    """Puts an image of these tar archives in and gives its descriptor."""
    put = [_put(content, "application/vnd.oci.image.layer.v1.tar", layer) for layer in layers]
    config: dict[str, object] = {"created": "2025-01-02T03:04:05.123456789Z", "architecture": arch, "os": "linux"}
    config |= {"config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in put]}}
    # Where layers and history differ in number, BuildKit writes the time and the registry into the image's history.
    config |= {"history": [{"created": "2025-01-02T03:04:05Z", "created_by": "test"} for _ in layers]}
    described = _put(content, "application/vnd.oci.image.config.v1+json", config)
    return _put(
        content, MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": put}, tag=tag
    )


def index(content: Content, *arches: str, tag: str) -> None:
    """Several platforms, and an attestation as BuildKit adds it."""
    manifests = [{**image(content, arch), "platform": {"os": "linux", "architecture": arch}} for arch in arches]
    manifests.append({**image(content, "unknown"), "platform": {"os": "unknown", "architecture": "unknown"}})
    _put(content, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}, tag=tag)


@contextmanager
def registry(content: Content) -> Iterator[str]:
    """The host and port at which these are served, in whichever repository."""

    class Handler(http.server.BaseHTTPRequestHandler):
        default_request_version = "HTTP/1.0"  # a client that begins with TLS has to be answered in HTTP to try that

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
