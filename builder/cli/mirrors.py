"""`builder mirrors list | probe | independence`: which mirrors there are, how they are, how many they really are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from builder.mirrors.catalogue import Mirrors
    from builder.mirrors.entry import Mirror
    from builder.mirrors.independence import Independence
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

_PLAIN = ("pypi", "debian", "debian-security")
_SUBDIRS = ("linux-64", "noarch")
_GOOD = ("yes", "read", "same", "newest")
_SOON = 14
"""Days that a certificate has left, from which it is shown in red."""


@app.command(name="list", short_help="Every mirror: what it carries, and who stands behind it.")
def list_(as_json: Json = False) -> None:
    """Show every mirror: what it carries, who stands behind it, when that was last confirmed and by whom.

    They come from builder's own list and from the YAML file that BUILDER_MIRRORS names, which has the same form.
    """
    from builder.adapters.mirrors import load_mirrors
    from builder.cli.display import table

    entries = load_mirrors().entries
    if as_json:
        shown = {n: e.model_dump(mode="json", by_alias=True, exclude_defaults=True) for n, e in entries.items()}
        print(json.dumps({"mirrors": shown}, indent=2))
        return
    table(
        ("mirror", "conda", "installers", "pypi", "debian", "behind", "confirmed"),
        [_listed(name, entry) for name, entry in entries.items()],
    )
    print("\nupstream: what pip, uv, apt and conda on this host are configured with")


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
    package, looks at certificates and redirects. Of an index one page is read, of Debian the signed InRelease. No
    file takes more than a minute.

    Exit code 5 when nobody gives one of the things asked for.

    Examples: `builder mirrors probe`, `builder mirrors probe tuna nju --channel conda-forge --quick`,
    `builder mirrors probe --recipe train-py39-cpu --json`.
    """
    from builder.adapters.mirrors import load_mirrors
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
            faults=tuple(Fault(what=f"{f.mirror}: {_trouble(f)}", where=f.source) for f in faults),
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
    table(("source", "mirrors", "independent", "backends", "no answer"), [_independence(i) for i in found])
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

    for name in names or ():
        mirrors.carries(name, "pypi")  # raises for a name that does not exist
    asked = tuple(channels or ("conda-forge",))
    named = dict.fromkeys(("conda", *_PLAIN), tuple(names or (*mirrors.entries, UPSTREAM)))
    if not names and all(mirrors.is_official(f"{channel}/noarch") for channel in asked):
        named["conda"] = tuple(mirrors.entries)
    plain = () if channels else _PLAIN
    if recipe:
        read = _recipe(recipe)
        conda = read.conda
        own = {"conda": conda.mirrors if conda else (), "pypi": read.pip.mirrors}
        own |= dict.fromkeys(("debian", "debian-security"), read.apt.mirrors)
        named = {kind: tuple(names) if names else own[kind] for kind in named}
        asked = tuple(channels or (conda.channels if conda else ()))
    full = [f"{channel}/{subdir}" for channel in asked for subdir in subdirs] if subdirs else list(asked)
    return {**dict.fromkeys(full, named["conda"]), **{source: named[source] for source in plain}}


def _recipe(name: str) -> Recipe:
    from builder.pipeline import Workplace

    return Workplace().load(name).recipe


def _listed(name: str, entry: Mirror) -> tuple[str, ...]:
    conda = ["any other" if c == "*" else c for c in entry.conda]
    behind = ", ".join(f"{by} ({' '.join(s for s, b in entry.behind.items() if b == by)})" for by in _backends(entry))
    confirmed = f"{entry.confirmed.on}: {entry.confirmed.by}" if entry.confirmed else ""
    yes = ("yes" if entry.pypi else "", "yes" if entry.debian else "")
    shown = " ".join(conda[:4]) + (f" +{len(conda) - 4}" if len(conda) > 4 else "")
    return name, shown, " ".join(entry.installers), *yes, behind, confirmed


def _backends(entry: Mirror) -> Iterator[str]:
    yield from dict.fromkeys(entry.behind.values())


def _show(findings: Sequence[Finding], order: Mapping[str, Sequence[str]], warnings: Sequence[str]) -> None:
    from builder.cli.amounts import size_text
    from builder.cli.display import table

    headers = ("mirror", "source", "up", "first byte", "rate", "age", ".zst", "package", "certificate", "answers from")
    rows = [_row(f) for f in findings]
    bad = {c for f, r in zip(findings, rows, strict=True) for c in _alarming(f, r)}
    styles = {**dict.fromkeys(_GOOD, "green"), **dict.fromkeys(bad, "red")}
    table(headers, rows, right=("first byte", "rate"), styles=styles)
    print(f"\n{size_text(sum(f.read for f in findings))} were read; rates are those of mirrors asked at the same time.")
    for source, names in order.items():
        if len(names) > 1:
            print(f"{source}, best first, each backend once: [{', '.join(names)}]")
    for warning in warnings:
        print(f"warning: {warning}")


def _row(finding: Finding) -> tuple[str, ...]:
    from builder.cli.amounts import rate_text

    first = f"{1000 * finding.first_byte:.0f} ms" if finding.first_byte is not None and finding.up else ""
    rate = rate_text(finding.rate, "bytes") if finding.rate and finding.up else ""
    certificate = f"{finding.issuer}, {finding.days} days" if finding.issuer else ""
    hosts = ", ".join(finding.hosts)
    answers = f"{hosts} (sent on by {', '.join(finding.via)})" if finding.via else hosts
    up = "yes" if finding.up else f"no: {finding.cause}"
    return (
        finding.mirror,
        finding.source,
        up,
        first,
        rate,
        _age(finding),
        finding.zst or "",
        finding.package or "",
        certificate,
        answers,
    )


def _alarming(finding: Finding, row: Sequence[str]) -> Iterator[str]:
    """The cells that say why a mirror is no use, or will soon be none."""
    up, age, zst, package, certificate = row[2], *row[5:9]
    yield from [up] if not finding.up else []
    yield from [age] if finding.stale else []
    yield from [zst] if finding.zst in ("differs", "unreadable") else []
    yield from [package] if not finding.usable and package else []
    yield from [certificate] if finding.days is not None and finding.days < _SOON else []


def _age(finding: Finding) -> str:
    """How much older than the newest seen anywhere."""
    if finding.late is None:
        return ""
    if finding.late < 60:
        return "newest"
    hours = finding.late / 3600
    text = f"{hours / 24:.0f} days older" if hours >= 48 else f"{hours:.1f} h older"
    return f"stale: {text}" if finding.stale else text


def _trouble(finding: Finding) -> str:
    """Why packages cannot be had from a mirror."""
    return finding.cause or f"a package: {finding.package}"


def _independence(found: Independence) -> tuple[str, ...]:
    backends = "; ".join(" = ".join(b.names) for b in found.backends)
    return found.source, str(found.names), str(len(found.backends)), backends, " ".join(found.silent)
