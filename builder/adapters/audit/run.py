"""One audit from end to end: reads what was asked for, mends it where that was asked, gives what was found."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.adapters.audit.files import Text, texts, write_back
from builder.adapters.audit.host import HostFiles, conda_roots
from builder.audit.baseline import Named, baseline_counts, new_findings
from builder.audit.conda_effective import Effective
from builder.audit.dockerfile import copied_files
from builder.audit.examine import examine
from builder.audit.finding import Finding, by_place
from builder.audit.fix import Fixed, fix
from builder.audit.kinds import Kind, kind_of
from builder.audit.machine import SYSTEM_BUNDLES, Audited, audit_machine
from builder.audit.starts import scripts
from builder.audit.surroundings import Surroundings
from builder.errors import BuilderError, EngineError

if TYPE_CHECKING:
    from builder.adapters.engine.client import Engine
    from builder.models.engine import ImageFacts
    from builder.progress import Progress


_HOST: Final = "this host"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to audit."""

    paths: tuple[Path, ...] = ()
    host: bool = False
    images: tuple[str, ...] = ()
    whole: bool = False
    """Of images every file, and not only the places that are configuration."""
    fix: bool = False
    dry_run: bool = False
    """Show the fixes and write nothing."""
    baseline: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an audit found."""

    findings: tuple[Finding, ...]
    """Without what the baseline knows, and what was mended."""
    known: int
    """Findings of the baseline."""
    files: int
    conda: Mapping[str, Effective] = field(default_factory=dict)
    """What verification comes to for conda: on the host, in each image."""
    fixed: tuple[Fixed, ...] = ()


def run_audit(asked: Asked, progress: Progress) -> Outcome:
    """Reads, judges and, where asked, mends. Raises BuilderError for a path, image or baseline that is not there."""
    known = _baseline(asked.baseline)
    findings: list[Finding] = []
    fixed: list[Fixed] = []
    conda: dict[str, Effective] = {}
    files = 0
    for text in _counted(asked.paths, progress):
        for part, kind in ((text, None), *_copied(text)):
            found = examine(part.path, part.text, kind=kind)
            findings += found
            fixed += _fixes(part, found, kind) if asked.fix else ()
            files += 1
    for label, audited in _machines(asked, progress):
        findings += audited.findings
        fixed += _host_fixes(audited) if asked.fix and label == _HOST else ()
        files += audited.read
        for root, effective in audited.conda.items():
            conda[f"{label}: {root}" if len(audited.conda) > 1 else label] = effective
    if asked.fix and not asked.dry_run:
        for mended in fixed:
            write_back(mended.path, mended.before, mended.after)
        gone = {f for mended in fixed for f in mended.gone}
        findings = [f for f in findings if f not in gone]
    new = new_findings(by_place(findings), known, named_from(asked.baseline) if asked.baseline else str)
    return Outcome(findings=new, known=len(by_place(findings)) - len(new), files=files, conda=conda, fixed=tuple(fixed))


def _counted(paths: tuple[Path, ...], progress: Progress) -> Iterator[Text]:
    if not paths:
        return
    with progress.task("audit", unit="items") as task:
        for text in texts(paths):
            yield text
            task.advance(1)


def _copied(text: Text) -> Iterator[tuple[Text, Kind]]:
    """What a Dockerfile copies beside it to where it is configuration: `COPY site.cfg /etc/pip.conf`."""
    if kind_of(text.path) is Kind.DOCKERFILE:
        for source, kind in copied_files(text.text):
            path = Path(text.path).parent / source
            data = HostFiles().read(str(path))
            if data is not None and ".." not in source.split("/"):
                yield Text(path=path.as_posix(), text=data.decode("utf-8", "surrogateescape")), kind


def _machines(asked: Asked, progress: Progress) -> Iterator[tuple[str, Audited]]:
    if asked.host:
        environment = dict(os.environ)
        roots = conda_roots(environment)
        yield (
            _HOST,
            audit_machine(HostFiles(), environment, label="environment", conda_roots=roots, environments=True),
        )
    for image in asked.images:
        yield image, _image(image, progress, whole=asked.whole)


def audit_image(
    engine: Engine, image: ImageFacts, *, progress: Progress, more: tuple[str, ...] = (), whole: bool = False
) -> Audited:
    """What was found in an image, of which nothing is run; its variables are called `ENV`.

    A comment that allows a finding says nothing here: who wrote a file of an image is not who answers for the image.
    `more` are environments of the image besides those that its variables name. Raises EngineError.
    """
    from builder.adapters.audit.image import image_files  # noqa: PLC0415 - its imports are only for images

    name = image.tags[0] if image.tags else image.id[7:19]
    with (
        progress.task(f"audit {name}", unit="bytes") as task,
        image_files(engine, image, task, more=more, whole=whole) as files,
    ):
        return audit_machine(
            files,
            files.environment,
            label="ENV",
            extra=(*files.configuration(), *files.first(scripts(image.commands, files.environment, image.workdir))),
            conda_roots=files.conda_roots(),
            environments=whole,
            commands=image.commands,
            comments=False,
        )


def _image(image: str, progress: Progress, *, whole: bool) -> Audited:
    from builder.adapters.engine.client import Engine  # noqa: PLC0415 - imports docker

    engine = Engine()
    facts = engine.inspect(image)
    if facts is None:
        raise EngineError("there is no such image", where=image, remedy="`docker pull` it, or name another")
    audited = audit_image(engine, facts, progress=progress, whole=whole)
    named = tuple(f if f.path.startswith("/") else replace(f, path=f"{image}: {f.path}") for f in audited.findings)
    return replace(audited, findings=named)


def _fixes(text: Text, found: tuple[Finding, ...], kind: Kind | None) -> Iterator[Fixed]:
    """With the system's bundle where there is one, for files that take effect here."""
    here = str(Path(text.path).resolve()).startswith(("/etc/", f"{Path.home()}/."))
    bundle = next((p for p in SYSTEM_BUNDLES if Path(p).exists()), "") if here else ""
    around = Surroundings(bundle=bundle)
    given = examine(text.path, text.text, kind=kind, around=around) if bundle else found
    mended = fix(text.path, text.text, given, kind=kind, around=around)
    if mended.before != mended.after:
        gone = {(f.rule, f.line, f.column) for f in mended.gone}
        yield Fixed(
            path=mended.path,
            before=mended.before,
            after=mended.after,
            gone=tuple(f for f in found if (f.rule, f.line, f.column) in gone),
        )


def _host_fixes(audited: Audited) -> Iterator[Fixed]:
    """Of the host's own files; what the environment sets is for its shell's files to change."""
    for path in sorted({f.path for f in audited.findings if f.edits}):
        data = HostFiles().read(path)
        found = tuple(f for f in audited.findings if f.path == path)
        if data is None:
            continue
        kind = kind_of(path, data[:80])
        if kind in (None, Kind.YAML):  # of conda's search path, by another name
            kind = Kind.CONDARC
        mended = fix(path, data.decode("utf-8", "surrogateescape"), found, kind=kind)
        if mended.before != mended.after:
            yield mended


def named_from(baseline: Path) -> Named:
    """How that baseline names a file: from its own folder; what is no file of this machine keeps its name."""
    folder = baseline.resolve().parent

    def named(path: str) -> str:
        file = Path(path)
        whole = file.resolve()
        ours = file.is_file() and (not file.is_absolute() or whole.is_relative_to(folder))
        return Path(os.path.relpath(whole, folder)).as_posix() if ours else path

    return named


def _baseline(path: Path | None) -> Counter[str]:
    if path is None:
        return baseline_counts('{"findings": []}', "")
    try:
        return baseline_counts(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise BuilderError(
            "the baseline cannot be read",
            where=str(path),
            seen=str(error),
            remedy="make it with `builder audit --write-baseline`",
        ) from error
