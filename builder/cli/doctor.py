"""`builder doctor`: what this host lacks, why TLS to a host fails, whether the clock is right; and what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
import typer.core

from builder.cli.trusted import RecipeName, stores_of
from builder.errors import EngineError, NetworkError, PinError, UntrustedError

if TYPE_CHECKING:
    from builder.adapters.tls.doctor import Options
    from builder.trust.diagnosis import Diagnosis
    from builder.trust.reached import Target

_EXAMPLES: Final = (
    ("builder doctor engine", "can images be built here?"),
    ("builder doctor example.org", "why does TLS to it fail, and what helps?"),
    ("builder doctor https://example.org:8443/x", "the same, by a URL"),
    ("builder doctor ~/.condarc", "every channel in it"),
    ("builder doctor HOST --bundle site.pem", "would it verify with this bundle?"),
    ("builder doctor HOST --recipe quickstart", "with the recipe's bundle, and held against its pins"),
    ("builder doctor HOST --in my/image", "asked by the image's own Python, with its stores and pins"),
    ("builder doctor clock", "is the clock right?"),
)
_CODES: Final = (
    ("0", "It verifies; the clock is right; an engine is there."),
    (str(UntrustedError.exit_code), "It does not verify, and the cause is named; the clock is wrong."),
    (str(PinError.exit_code), "It verifies, and is not what the recipe or the image has pinned."),
    (str(NetworkError.exit_code), "It could not be asked: no name, no connection, no answer."),
    (str(EngineError.exit_code), "No container engine answers (`doctor engine`, `--in`)."),
)


class Doctor(typer.core.TyperGroup):
    """Its own commands, and whatever else is the first word: a host."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """A first word that is no command is for the hidden command `host`."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h") and not ctx.resilient_parsing:
            args = ["host", *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands, with what is none."""
        rows = [
            (name, self.commands[name].get_short_help_str(90)) for name in self.list_commands(ctx) if name != "host"
        ]
        with formatter.section("Commands"):
            formatter.write_dl(
                [("HOST[:PORT] | URL | .condarc", "Why does TLS fail there? One cause, what helps."), *rows]
            )

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Examples, and what the exit codes mean here."""
        with formatter.section("Examples"):
            formatter.write_dl(_EXAMPLES, col_max=45)
        with formatter.section("Exit codes"):
            formatter.write_dl(_CODES)


class Host(typer.core.TyperCommand):
    """Its help ends as the group's does."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Examples and exit codes."""
        Doctor.format_epilog(self, ctx, formatter)  # type: ignore[arg-type]


app = typer.Typer(
    cls=Doctor, rich_markup_mode=None, no_args_is_help=True, help="What this host lacks, why TLS fails, and what to do."
)
_Json = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]
_Against = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL", help="A host to compare clock and issuer with; else those configured for pip, apt, conda."
    ),
]


@app.callback()
def _doctor() -> None:
    """What this host lacks, why TLS fails, and what to do."""


@app.command(cls=Host, hidden=True)
def host(
    targets: Annotated[list[str], typer.Argument(metavar="HOST[:PORT]|URL|.condarc...", help="Whom to ask.")],
    bundle: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge with these anchors alone.")] = None,
    try_: Annotated[
        list[Path] | None, typer.Option("--try", metavar="FILE", help="Certificates that might be the remedy.")
    ] = None,
    recipe: RecipeName = None,
    against: _Against = None,
    address: Annotated[
        str | None, typer.Option(metavar="IP", help="Ask there, whatever the name resolves to, and by no proxy.")
    ] = None,
    image: Annotated[
        str | None, typer.Option("--in", metavar="IMAGE", help="Ask from inside this image, with its stores.")
    ] = None,
    pem: Annotated[bool, typer.Option("--pem", help="Only the certificates of the remedy, as PEM.")] = False,
    as_json: _Json = False,
) -> None:
    """Why does TLS to a host fail? Names one cause, with evidence and the smallest change that was tried and helps."""
    from builder.adapters.tls.doctor import Options

    if image and recipe:
        raise typer.BadParameter("an image has stores and pins of its own", param_hint="--recipe")
    stores, pins = stores_of(recipe, bundle, as_json=True) if recipe else (None, ())
    options = Options(
        bundle=bundle,
        stores=stores,
        seek=bool(recipe),
        pins=pins,
        proxies=_named_proxies(targets),
        try_files=tuple(try_ or ()),
        against=tuple(against) if against is not None else None,
        address=address,
        also=() if bundle else _named_bundles(targets),
    )
    found = _examined(_targets(targets), options, image=image, as_json=as_json or pem)
    _print(found, as_json=as_json, pem=pem)
    if any(not d.answered for d in found):
        raise typer.Exit(NetworkError.exit_code)
    if any(not d.verifies for d in found):
        raise typer.Exit(UntrustedError.exit_code)
    if any(d.alarm for d in found):
        raise typer.Exit(PinError.exit_code)


@app.command(short_help="Is the clock right?")
def clock(against: _Against = None, as_json: _Json = False) -> None:
    """Is the clock right? NTP, the drift against other hosts, and what a wrong clock breaks."""
    from builder.adapters.tls.clock import examine
    from builder.cli.clock_text import document, show
    from builder.cli.display import is_live, progress

    with progress(as_json or not is_live(sys.stderr)).task("doctor: the time of other hosts"):
        found = examine(tuple(against) if against is not None else None)
    if as_json:
        print(json.dumps(document(found), indent=2))
    else:
        show(found)
    if found.drift is None:
        raise typer.Exit(NetworkError.exit_code)
    if not found.right:
        raise typer.Exit(UntrustedError.exit_code)


@app.command(short_help="Is there a container engine to build with?")
def engine(as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False) -> None:
    """Is there a container engine to build with? Names what is there, and each thing that is missing or too old."""
    from builder.adapters.engine.doctor import as_error, examine
    from builder.cli.engine_text import document, show

    found = examine()
    if as_json:
        print(json.dumps(document(found), indent=2))
    else:
        show(found)
    if found.faults:
        raise typer.Exit(EngineError.exit_code) if as_json else as_error(found.faults)


def _targets(words: list[str]) -> tuple[Target, ...]:
    """Hosts, URLs, and the hosts of every channel in a .condarc."""
    from builder.adapters.tls.condarc_targets import channels_of, is_condarc, targets_of
    from builder.errors import RecipeError
    from builder.masking import masked
    from builder.trust.reached import Target

    found: list[Target] = []
    for word in words:
        if not is_condarc(word):
            found.append(Target.of(word))
            if word.startswith("http://"):
                typer.echo(f"{masked(word)} is plain http, which nobody verifies: asking {found[-1]} by TLS", err=True)
            continue
        channels = channels_of(Path(word))
        found += targets_of(channels)
        if plain := [masked(c.url) for c in channels if c.url.startswith("http://")]:
            typer.echo(f"plain http, without TLS to diagnose: {', '.join(plain)}", err=True)
        _warn_of_settings(Path(word))
    if not found:
        raise RecipeError("no channel there uses https", where=", ".join(words))
    return tuple(dict.fromkeys(found))


def _warn_of_settings(path: Path) -> None:
    """conda may not be asking at all: said before what it would find."""
    from builder.adapters.tls.condarc_targets import files_of
    from builder.audit.examine import examine
    from builder.audit.kinds import Kind

    for file in files_of(path):
        for one in examine(str(file), file.read_text(encoding="utf-8", errors="replace"), kind=Kind.CONDARC):
            if one.rule in ("CONDA001", "CONDA002", "CONDA003"):
                typer.echo(
                    f"{one.path}:{one.line}: {one.title} ({one.seen}): `builder audit {path}` mends it", err=True
                )


def _named_bundles(words: list[str]) -> tuple[Path, ...]:
    from builder.adapters.tls.condarc_targets import bundles_of, is_condarc

    return tuple(path for word in words if is_condarc(word) for path in bundles_of(Path(word)))


def _named_proxies(words: list[str]) -> dict[Target, str]:
    from builder.adapters.tls.condarc_targets import is_condarc, proxies_of

    return {target: proxy for w in words if is_condarc(w) for target, proxy in proxies_of(Path(w)).items()}


def _examined(
    targets: tuple[Target, ...], options: Options, *, image: str | None, as_json: bool
) -> tuple[Diagnosis, ...]:
    from builder.cli.display import is_live, progress

    as_json = as_json or (len(targets) == 1 and not is_live(sys.stderr))  # one host: a line in a log says nothing
    if image:
        from builder.adapters.tls.image_doctor import examine_in

        return examine_in(image, targets, options, progress(as_json))
    from builder.adapters.tls.doctor_many import examine_all

    return examine_all(targets, options, progress(as_json))


def _print(found: tuple[Diagnosis, ...], *, as_json: bool, pem: bool) -> None:
    from builder.cli.doctor_text import document, pem_of, show, show_many

    if pem:
        print("".join(dict.fromkeys(map(pem_of, found))), end="")
    elif as_json:
        print(json.dumps({"hosts": [document(d) for d in found]}, indent=2))
    elif len(found) == 1:
        show(found[0])
    else:
        show_many(found)
