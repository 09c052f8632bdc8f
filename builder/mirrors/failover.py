"""Gets one file from any mirror that has it: what conda does not do (FACTS 3), done once and for every source.

403, 404, 429, 5xx, a page of HTML, a short body, wrong bytes, a refused or silent connection, a certificate that is
not trusted, a trickle: each means the next mirror; those that may do better soon are asked again when all have been.
Size and hash of the lock decide what is accepted: what a server says of a file can only get it refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from builder.errors import Fault, IntegrityError, NetworkError
from builder.mirrors.health import Health
from builder.mirrors.race import Race, Stopped
from builder.mirrors.tally import Failure, Tally
from builder.mirrors.transport import HTML, Answer, Transport, Unavailable
from builder.mirrors.watch import Stream, Watch
from builder.models.base import Sha256
from builder.models.lock import Artifact

ROUNDS: Final = 3
PAUSE: Final = 0.5
"""Seconds before the second round; twice that before the third."""
FAR: Final = 8_000_000
"""Bytes: a connection that broke after so many is simply taken up again."""
_LONG: Final = 2.0
"""Seconds: a longer pause is told."""
LONGEST_WAIT: Final = 60.0
"""Seconds: no server's Retry-After is obeyed beyond that."""


class Where(Protocol):
    """Which mirrors to ask, and for what."""

    def names(self, artifact: Artifact) -> tuple[str, ...]:
        """Mirrors in order of preference; raises RecipeError when there is none."""

    def agent(self, name: str, artifact: Artifact) -> str | None:
        """What to be called there; None: what this program is called."""

    def urls(self, name: str, artifact: Artifact) -> tuple[str, ...]:
        """Addresses on a mirror, to be tried in order; raises Unavailable."""


class Growing(Protocol):
    """The unfinished file."""

    size: int

    def write(self, chunk: bytes) -> None:
        """Appends; raises DiskError."""

    def restart(self) -> None:
        """Forgets every byte."""

    def digest(self) -> Sha256:
        """SHA-256 of the bytes so far."""


@dataclass(frozen=True, kw_only=True)
class Failover:
    """Mirrors, how to reach them and how they have done so far."""

    where: Where
    transport: Transport
    stop: threading.Event
    health: Health = field(default_factory=Health)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "watch", Watch(self.health))  # how a frozen dataclass computes a field

    def get(
        self,
        artifact: Artifact,
        file: Growing,
        *,
        advance: Callable[[int], None],
        tell: Callable[[str], None] = lambda _: None,
    ) -> Tally:
        """Completes `file`, so that its hash is the artifact's.

        advance, tell: hear of bytes won and lost, and of a pause that a server asks for.

        Raises NetworkError (each mirror with its cause), IntegrityError (all gave wrong bytes), DiskError, Stopped.
        """
        names = self.where.names(artifact)
        download = _Download(artifact=artifact, file=file, advance=advance, use=self)
        download.tally.resumed = file.size
        for turn in range(ROUNDS):
            if download.is_complete() or download.run(names):
                return download.tally
            names = tuple(n for n in names if download.last[n].again)
            if not names or turn == ROUNDS - 1:
                break
            pause = _pause(turn, [download.last[n] for n in names])
            if pause > _LONG:
                tell(f"{artifact.filename}: asks {', '.join(names)} again in {pause:.0f} s")
            if self.stop.wait(pause):
                raise Stopped
        raise download.error()


def _pause(turn: int, said: list[Unavailable]) -> float:
    """Seconds until the next round: what the most lenient server asks for."""
    asked = min((u.after for u in said if u.after is not None), default=0.0)
    return min(max(PAUSE * (1 << turn), asked), LONGEST_WAIT)


def _is_html(chunk: bytes) -> bool:
    """Whether a file begins as a page does, whatever its type says: its bytes must not be gone on with."""
    return chunk[:64].lstrip()[:9].lower().startswith((b"<!doctype", b"<html"))


@dataclass(kw_only=True)
class _Download:
    artifact: Artifact
    file: Growing
    advance: Callable[[int], None]
    use: Failover
    tally: Tally = field(default_factory=Tally)
    last: dict[str, Unavailable] = field(default_factory=dict)
    """What each mirror said last."""
    left: list[str] = field(default_factory=list)
    """Mirrors that this round may still ask."""
    slow: set[str] = field(default_factory=set)
    """Mirrors that were called off, each once: asked for this file only when all others have failed."""

    def is_complete(self) -> bool:
        """Whether the file is whole and right; one that is whole and wrong starts again."""
        if self.file.size < self.artifact.size:
            return False
        if self.file.digest() == self.artifact.sha256:
            return True
        self._lose()
        return False

    def run(self, names: tuple[str, ...]) -> bool:
        """One round over the mirrors; true when the file is complete and right."""
        self.left = self._sorted(names)
        spare = set(names)
        while self.left:
            race = Race(self._open, health=self.use.health, stop=self.use.stop)
            won = race.run(self.left, self._failed)
            for late in race.late:
                self.use.health.bad(late, contact=False)
                self._note(late, Unavailable(cause="had no answer yet when another mirror did", again=True))
            if won is None:
                return False
            name, answer = won
            had = self.file.size
            broken = self._attempt(name, answer)
            if broken is None:
                return True
            if broken.slow:
                self._overtake(name, broken)
                continue
            self._failed(name, broken)
            far = self.file.size - had >= FAR
            if broken.again and broken.contact and (far or name in spare):
                self.left.insert(0, name)  # goes on where it broke off: once, or for as long as it gets anywhere
                spare = spare if far else spare - {name}
        return False

    def _sorted(self, names: Iterable[str]) -> list[str]:
        order = self.use.health.order(names, self.artifact.size - self.file.size)
        return sorted(order, key=lambda n: n in self.slow)

    def error(self) -> NetworkError | IntegrityError:
        """Why nobody gave the file."""
        said = self.last.items()
        if all(u.wrong for u in self.last.values()):
            return IntegrityError(
                f"every mirror gave wrong bytes for {self.artifact.filename}",
                where=f"{self.artifact.source}: {self.artifact.path}",
                seen=f"expected sha256 {self.artifact.sha256}; "
                + "; ".join(f"{name} gave {u.wrong}" for name, u in said),
                remedy="if the file was replaced at its source on purpose, lock again; otherwise do not trust it",
            )
        return NetworkError(
            f"no mirror gave {self.artifact.filename}",
            where=f"{self.artifact.source}: {self.artifact.path}",
            faults=tuple(Fault(what=f"{name}: {u.cause}", where=u.host) for name, u in said),
            remedy="check the network (HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE are honoured) or name more mirrors in "
            "the recipe, then run it again: what was fetched stays and is gone on with",
        )

    def _open(self, name: str) -> Answer:
        """The rest of the file from the first of a mirror's addresses that gives it, else all of it.

        There are servers that know no ranges and say so by an error (400, 403, 416, 501), or by sending another one.
        """
        agent = self.use.where.agent(name, self.artifact)
        urls = self.use.where.urls(name, self.artifact)
        said = Unavailable(cause="has no address for it", contact=False)
        for offset in dict.fromkeys((self.file.size, 0)):
            for url in urls:
                try:
                    answer = self.use.transport.open(url, offset=offset, agent=agent)
                except Unavailable as unavailable:
                    if not unavailable.contact or unavailable.again:
                        raise
                    said = unavailable
                    continue
                if answer.offset in (0, offset):
                    return answer
                answer.close()
                cause = f"sends another range than was asked for, from byte {answer.offset}"
                said = Unavailable(cause=cause, host=answer.host)
        raise said

    def _failed(self, name: str, said: Unavailable) -> None:
        self.left = [n for n in self.left if n != name]
        self.use.health.bad(name, contact=said.contact, rest=min(said.after or 0.0, LONGEST_WAIT))
        self._note(name, said)

    def _overtake(self, name: str, said: Unavailable) -> None:
        """Another mirror goes on with the file; this one is asked again only when all others have failed."""
        self.slow.add(name)
        self.left = self._sorted(self.left)
        self._note(name, said)

    def _note(self, name: str, said: Unavailable) -> None:
        self.last[name] = said
        self.tally.failures.append(Failure(mirror=name, file=self.artifact.filename, cause=said.cause))

    def _attempt(self, name: str, answer: Answer) -> Unavailable | None:
        """Takes one answer to its end; what was wrong with it, or None when the file is complete and right."""
        try:
            whole = self._begin(answer)
            self._take(name, answer)
            self._judge(whole=whole)
        except Unavailable as unavailable:
            unavailable.host = unavailable.host or answer.host
            return unavailable
        finally:
            answer.close()
            self.use.health.done(name)
        self.use.health.good(name)
        self.tally.finished[name] += 1
        return None

    def _begin(self, answer: Answer) -> bool:
        """Checks what is offered; true when it is the whole file, and not the rest of one."""
        if answer.size not in (None, self.artifact.size):
            raise Unavailable(cause=f"offers {answer.size} bytes instead of {self.artifact.size}")
        if answer.offset == 0:
            self._lose()
        return answer.offset == 0

    def _take(self, name: str, answer: Answer) -> None:
        others = [n for n in self.left if n != name and n not in self.slow]
        stream = Stream(name=name, answer=answer, left=self.artifact.size - self.file.size, others=others)
        with self.use.watch.over(stream):
            try:
                self._read(stream)
            except Unavailable:
                if not stream.slow:
                    raise
        if self.file.size < self.artifact.size:
            cause = stream.slow or f"ended after {self.file.size} of {self.artifact.size} bytes"
            raise Unavailable(cause=cause, again=True, slow=bool(stream.slow))

    def _read(self, stream: Stream) -> None:
        for chunk in stream.answer.chunks():
            if self.use.stop.is_set():
                raise Stopped
            if self.file.size == 0 and _is_html(chunk):
                raise Unavailable(cause=HTML)
            if self.file.size + len(chunk) > self.artifact.size:
                self._lose()
                raise Unavailable(cause=f"sends more than the file's {self.artifact.size} bytes")
            self.file.write(chunk)
            stream.got += len(chunk)
            self.tally.bytes[stream.name] += len(chunk)
            self.advance(len(chunk))

    def _judge(self, *, whole: bool) -> None:
        digest = self.file.digest()
        if digest == self.artifact.sha256:
            return
        self._lose()
        if not whole:  # nobody can tell whose bytes were wrong: the same mirror may give all of them
            raise Unavailable(cause="its bytes and those of an earlier try do not make the file", again=True)
        raise Unavailable(cause=f"wrong bytes: sha256 {digest}", wrong=digest)

    def _lose(self) -> None:
        self.advance(-self.file.size)
        self.file.restart()
        self.tally.resumed = 0
