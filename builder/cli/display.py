"""How work is seen: bars on a terminal, lines in a log, nothing beside JSON; and tables of results.

Progress goes to standard error, results to standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from builder.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.table import Table


def progress(json: bool = False) -> Progress:
    """Where a command's work reports to: silent beside JSON, bars on a terminal, lines elsewhere and in CI."""
    if json:
        return Silent()
    if is_live(sys.stderr):
        from builder.cli.bars import Bars

        return Bars()
    from builder.cli.lines import Lines

    return Lines()


def is_live(stream: TextIO) -> bool:
    """True for a terminal that can move its cursor and that a person looks at."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    styles: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> None:
    """Prints rows under headers; columns named in `right` are aligned there.

    `styles` gives cells with that text a colour (`{"PASS": "green"}`), `links` a URL, both on a terminal only. Off a
    terminal nothing is wrapped or shortened, however wide it gets.
    """
    from rich.console import Console

    live = is_live(sys.stdout)
    console = Console(file=sys.stdout, highlight=False, width=None if live else 10_000, force_terminal=live)
    looks = {**(styles or {}), **{text: f"link {url}" for text, url in (links or {}).items()}} if live else {}
    shown = _table(headers, rows, right=right, styles=looks, bold=live)
    with console.capture() as capture:
        console.print(shown)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def picture(
    title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Mapping[str, str], width: int = 130
) -> str:
    """The same table as an SVG image of a terminal, `width` columns wide; it asks no server for a font."""
    import io
    import re

    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console

    console = Console(file=io.StringIO(), record=True, width=width, force_terminal=True, highlight=False)
    console.print(_table(headers, rows, right=(), styles=styles, bold=True))
    own_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title=title, unique_id="builder", code_format=own_fonts)


def _table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str],
    styles: Mapping[str, str],
    bold: bool,
) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold" if bold else "")
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    for header, width in zip(headers, widths, strict=True):
        # Where a terminal is too narrow the widest column gives way: a name or a hash in pieces helps nobody.
        side, stays = "right" if header in right else "left", width < max(widths)
        shown.add_column(header, justify=side, overflow="fold", no_wrap=stays)  # type: ignore[arg-type]
    for row in rows:
        shown.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    return shown
