"""`serve`: the model behind the Open Inference Protocol v2, by MLServer."""

from __future__ import annotations

import os

from .command import parser
from .model import SETTINGS, RefusedError, folder

EXAMPLES = """\
HTTP on port 8080 and gRPC on 8081, of every address of the container.

examples:
  docker run -d -p 127.0.0.1:8080:8080 --read-only IMAGE
  curl http://127.0.0.1:8080/v2/models/NAME
  curl http://127.0.0.1:8080/v2/health/ready

It loads one model when it starts: the protocol's routes that load and unload models are refused.
MODEL_THREADS (default 1), MLSERVER_HOST, MLSERVER_HTTP_PORT, MLSERVER_GRPC_PORT change what their names say.
A request over HTTP may have 4 MiB: MODEL_MAX_REQUEST_BYTES (MLSERVER_GRPC_MAX_MESSAGE_LENGTH for gRPC) sets another
limit. Read as JSON a byte takes up to twenty of memory; long batches are inferred piece by piece.
MLSERVER_METRICS_ENDPOINT=/metrics adds Prometheus' metrics on MLSERVER_METRICS_PORT (8082).
"""
DEFAULTS = {
    "MLSERVER_METRICS_ENDPOINT": "",  # nothing listens that was not asked for
    "OTEL_SDK_DISABLED": "true",
}


def main(arguments: list[str]) -> int:
    """Serves until a signal ends it."""
    parser("serve", "Serves the model: Open Inference Protocol v2 over HTTP and gRPC.", EXAMPLES).parse_args(arguments)
    place = folder()
    if not (place / SETTINGS).exists():
        raise RefusedError(f"{place} was made without `serve: true`: it has no {SETTINGS}")
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.chdir(place)  # MLServer reads `.env` where it is started: in a folder whose every file the manifest names
    from .runtime import serve

    serve(place)
    return 0
