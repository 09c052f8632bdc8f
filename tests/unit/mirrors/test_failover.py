"""What decides between mirrors when nothing but values is at hand: pauses, and pages in place of files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from builder.errors import IntegrityError, NetworkError
from builder.mirrors.failover import Failover
from builder.mirrors.transport import Page, Unavailable
from builder.models.lock import Artifact

CONTENT = b"the whole file"
ARTIFACT = Artifact(source="pypi", path="file", sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT))


@dataclass
class Answered:
    """An answer in memory; a list of pieces."""

    pieces: list[bytes]
    offset: int = 0
    size: int | None = None
    host: str = "host.test"

    def chunks(self) -> Iterator[bytes]:
        yield from self.pieces

    def abort(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class InMemory:
    """What mirrors answer, by name and in turn: pieces of a body, or why not. Stands in for HTTP alone."""

    says: dict[str, list[list[bytes] | Answered | Unavailable]]
    asked: list[tuple[str, int, str | None]] = field(default_factory=list)

    def page(self, url: str, *, agent: str | None = None) -> Page:
        raise AssertionError

    def open(self, url: str, *, offset: int = 0, agent: str | None = None) -> Answered:
        self.asked.append((url, offset, agent))
        said = self.says[url].pop(0)
        if isinstance(said, Unavailable):
            raise said
        return said if isinstance(said, Answered) else Answered(said, offset=offset)

    def close(self) -> None: ...

    def names(self, artifact: Artifact) -> tuple[str, ...]:
        return tuple(self.says)

    def agent(self, name: str, artifact: Artifact) -> str | None:
        return f"{name} wants {artifact.source}"

    def urls(self, name: str, artifact: Artifact) -> tuple[str, ...]:
        return (name,)


class Growing:
    """The unfinished file, in memory."""

    def __init__(self) -> None:
        self.content = b""

    @property
    def size(self) -> int:
        return len(self.content)

    def write(self, chunk: bytes) -> None:
        self.content += chunk

    def restart(self) -> None:
        self.content = b""

    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def got(mirrors: InMemory, *, source: str = "pypi", told: list[str] | None = None) -> bytes:
    artifact = ARTIFACT.model_copy(update={"source": source})
    failover, file = Failover(where=mirrors, transport=mirrors, stop=threading.Event()), Growing()
    failover.get(artifact, file, advance=lambda _: None, tell=(told if told is not None else []).append)
    return file.content


def test_a_page_that_says_it_is_a_file_is_no_beginning_to_go_on_with() -> None:
    mirrors = InMemory({"a": [[b"  <!DOCTYPE html>"]], "b": [[CONTENT]]})
    assert got(mirrors) == CONTENT
    assert mirrors.asked == [("a", 0, "a wants pypi"), ("b", 0, "b wants pypi")]


def test_what_a_mirror_gave_before_it_broke_off_is_gone_on_with() -> None:
    mirrors = InMemory({"a": [[CONTENT[:5]], [CONTENT[5:7]]], "b": [[CONTENT[7:]]]})
    assert got(mirrors) == CONTENT
    assert [(name, offset) for name, offset, _ in mirrors.asked] == [("a", 0), ("a", 5), ("b", 7)]


NO_RANGES = [
    Unavailable(cause="HTTP 416", host="b.test"),
    Unavailable(cause="HTTP 403", host="b.test"),
    Unavailable(cause="HTTP 206", host="b.test"),
    Answered([b"nobody reads this"], offset=3),
]


@pytest.mark.parametrize("refusal", NO_RANGES)
def test_a_mirror_that_refuses_a_range_is_asked_for_the_whole_file(refusal: Answered | Unavailable) -> None:
    """Else what is left of an earlier try would keep every later one from it."""
    mirrors = InMemory({"a": [[CONTENT[:5]], Unavailable(cause="HTTP 404")], "b": [refusal, Answered([CONTENT])]})
    mirrors.says["a"].append(Unavailable(cause="HTTP 404"))
    assert got(mirrors) == CONTENT
    assert [(name, offset) for name, offset, _ in mirrors.asked if name == "b"] == [("b", 5), ("b", 0)]


def test_what_was_started_over_was_not_gone_on_with() -> None:
    """The summary tells of earlier downloads only what became part of the file."""
    for offset, rest, resumed in ((5, CONTENT[5:], 5), (0, CONTENT, 0)):
        file = Growing()
        file.write(CONTENT[:5])
        mirrors = InMemory({"a": [Answered([rest], offset=offset)]})
        failover = Failover(where=mirrors, transport=mirrors, stop=threading.Event())
        assert failover.get(ARTIFACT, file, advance=lambda _: None).resumed == resumed
        assert file.content == CONTENT


def test_a_mirror_in_trouble_is_not_asked_twice_at_once() -> None:
    busy = Unavailable(cause="HTTP 503", again=True)
    mirrors = InMemory({"a": [[CONTENT[:5]], Unavailable(cause="x", contact=False)], "b": [busy, [CONTENT[5:]]]})
    assert got(mirrors) == CONTENT
    assert [(name, offset) for name, offset, _ in mirrors.asked] == [("a", 0), ("a", 5), ("b", 5), ("b", 5)]


def test_a_long_pause_is_told_and_a_short_one_is_not() -> None:
    told: list[str] = []
    busy = Unavailable(cause="HTTP 429, asks to wait 2.4 s", again=True, after=2.4)
    once = Unavailable(cause="HTTP 503", again=True)
    assert got(InMemory({"a": [busy, [CONTENT]]}), told=told) == CONTENT
    assert got(InMemory({"a": [once, [CONTENT]]}), told=told) == CONTENT
    assert told == ["file: asks a again in 2 s"]


def test_one_message_lists_each_mirror_with_its_cause() -> None:
    mirrors = InMemory({"a": [Unavailable(cause="HTTP 404", host="a.test")], "b": [[bytes(len(CONTENT))]]})
    with pytest.raises(NetworkError) as caught:
        got(mirrors)
    zeros = hashlib.sha256(bytes(len(CONTENT))).hexdigest()
    causes = [(f.what, f.where) for f in caught.value.faults]
    assert causes == [("a: HTTP 404", "a.test"), (f"b: wrong bytes: sha256 {zeros}", "host.test")]


def test_wrong_bytes_from_all_are_no_matter_of_the_network() -> None:
    with pytest.raises(IntegrityError):
        got(InMemory({"a": [[bytes(len(CONTENT))]]}))
