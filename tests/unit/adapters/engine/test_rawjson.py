"""BuildKit's status stream: as buildx 0.13 prints it, one object a line as others do, and cut anywhere."""

from __future__ import annotations

import base64
import json

import pytest

from builder.adapters.engine.rawjson import RawJson
from builder.models.build import BuildEvent, StepLogged, StepMoved, StepSeen

STATUSES = [
    {"vertexes": [{"digest": "sha256:1", "name": "[a 1/1] RUN é {x}", "started": "2026-11-23T20:41:01Z"}]},
    {"statuses": [{"id": "extracting", "vertex": "sha256:1", "current": 5, "total": 10}]},
    {"logs": [{"vertex": "sha256:1", "stream": 1, "data": base64.b64encode(b"caf\xc3").decode()}]},
    {"logs": [{"vertex": "sha256:1", "stream": 1, "data": base64.b64encode(b"\xa9\n").decode()}]},
    {"vertexes": [{"digest": "sha256:1", "name": "[a 1/1] RUN é {x}", "completed": "x", "error": "code: 3"}]},
]
EVENTS = [
    StepSeen(id="sha256:1", name="[a 1/1] RUN é {x}", started=True, completed=False, cached=False, error=""),
    StepMoved(step="sha256:1", what="extracting", current=5, total=10),
    StepLogged(step="sha256:1", text="caf"),
    StepLogged(step="sha256:1", text="é\n"),
    StepSeen(id="sha256:1", name="[a 1/1] RUN é {x}", started=False, completed=True, cached=False, error="code: 3"),
]
SAID = "Dockerfile:4\n--------------------\n   4 | >>> RUN é\n{ not json }\nERROR: failed to solve"


def parse(data: bytes, size: int) -> list[BuildEvent | str]:
    parser = RawJson()
    found = [e for start in range(0, len(data), size) for e in parser.feed(data[start : start + size])]
    return [*found, *parser.feed(b"", last=True)]


@pytest.mark.parametrize("indent", [2, None], ids=["pretty-printed", "one a line"])
@pytest.mark.parametrize("size", [1, 7, 100, 1 << 16])
def test_events_come_whole_however_the_stream_is_cut(indent: int | None, size: int) -> None:
    text = "".join(json.dumps(s, indent=indent, ensure_ascii=False) + "\n" for s in STATUSES)
    assert parse(text.encode(), size) == EVENTS


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_the_clients_own_lines_come_as_text_in_their_place(size: int) -> None:
    first, last = (json.dumps(s, indent=2) for s in (STATUSES[1], STATUSES[2]))
    found = parse(f"WARNING: x\n{first}\n{SAID.splitlines()[0]}\n{last}\n".encode(), size)
    assert found == ["WARNING: x", EVENTS[1], "Dockerfile:4", EVENTS[2]]


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_text_after_the_last_object_comes_even_without_a_line_break(size: int) -> None:
    found = parse((json.dumps(STATUSES[1]) + "\n" + SAID).encode(), size)
    assert found == [EVENTS[1], *SAID.splitlines()]


def test_an_object_that_breaks_off_is_told_as_text() -> None:
    assert parse(b'{\n  "vertexes": [', 4) == ["{", '  "vertexes": [']
