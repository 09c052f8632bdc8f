"""`--progress=rawjson`: BuildKit's status objects in the client's standard error, with plain lines in between."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any

from builder.models.build import BuildEvent, StepLogged, StepMoved, StepSeen


class RawJson:
    """Takes the stream piece by piece; gives what is complete, as events, and plain lines as text.

    The objects are pretty-printed (buildx 0.13) or one a line, so that no line break ends one: a JSON decoder does.
    """

    def __init__(self) -> None:
        self._buffer = ""
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = json.JSONDecoder()
        self._characters: dict[str, codecs.IncrementalDecoder] = {}

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[BuildEvent | str]:
        """What the piece completes; `last` also gives what never was complete, as text."""
        self._buffer += self._bytes.decode(piece, last)
        while self._buffer:
            self._buffer = self._buffer.lstrip("\r\n")
            if not self._buffer.startswith("{"):
                line, end, rest = self._buffer.partition("\n")
                if not (end or last):
                    return
                self._buffer = rest
                yield from [line.rstrip()] if line.strip() else []
                continue
            try:
                status, end_at = self._decoder.raw_decode(self._buffer)
            except json.JSONDecodeError:
                if not last:
                    return
                yield from self._buffer.splitlines()
                self._buffer = ""
                return
            self._buffer = self._buffer[end_at:]
            yield from self._events(status)

    def _events(self, status: Mapping[str, Any]) -> Iterator[BuildEvent]:
        for vertex in status.get("vertexes") or ():
            yield _seen(vertex)
        for moved in status.get("statuses") or ():
            yield _moved(moved)
        for log in status.get("logs") or ():
            yield self._logged(log)

    def _logged(self, log: Mapping[str, Any]) -> StepLogged:
        step = str(log.get("vertex", ""))
        decoder = self._characters.setdefault(step, codecs.getincrementaldecoder("utf-8")("replace"))
        return StepLogged(step=step, text=decoder.decode(base64.b64decode(log.get("data") or "")))


def _seen(vertex: Mapping[str, Any]) -> StepSeen:
    return StepSeen(
        id=str(vertex.get("digest", "")),
        name=str(vertex.get("name", "")),
        started=bool(vertex.get("started")),
        completed=bool(vertex.get("completed")),
        cached=bool(vertex.get("cached")),
        error=str(vertex.get("error") or ""),
    )


def _moved(status: Mapping[str, Any]) -> StepMoved:
    return StepMoved(
        step=str(status.get("vertex", "")),
        what=str(status.get("id", "")),
        current=int(status.get("current") or 0),
        total=int(status.get("total") or 0),
    )
