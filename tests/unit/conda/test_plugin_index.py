"""What the plugin says of an index before conda reads it."""

from __future__ import annotations

import json

import pytest
import zstandard

from builder.conda.plugin import index
from builder.conda.plugin.index import fault

WHOLE = json.dumps({"info": {}, "packages.conda": {f"p-{n}.conda": {"sha256": "ab" * 32} for n in range(99)}}).encode()
PACKED = zstandard.compress(WHOLE)
TWICE = zstandard.compress(WHOLE[:500]) + zstandard.compress(WHOLE[500:])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/noarch/repodata.json", b" " + WHOLE),
        ("/noarch/repodata.json.zst", PACKED),
        ("/noarch/repodata.json.zst", TWICE),
        ("/noarch/repodata.jlap", b"anything"),
    ],
)
@pytest.mark.parametrize("parsed", [1 << 25, 64])
def test_good_index_has_no_fault(path: str, body: bytes, parsed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "PARSED", parsed)
    monkeypatch.setattr(index, "PIECE", 100)
    assert fault(body, path) is None


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/repodata.json", b"<html>", "no index: it begins with b'<html>'"),
        ("/repodata.json", WHOLE[:-9], "a garbled index: "),
        ("/repodata.json", WHOLE.replace(b'"sha256"', b'"sha\0256"', 1), "a garbled index: "),
        ("/repodata.json.zst", WHOLE, "no index: it begins with"),
        ("/repodata.json.zst", PACKED[:-9], "a garbled index: "),
        ("/repodata.json.zst", PACKED[:30] + b"\0\0\0\0" + PACKED[34:], "a garbled index: "),
        ("/repodata.json.zst", zstandard.compress(WHOLE[:-9]), "a garbled index: "),
    ],
)
def test_index_that_conda_could_not_read_is_told(path: str, body: bytes, said: str) -> None:
    assert str(fault(body, path)).startswith(said)


@pytest.mark.parametrize(
    ("path", "body"), [("/repodata.json", WHOLE[:-9]), ("/repodata.json.zst", zstandard.compress(WHOLE[:-9]))]
)
def test_of_a_large_index_the_end_is_looked_at(path: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "PARSED", 64)
    assert fault(body, path) == "a garbled index: it breaks off"
