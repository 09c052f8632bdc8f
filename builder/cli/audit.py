"""`builder audit`: every way in which verification is off or its configuration stale, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from builder.cli.amounts import counted

if TYPE_CHECKING:
    from builder.adapters.audit.run import Outcome
    from builder.audit.conda_effective import Effective
    from builder.audit.finding import Finding, Severity

app = typer.Typer()


class Format(str, Enum):
    """How the findings are told."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


class Level(str, Enum):
    """From which severity on the exit code is not 0."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@app.command()
def audit(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH", help="Files and folders; `.` if none.")] = None,
    host: Annotated[bool, typer.Option("--host", help="This machine: all clients' files and the environment.")] = False,
    images: Annotated[
        list[str] | None,
        typer.Option("--image", help="An image: its ENV, /etc, homes, environments; nothing of it is run."),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="With --image: every file, wherever it lies; slower.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend files where it is safe, and show the diff.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --fix: show the diff, write nothing.")] = False,
    form: Annotated[Format, typer.Option("--format", help="For people, scripts, code hosts, CI.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    fail_on: Annotated[Level, typer.Option("--fail-on", help="Exit with 16 from this severity on.")] = Level.ERROR,
    baseline: Annotated[Path | None, typer.Option("--baseline", help="Findings that are known: passed by.")] = None,
    write_baseline: Annotated[
        Path | None, typer.Option("--write-baseline", help="Write what is found now, to be passed by later.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List what is looked for.")] = False,
) -> None:
    """Find every bypass of TLS verification in files, folders, Dockerfiles, images and on this host.

    Exceptions stand in the file, with a reason: `# builder-audit: allow CURL001 the test server signs itself`.

    In images it does not count: there a recipe answers, with `audit: {allow: [{rule: ..., at: ..., reason: ...}]}`.

    Examples: `builder audit`, `builder audit --host`, `builder audit --image app:1 --json`, `builder audit ci/ --fix`.
    """
    if as_json and form not in (Format.TEXT, Format.JSON):
        raise typer.BadParameter(
            f"it is the same as --format json, and --format {form.value} is asked for as well", param_hint="--json"
        )
    if dry_run and not fix:
        raise typer.BadParameter(
            "it goes with --fix, and without that nothing is written anyway", param_hint="--dry-run"
        )
    form = Format.JSON if as_json else form
    if rules:
        _list_rules(form)
        return
    from builder.adapters.audit.run import Asked, run_audit
    from builder.audit.finding import Severity
    from builder.cli.display import progress

    asked = Asked(
        paths=tuple(paths or ([] if host or images else [Path()])),
        host=host,
        images=tuple(images or ()),
        whole=whole,
        fix=fix,
        dry_run=dry_run,
        baseline=baseline,
    )
    outcome = run_audit(asked, progress(form is not Format.TEXT))
    if write_baseline:
        _write(write_baseline, outcome)
        return
    fails = Severity(fail_on.value)
    _tell(outcome, form, fails, dry_run=dry_run)
    _leave(outcome, fails)


def _leave(outcome: Outcome, fails: Severity) -> None:
    from builder.audit.policy import at_least
    from builder.errors import FindingsError

    grave = at_least(outcome.findings, fails)
    if grave:
        raise typer.Exit(FindingsError.exit_code)


def _tell(outcome: Outcome, form: Format, fails: Severity, *, dry_run: bool) -> None:
    match form:
        case Format.JSON:
            print(json.dumps(_document(outcome), indent=2))
        case Format.SARIF:
            import builder
            from builder.report.sarif import sarif

            print(sarif(outcome.findings, version=builder.__version__), end="")
        case Format.JUNIT:
            from builder.audit.junit import junit

            print(junit(outcome.findings, fails=fails), end="")
        case Format.TEXT:
            print("\n".join(_lines(outcome, dry_run=dry_run)))


def _lines(outcome: Outcome, *, dry_run: bool) -> Iterator[str]:
    for mended in outcome.fixed:
        yield mended.diff.encode("utf-8", "replace").decode().rstrip("\n")
    if outcome.fixed:
        count = sum(len(m.gone) for m in outcome.fixed)
        word = "would mend" if dry_run else "mended"
        yield f"{word} {counted(count, 'finding')} in {counted(len(outcome.fixed), 'file')}\n"
    for finding in outcome.findings:
        yield from _finding_lines(finding)
    for label, effective in outcome.conda.items():
        yield from _conda_lines(label, effective)
    yield _summary(outcome)


_COLOURS = {"error": "\033[1;31m", "warning": "\033[1;33m", "note": "\033[1;36m"}


def _finding_lines(finding: Finding) -> Iterator[str]:
    word = finding.severity.value
    if sys.stdout.isatty():
        word = f"{_COLOURS[word]}{word}\033[0m"
    place = finding.place.encode("utf-8", "replace").decode()
    yield f"{place}: {word} {finding.rule}: {finding.title}"
    yield f"    seen: {finding.seen}"
    if finding.wins:
        yield f"    wins: {finding.wins}"
    yield f"    why: {finding.why}"
    yield f"    to do: {finding.remedy}{' (--fix does it)' if finding.edits else ''}\n"


def _conda_lines(label: str, effective: Effective) -> Iterator[str]:
    yield f"conda's verification on {label}: {effective.verdict.value}"
    yield f"    {effective.winner}: {effective.value or effective.why} ({effective.why})"
    for other in (p for p in effective.participants if not p.wins):
        yield f"    {other.where}: {other.value} ({other.said})"
    yield ""


def _summary(outcome: Outcome) -> str:
    counts = [(s, sum(f.severity.value == s for f in outcome.findings)) for s in ("error", "warning", "note")]
    said = ", ".join(counted(n, word) for word, n in counts if n) or "nothing found"
    if not outcome.files:
        return "nothing was read: no file here is of a kind that the audit knows"
    known = f"; {outcome.known} known from the baseline" if outcome.known else ""
    return f"{said} in {counted(outcome.files, 'file')}{known}"


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "files": outcome.files,
        "known": outcome.known,
        "findings": [_finding_document(f) for f in outcome.findings],
        "conda": {label: _conda_document(e) for label, e in outcome.conda.items()},
        "fixed": [{"path": m.path, "diff": m.diff, "rules": [f.rule for f in m.gone]} for m in outcome.fixed],
    }


def _finding_document(finding: Finding) -> dict[str, Any]:
    names = ("rule", "title", "path", "line", "column", "seen", "wins", "why", "remedy")
    plain = {name: getattr(finding, name) for name in names}
    return {**plain, "severity": finding.severity.value, "fixable": bool(finding.edits)}


def _conda_document(effective: Effective) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(effective), "verdict": effective.verdict.value}


def _write(path: Path, outcome: Outcome) -> None:
    from builder.adapters.audit.run import named_from
    from builder.audit.baseline import baseline_text
    from builder.errors import DiskError

    try:
        path.write_text(baseline_text(outcome.findings, named_from(path)), encoding="utf-8", errors="replace")
    except OSError as error:
        raise DiskError("cannot write the baseline", where=str(path), seen=str(error)) from error
    print(f"{path}: {counted(len(outcome.findings), 'finding')}; pass them by with --baseline {path}")


def _list_rules(form: Format) -> None:
    from builder.audit.rules import RULES

    if form is Format.JSON:
        fields = ("id", "title", "why", "remedy")
        listed = [{**{f: getattr(r, f) for f in fields}, "severity": r.severity.value} for r in RULES.values()]
        print(json.dumps(listed, indent=2))
        return
    from builder.cli.display import table

    rows = [(r.id, r.severity.value, r.title, r.remedy) for r in RULES.values()]
    table(("rule", "severity", "what", "to do"), rows, styles={"error": "red", "warning": "yellow"})
