"""`builder prove`: what the host that built an image could not prove, asked on one that can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from builder.pipeline import Proven, Workplace

app = typer.Typer()


@app.command()
def prove(
    target: Annotated[str, typer.Argument(help="The recipe, or an image's ID, digest or name.", metavar="NAME|IMAGE")],
    engine: Annotated[
        str | None, typer.Option(help="The engine that can: ssh://HOST, tcp://HOST:2376, unix:///PATH.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A `docker save` to load there first.", exists=True, dir_okay=False)
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="A report from another host: `builder report NAME --json`; - reads standard input.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Ask an image what could not be asked where it was built (no GPU), and give it its final names.

    Only checks that are UNPROVEN run; their answers enter the report of that very image. The final names are given on
    the engine that proved it and on the one that built it, and the `-unproven` ones go. A check that fails takes the
    `-unproven` names away, too; a host that cannot prove anything either changes nothing (exit code 11).

    A report that is brought is believed: bring it by a way that you trust.

    With the GPU's engine in reach:

        docker save quickstart:latest-unproven | docker --host ssh://gpu load

        builder prove quickstart --engine ssh://gpu

    Or on the host with the GPU, in a checkout of the same recipes, and back:

        builder report quickstart --json > first.json

        builder prove quickstart --image quickstart.tar --report first.json

        builder report quickstart --json > proven.json

        builder prove quickstart --report proven.json
    """
    from builder.cli.display import progress
    from builder.errors import UnprovenError
    from builder.pipeline import Wanted, Workplace
    from builder.pipeline import prove as carried_out

    place = Workplace()
    wanted = Wanted(target=target, engine=engine, image=image, report=report)
    done = carried_out(place, wanted, progress(as_json))
    if as_json:
        print(json.dumps(_document(done), indent=2))
    else:
        _show(place, done)
    if done.left:
        raise typer.Exit(UnprovenError.exit_code)


def _show(place: Workplace, done: Proven) -> None:
    from builder.cli import show

    show.report(place, done.report, False)
    print()
    proved = f"proven now: {', '.join(done.proved)}" if done.proved else "nothing was asked: all is proven"
    print(f"{done.report.name} {done.report.image[7:19]}: {proved}")
    if done.left:
        print(f"still unproven: {', '.join(done.left)}")
    for one in done.engines:
        removed = f"; no longer {', '.join(one.removed)}" if one.removed else ""
        print(f"{one.engine}: " + (f"no names given: {one.missing}" if one.missing else ", ".join(one.names) + removed))


def _document(done: Proven) -> dict[str, object]:
    return {
        "name": done.report.name,
        "image": done.report.image,
        "proved": list(done.proved),
        "left": list(done.left),
        "engines": [
            {"engine": e.engine, "names": list(e.names), "removed": list(e.removed), "missing": e.missing or None}
            for e in done.engines
        ],
        "report": done.report.model_dump(mode="json"),
    }
