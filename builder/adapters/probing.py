"""Asks mirrors how they are: one source of one mirror at a time, and all mirrors at once."""

from __future__ import annotations

import email.utils
import re
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Final

import builder
from builder.adapters.conda.repodata_form import START, Index, compared
from builder.adapters.http.asking import Asker, Reply
from builder.adapters.lock.installers import load_installers
from builder.errors import BuilderError
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.entry import address, kind_of
from builder.mirrors.index import files_of, uploads_of
from builder.mirrors.probe import NO_RANGE, READ, Finding, Question, Zst, judged
from builder.mirrors.race import Stopped
from builder.mirrors.transport import CONDA_AGENT, Page, Unavailable
from builder.progress import Progress, Task

PROJECT: Final = "boto3"
"""On an index: released on every working day, so that its newest file tells how old a copy is."""
SUITES: Final = {"debian": "stable-updates", "debian-security": "stable-security"}
"""Signed anew every day, whether anything changed or not."""
QUICK: Final = 1 << 18
"""Bytes of repodata.json.zst that a quick look reads."""
_BITE: Final = 1024
_PAGE: Final = 1 << 24
_MAGIC: Final = {".conda": b"PK\x03\x04", ".whl": b"PK\x03\x04", ".tar.bz2": b"BZh", ".tar.gz": b"\x1f\x8b"}
_INDEX: Final = {
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1",
    "Accept-Encoding": "gzip",
}
_OWN: Final = f"builder/{builder.__version__}"


def survey(
    questions: Sequence[Question], mirrors: Mirrors, *, asker: Asker, progress: Progress, quick: bool
) -> tuple[Finding, ...]:
    """Asks every mirror at once, and of each one thing after the other; in the order of the questions.

    An interrupt ends everything that is under way.
    """
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.mirror, []).append(question)
    found: dict[Question, Finding] = {}
    failed: list[BaseException] = []
    with progress.task(f"asking {len(groups)} mirror{'s' * (len(groups) != 1)}", unit="bytes") as task:

        def one(asked: Sequence[Question]) -> None:
            try:
                for question in asked:
                    task.detail(f"{question.mirror}: {question.source}")
                    found[question] = _Probe(question, mirrors, asker, task, quick).run()
            except BaseException as error:
                failed.append(error)

        # Daemons: one that waits for a silent server must not hold up an interrupt.
        threads = [threading.Thread(target=one, args=(asked,), daemon=True) for asked in groups.values()]
        _run(threads, asker)
    if failed:
        raise failed[0]
    return judged(found[question] for question in questions)


def _run(threads: Sequence[threading.Thread], asker: Asker) -> None:
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    except BaseException:
        asker.close()
        raise


@dataclass
class _Seen:
    """What a source's own index said."""

    cause: str | None = None
    newest: float | None = None
    packages: int | None = None
    zst: Zst | None = None
    package: str | None = None


@dataclass
class _Probe:
    question: Question
    mirrors: Mirrors
    asker: Asker
    task: Task
    quick: bool
    seen: _Seen = field(default_factory=_Seen)
    replies: list[Reply] = field(default_factory=list)

    def run(self) -> Finding:
        """Everything about one source of one mirror."""
        source = self.question.source
        ask = {"conda": self._conda, "pypi": self._pypi, "debian": self._debian, "installer": self._installer}
        try:
            roots = self.mirrors.roots(self.question.mirror, source)
            ask[kind_of(source) or "conda"](roots[0])
        except Stopped:
            raise
        except Unavailable as unavailable:
            self.seen.cause = unavailable.cause
        except BuilderError as error:
            self.seen.cause = ": ".join(filter(None, (error.what, error.seen)))
        return self._told()

    def _told(self) -> Finding:
        first = self.replies[0] if self.replies else None
        peers = [reply.peer for reply in self.replies]
        ending = min((p for p in peers if p.days is not None), key=lambda p: p.days or 0, default=None)
        return Finding(
            mirror=self.question.mirror,
            source=self.question.source,
            up=self.seen.cause is None,
            cause=self.seen.cause,
            newest=self.seen.newest,
            packages=self.seen.packages,
            zst=self.seen.zst,
            package=self.seen.package,
            first_byte=first.first_byte if first else None,
            modified=first.modified if first and kind_of(self.question.source) != "installer" else None,
            rate=max((r.rate for r in self.replies if r.rate), default=None),
            hosts=tuple(dict.fromkeys(p.host for p in peers)),
            via=tuple(dict.fromkeys(host for r in self.replies for host in r.via)),
            addresses=tuple(dict.fromkeys(p.address for p in peers if p.address)),
            issuer=ending.issuer if ending else None,
            days=ending.days if ending else None,
            certificates=tuple(dict.fromkeys(p.sha256 for p in peers if p.sha256)),
            read=sum(r.read for r in self.replies),
        )

    def _ask(
        self, url: str, *, agent: str, most: int | None = None, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Reply]:
        """An answer; of `most` bytes, if the server knows ranges. Raises Unavailable."""
        wanted = {"Range": f"bytes=0-{most - 1}"} if most else {}
        return self.asker.ask(url, agent=self.question.agent or agent, headers={**wanted, **(headers or {})})

    def _read(self, reply: Reply, most: int | None = None) -> Iterator[bytes]:
        """The body, which counts; a reply of which nothing could be used does not."""
        self.replies.append(reply)
        for piece in reply.pieces(most):
            self.task.advance(len(piece))
            yield piece

    def _conda(self, root: str) -> None:
        zst = self._compressed(f"{root}/repodata.json.zst")
        plain = self._plain(f"{root}/repodata.json", zst)
        main = zst.scanner or plain.scanner
        if main is None:
            raise Unavailable(cause=plain.cause or "no repodata")
        cut = (zst if main is zst.scanner else plain).is_cut
        whole = main.is_whole and not cut
        if not (whole or cut):
            self.seen.cause = "its repodata has no end"
        self.seen.zst = compared(zst, plain)
        if whole:
            self.seen.newest, self.seen.packages = main.newest, main.packages
        if main.file:
            self.seen.package = self._package(f"{root}/{main.file}", main.file_size)

    def _compressed(self, url: str) -> Index:
        """repodata.json.zst, or why there is none."""
        index = Index()
        try:
            with self._ask(url, agent=CONDA_AGENT, most=QUICK if self.quick else None) as reply:
                _refuse_html(reply)
                index.scan(self._read(reply, QUICK if self.quick else None), compressed=True)
                index.is_cut = reply.is_cut or (reply.status == 206 and reply.read != reply.total)
        except Unavailable as unavailable:
            if not unavailable.contact:
                raise
            index.cause = unavailable.cause
        return index

    def _plain(self, url: str, zst: Index) -> Index:
        """repodata.json: its beginning where the .zst told the rest, else all of it."""
        index = Index()
        part = self.quick or zst.scanner is not None
        try:
            with self._ask(url, agent=CONDA_AGENT, most=START if part else None) as reply:
                _refuse_html(reply)
                index.total = reply.total
                index.scan(self._read(reply, START if part else None), compressed=False)
                index.is_cut = reply.is_cut or (part and reply.total != index.size)
        except Unavailable as unavailable:
            if zst.scanner is None:
                raise
            index.cause = unavailable.cause
        return index

    def _installer(self, root: str) -> None:
        """The newest one that is known: of these a mirror has no index."""
        known = [entry for entry in load_installers() if (entry.family, entry.arch) == (self.question.source, "amd64")]
        url = address(root, max(known, key=lambda entry: entry.age).path)
        with self._ask(url, agent=CONDA_AGENT, most=_BITE) as reply:
            _refuse_html(reply)
            got = b"".join(self._read(reply, _BITE))
        self.seen.package = READ if reply.status == 206 else NO_RANGE
        if not got.startswith(b"#!"):
            raise Unavailable(cause="what it gives for an installer is none")

    def _package(self, url: str, size: int | None) -> str:
        """`read`, or what is wrong with the first bytes of a real package."""
        try:
            with self._ask(url, agent=CONDA_AGENT if size else _OWN, most=_BITE) as reply:
                got = b"".join(self._read(reply, _BITE))
        except Unavailable as unavailable:
            return unavailable.cause
        magic = next((m for end, m in _MAGIC.items() if url.endswith(end)), b"")
        if not got.startswith(magic):
            return "a page of HTML" if got.lstrip().startswith(b"<") else "not what its name says"
        if size is not None and reply.total is not None and reply.total != size:
            return f"{reply.total} bytes, not {size}"
        if reply.status != 206:
            return NO_RANGE
        return READ if len(got) == min(_BITE, size or _BITE) else f"a range of {len(got)} bytes, not {_BITE}"

    def _pypi(self, root: str) -> None:
        with self._ask(f"{root}/{PROJECT}/", agent=_OWN, headers=_INDEX) as reply:
            page = Page(text=_text(reply, self._read(reply, _PAGE)), media_type=reply.media_type, url=reply.url)
        files, times = files_of(page), uploads_of(page)
        newest = max(times, key=lambda name: times[name]) if times else next(reversed(files), None)
        self.seen.newest, self.seen.packages = times.get(newest or ""), len(files)
        if newest in files:
            self.seen.package = self._package(files[newest], None)

    def _debian(self, root: str) -> None:
        with self._ask(f"{root}/dists/{SUITES[self.question.source]}/InRelease", agent=_OWN) as reply:
            _refuse_html(reply)
            text = _text(reply, self._read(reply, _PAGE))
        dated = re.search(r"^Date: (.+)$", text, re.MULTILINE)
        if not text.startswith("-----BEGIN PGP SIGNED MESSAGE-----") or not dated:
            raise Unavailable(cause="its InRelease is none")
        with suppress(ValueError):
            self.seen.newest = email.utils.parsedate_to_datetime(dated[1].replace("UTC", "+0000")).timestamp()


def _text(reply: Reply, pieces: Iterator[bytes]) -> str:
    data = b"".join(pieces)
    with suppress(zlib.error):
        data = zlib.decompress(data, 31) if reply.headers.get("Content-Encoding") == "gzip" else data
    return data.decode("utf-8", errors="replace")


def _refuse_html(reply: Reply) -> None:
    if reply.media_type == "text/html":
        raise Unavailable(cause="a page of HTML in place of its index", host=reply.peer.host)
