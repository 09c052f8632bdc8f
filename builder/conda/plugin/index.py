"""Looks at a channel's index as conda will read it: nothing else tells a good one, no hash is known of it."""

from __future__ import annotations

import io
import json
import sys
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

BEGINNINGS = {".json": b"{", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh"}
"""What an index begins with, by the end of its name: a page of HTML does not."""

PARSED = 1 << 25
"""Bytes of JSON that are parsed, in 0.6 s. Of more (conda-forge's linux-64 has ten times as many) only the end is
looked at: parsing it takes gigabytes of memory, and conda's solver does not."""

PIECE = 1 << 20


def fault(body: bytes, path: str) -> str | None:
    """Why conda could not read an index; None when it can."""
    beginning = BEGINNINGS.get(PurePosixPath(path).suffix)
    if beginning and not body.lstrip().startswith(beginning):
        return f"no index: it begins with {body[:16]!r}"
    try:
        if path.endswith(".json"):
            _parse(body[:PARSED], body[PARSED:])
        elif path.endswith(".json.zst"):
            with _unpacking(body) as stream:
                _parse(stream.read(PARSED), _last(stream))
    except ImportError:
        return None
    except Exception as error:  # of several libraries, whose errors have no class in common
        return f"a garbled index: {error}"
    return None


def _parse(start: bytes, rest: bytes) -> None:
    """Raises ValueError for what is no JSON, as far as can be told cheaply."""
    if not rest:
        json.loads(start)
    elif not rest.rstrip().endswith(b"}"):
        raise ValueError("it breaks off")


def _last(stream: Any) -> bytes:
    """What is left, read to its end so that it is unpacked whole; the last piece of it."""
    last = b""
    while piece := stream.read(PIECE):
        last = piece
    return last


def _unpacking(body: bytes) -> Any:
    """A stream of what zstd packed, by the library that this conda has; raises ImportError when it has none."""
    try:
        from zstandard import ZstdDecompressor  # noqa: PLC0415 - conda 26 has another
    except ImportError:
        name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
        return import_module(name).ZstdFile(io.BytesIO(body))
    return ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True)
