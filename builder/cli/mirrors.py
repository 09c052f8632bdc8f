"""`builder mirrors list | probe | independence`: which mirrors there are, how they are, how many they really are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from builder.mirrors.catalogue import Mirrors
    from builder.mirrors.probe import Finding
    from builder.models.recipe import Recipe

app = typer.Typer(
    help="Which mirrors there are, how they are, and how many they really are.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Mirrors by name; all of them if none.")]
FromRecipe = Annotated[str | None, typer.Option("--recipe", help="The mirrors and channels that this recipe names.")]
Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", help="Ask for this conda channel, and for nothing but conda; repeatable."),
]
Subdirs = Annotated[list[str] | None, typer.Option("--subdir", help="Of the channel; repeatable.")]

_PLAIN = ("miniconda", "miniforge", "pypi", "debian", "debian-security")
_SUBDIRS = ("linux-64", "noarch")
_GOOD = ("yes", "read", "same", "same size", "newest")


@app.command(name="list", short_help="Every mirror: what it carries, and who stands behind it.")
def list_(
    installers: Annotated[bool, typer.Option("--installers", help="The installers of conda instead.")] = False,
    as_json: Json = False,
) -> None:
    """Show every mirror: what it carries, who stands behind it, when that was last confirmed and by whom.

    They come from builder's own list and from the YAML file that BUILDER_MIRRORS names, which has the same form. With
    --installers: each installer of conda that is known, and who says that its hash is the right one.
    """
    from builder.adapters.mirrors import load_mirrors
    from builder.cli.display import table
    from builder.cli.mirrors_rows import listed

    if installers:
        _list_installers(as_json=as_json)
        return
    entries = load_mirrors().entries
    if as_json:
        shown = {n: e.model_dump(mode="json", by_alias=True, exclude_defaults=True) for n, e in entries.items()}
        print(json.dumps({"mirrors": shown}, indent=2))
        return
    table(
        ("mirror", "conda", "installers", "pypi", "debian", "behind", "confirmed"),
        [listed(name, entry) for name, entry in entries.items()],
    )
    print("\nupstream: what pip, uv, apt and conda on this host are configured with")


def _list_installers(*, as_json: bool) -> None:
    from builder.adapters.lock.installers import load_installers
    from builder.adapters.mirrors import load_mirrors
    from builder.cli.display import table
    from builder.cli.mirrors_rows import installer_row

    known, mirrors = load_installers(), load_mirrors()
    if as_json:
        print(json.dumps({"installers": [entry.model_dump(mode="json") for entry in known]}, indent=2))
        return
    headers = ("installer", "version", "python", "arch", "sha256", "vouched for by", "mirrors")
    table(headers, [installer_row(entry, mirrors) for entry in known])


@app.command(short_help="Which are up, fast, current and complete from here.")
def probe(
    names: Names = None,
    channels: Channels = None,
    subdirs: Subdirs = None,
    recipe: FromRecipe = None,
    quick: Annotated[bool, typer.Option("--quick", help="Read the beginning of each index, not all of it.")] = False,
    as_json: Json = False,
) -> None:
    """Ask mirrors how they are: up, fast, current, complete, and who really answers.

    GET only. Reads each repodata.json.zst to its end (conda-forge's linux-64 is some 40 MB; with --quick 0.33 MB are
    read, and Last-Modified stands in for the newest package), compares it with repodata.json, reads a range of a real
    package, looks at certificates and redirects. Of an index one page is read, of Debian the signed InRelease, of
    installers the beginning of the newest one. No file takes more than a minute.

    Exit code 5 when nobody gives one of the things asked for.

    Examples: `builder mirrors probe`, `builder mirrors probe tuna nju --channel conda-forge --quick`,
    `builder mirrors probe --recipe train-py39-cpu --json`.
    """
    from builder.adapters.mirrors import load_mirrors
    from builder.cli.mirrors_rows import trouble
    from builder.errors import Fault, NetworkError
    from builder.mirrors.independence import by_answers
    from builder.mirrors.probe import without
    from builder.mirrors.ranking import advised, best_first

    findings = best_first(_survey(names, channels, subdirs, recipe, quick=quick, as_json=as_json))
    nobody = without(findings)
    independent = by_answers(load_mirrors(), findings)
    order = advised(findings, independent)
    if as_json:
        shown = [f.model_dump(mode="json") | {"usable": f.usable, "stale": f.stale} for f in findings]
        read = sum(f.read for f in findings)
        print(json.dumps({"findings": shown, "order": order, "without": nobody, "read": read}, indent=2))
        if nobody:
            raise typer.Exit(NetworkError.exit_code)
        return
    _show(findings, order, [i.warning for i in independent if i.warning])
    if nobody:
        faults = [f for f in findings if f.source in nobody]
        raise NetworkError(
            f"no mirror gives {', '.join(nobody)}",
            faults=tuple(Fault(what=f"{f.mirror}: {trouble(f)}", where=f.source) for f in faults),
            remedy="check the network (HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE are honoured), or name other mirrors",
        )


@app.command(short_help="How many mirrors there really are.")
def independence(
    names: Names = None,
    channels: Channels = None,
    recipe: FromRecipe = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: only what the list of mirrors says.")] = False,
    as_json: Json = False,
) -> None:
    """How many mirrors there really are: names that one backend answers for are one, and fail together.

    Follows redirects and compares who answers in the end, at which address and with which certificate.

    Examples: `builder mirrors independence tuna ustc nju`, `builder mirrors independence --offline`,
    `builder mirrors independence --recipe train-py39-cpu`.
    """
    from builder.adapters.mirrors import load_mirrors
    from builder.cli.display import table
    from builder.cli.mirrors_rows import independence_row
    from builder.mirrors.independence import by_answers, by_data

    mirrors = load_mirrors()
    if offline:
        wanted = _wanted(mirrors, names, channels, (), recipe)
        found = tuple(by_data(mirrors, named, source) for source, named in wanted.items())
    else:
        findings = _survey(names, channels, ("linux-64",), recipe, quick=True, as_json=as_json)
        found = by_answers(mirrors, findings)
    warnings = [i.warning for i in found if i.warning]
    if as_json:
        shown = [i.model_dump(mode="json") | {"independent": len(i.backends)} for i in found]
        print(json.dumps({"sources": shown, "warnings": warnings}, indent=2))
        return
    table(("source", "mirrors", "independent", "backends", "no answer"), [independence_row(i) for i in found])
    for warning in warnings:
        print(f"\nwarning: {warning}")


def _survey(
    names: list[str] | None,
    channels: list[str] | None,
    subdirs: Sequence[str] | None,
    recipe: str | None,
    *,
    quick: bool,
    as_json: bool,
) -> tuple[Finding, ...]:
    """What the mirrors answer; every error but a mirror's own is raised."""
    from builder.adapters.http.asking import Asker
    from builder.adapters.mirrors import load_mirrors
    from builder.adapters.probing import survey
    from builder.cli.display import progress
    from builder.errors import RecipeError
    from builder.mirrors.probe import questions

    mirrors = load_mirrors()
    wanted = _wanted(mirrors, names, channels, subdirs or _SUBDIRS, recipe)
    asked = [q for source, named in wanted.items() for q in questions(mirrors, named, (source,))]
    if not asked:
        raise RecipeError(
            f"none of these mirrors carries {', '.join(wanted) or 'anything'}",
            seen=f"mirrors: {', '.join(names or ())}",
            remedy="`builder mirrors list` shows what each carries",
        )
    shown = progress(as_json)
    if not quick:
        shown.say("indexes are read to their end, 60 s each at most; --quick reads their beginning")
    return survey(asked, mirrors, asker=Asker(), progress=shown, quick=quick)


def _wanted(
    mirrors: Mirrors,
    names: list[str] | None,
    channels: list[str] | None,
    subdirs: Sequence[str],
    recipe: str | None,
) -> dict[str, tuple[str, ...]]:
    """By source the mirrors to ask; a channel without subdirs is a source of its own."""
    from builder.mirrors.catalogue import UPSTREAM
    from builder.mirrors.entry import INSTALLERS

    for name in names or ():
        mirrors.carries(name, "pypi")  # raises for a name that does not exist
    asked = tuple(channels or ("conda-forge",))
    named = dict.fromkeys(("conda", *_PLAIN), tuple(names or (*mirrors.entries, UPSTREAM)))
    if not names:  # of installers upstream is the official host, which is named
        named |= dict.fromkeys(INSTALLERS, tuple(mirrors.entries))
    if not names and all(mirrors.is_official(f"{channel}/noarch") for channel in asked):
        named["conda"] = tuple(mirrors.entries)
    plain = () if channels else _PLAIN
    if recipe:
        read = _recipe(recipe)
        conda = read.conda
        own = {"conda": conda.mirrors if conda else (), "pypi": read.pip.mirrors}
        own |= {conda.installer: conda.mirrors} if conda else {}
        own |= dict.fromkeys(("debian", "debian-security"), read.apt.mirrors)
        named = {kind: tuple(names) if names else own[kind] for kind in own}
        asked = tuple(channels or (conda.channels if conda else ()))
    full = [f"{channel}/{subdir}" for channel in asked for subdir in subdirs] if subdirs else list(asked)
    return {**dict.fromkeys(full, named["conda"]), **{source: named[source] for source in plain if source in named}}


def _recipe(name: str) -> Recipe:
    from builder.pipeline import Workplace

    return Workplace().load(name).recipe


def _show(findings: Sequence[Finding], order: Mapping[str, Sequence[str]], warnings: Sequence[str]) -> None:
    from builder.cli.amounts import size_text
    from builder.cli.display import table
    from builder.cli.mirrors_rows import alarming, row

    headers = ("mirror", "source", "up", "first byte", "rate", "age", ".zst", "package", "certificate", "answers from")
    rows = [row(f) for f in findings]
    bad = {c for f, r in zip(findings, rows, strict=True) for c in alarming(f, r)}
    styles = {**dict.fromkeys(_GOOD, "green"), **dict.fromkeys(bad, "red")}
    table(headers, rows, right=("first byte", "rate"), styles=styles)
    print(f"\n{size_text(sum(f.read for f in findings))} were read; rates are those of mirrors asked at the same time.")
    for source, names in order.items():
        if len(names) > 1:
            print(f"{source}, best first, each backend once: [{', '.join(names)}]")
    for warning in warnings:
        print(f"warning: {warning}")
