"""`builder report`: what was found in an image, as a table, a page, JUnit, JSON or a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from builder.cli import show

if TYPE_CHECKING:
    from builder.models.report import Report
    from builder.pipeline import Workplace

app = typer.Typer()


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="The recipe, as in recipes/NAME.yaml.", metavar="NAME")],
    junit: Annotated[bool, typer.Option("--junit", help="Print JUnit XML.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Print the table as an SVG picture.")] = False,
    html: Annotated[
        str | None, typer.Option(help="Write the page that a person reads to this file; `-` prints it.", metavar="FILE")
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Show that page in the browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for machines.")] = False,
) -> None:
    """Show what was found in the last checked image, with the evidence.

    Examples: `builder report mine --open`, `builder report mine --html report.html`,
    `builder report mine --junit > report.xml`.
    """
    from builder.pipeline import Workplace, last_report

    place = Workplace()
    found = last_report(place, name)
    if html is not None:
        _write_page(place, found, html)
    if opened:
        _open_page(place, found)
    if html is not None or opened:
        return
    if junit:
        print(place.reports.junit_path(found).read_text(encoding="utf-8"), end="")
        return
    if svg:
        from builder.cli.display import picture

        rows = [(r.name, r.outcome.value, r.summary) for r in found.results]
        print(picture(f"builder report {name}", ("check", "outcome", "what was seen"), rows, styles=show.COLOURS))
        return
    show.report(place, found, as_json)


def _write_page(place: Workplace, report: Report, target: str) -> None:
    """The page as one file that goes anywhere: it needs nothing beside it."""
    from builder.errors import DiskError

    text = place.reports.page(report)
    if target == "-":
        print(text, end="")
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        seen = error.strerror or str(error)
        raise DiskError("cannot write the page", where=target, seen=seen, remedy="name another file") from error
    print(f"page: {target}")


def _open_page(place: Workplace, report: Report) -> None:
    """The page that lies beside the report; made anew, for a report of an older version has none."""
    import webbrowser

    path = place.reports.write_page(report)
    print(f"page: {path}")
    if not webbrowser.open(path.as_uri()):
        print("no browser could be started; open that file in one", file=sys.stderr)
