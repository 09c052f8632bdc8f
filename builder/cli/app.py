"""The `builder` command: which commands there are, and how the file of each is found only when it is asked for."""

from __future__ import annotations

import difflib
import importlib
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
import typer.core
import typer.main

import builder
from builder.cli.errors import exit_codes, report, report_usage


@dataclass(frozen=True)
class Mount:
    """One command: its name, the module whose `app` holds it, the line that `--help` shows."""

    name: str
    module: str
    summary: str
    group: bool = False
    """True when the name is the whole `app`, with commands below it; else one command of the app."""


SECTIONS: Final[dict[str, tuple[Mount, ...]]] = {
    "From recipe to tag": (
        Mount("new", "builder.cli.new", "A commented recipe to start from."),
        Mount("build", "builder.cli.build", "The whole chain: lock, fetch, render, build, check, tag."),
        Mount("lock", "builder.cli.build", "Resolve every input to a version and a hash."),
        Mount("fetch", "builder.cli.build", "Bring what the lock names into the store."),
        Mount("render", "builder.cli.build", "Write images/NAME/ from recipe and lock."),
        Mount("check", "builder.cli.build", "Run the recipe's checks inside the built image."),
        Mount("tag", "builder.cli.build", "Give the sealed image its names."),
        Mount("push", "builder.cli.build", "Upload the sealed image under each of its names."),
        Mount("prove", "builder.cli.prove", "Ask on a host with a GPU what could not be asked here."),
    ),
    "Look and look after": (
        Mount("report", "builder.cli.report", "What was found in an image, with the evidence."),
        Mount("store", "builder.cli.store", "Verify, clean, export and import what was fetched.", group=True),
        Mount("export", "builder.cli.export", "The locked conda environment, for conda, conda-lock and pixi."),
        Mount("certs", "builder.cli.certs", "Whom images trust, and for how long.", group=True),
        Mount("mirrors", "builder.cli.mirrors", "Which mirrors there are, how they are, how many really.", group=True),
        Mount("doctor", "builder.cli.doctor", "What this host lacks, and what to do.", group=True),
        Mount("audit", "builder.cli.audit", "Every way in which TLS verification is switched off; mends it."),
        Mount("debug", "builder.cli.debug", "One command without verification, to find out why it fails."),
        Mount("schema", "builder.cli.recipes", "The JSON Schema of a recipe, for editors."),
    ),
}

EXAMPLES: Final = (
    ("builder new mine --base debian-bookworm", "write recipes/mine.yaml"),
    ("builder build mine", "make, check and tag its image"),
    ("builder build --all --json", "every recipe, for a machine to read"),
    ("builder render --check", "does images/ match the recipes?"),
)

MOUNTS: Final = {m.name: m for section in SECTIONS.values() for m in section}
_JSON = "builder.json"


def load(mount: Mount) -> Any:
    """The command itself; imports its module."""
    app: typer.Typer = importlib.import_module(mount.module).app
    app.rich_markup_mode = None  # rich's help costs 70 ms
    group = typer.main.get_group(app)
    return group if mount.group else group.commands[mount.name]


class Commands(typer.core.TyperGroup):
    """The commands of `MOUNTS`, each imported when it is called, and the one place that catches errors."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names, in the order of the table."""
        return list(MOUNTS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command of that name, or None."""
        return load(MOUNTS[cmd_name]) if cmd_name in MOUNTS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does it, with the nearest names for a wrong one."""
        name = args[0]
        if name in MOUNTS or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name, MOUNTS)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return ctx.fail(f"No such command {name!r}.{hint}")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Notes whether errors are to be JSON; the command's own parser may never get that far."""
        ctx.meta[_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; every error is told here, and nowhere else."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except typer.Exit:
            raise
        except typer.TyperException as wrong:
            if not ctx.meta[_JSON]:
                raise
            raise typer.Exit(report_usage(wrong.format_message(), f"{ctx.command_path} --help")) from None
        except typer.Abort:
            raise typer.Exit(report(KeyboardInterrupt(), as_json=ctx.meta[_JSON])) from None
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(report(error, as_json=ctx.meta[_JSON])) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """The table, section by section; imports nothing."""
        for title, mounts in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(m.name, m.summary) for m in mounts])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Examples, and an exit code for each kind of failure."""
        with formatter.section("Examples"):
            formatter.write_dl(EXAMPLES, col_max=42)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in exit_codes()])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Command names from the table, so that a TAB imports nothing."""
        item: Any = typer.core.CompletionItem  # type: ignore[attr-defined]  # its own module moves between releases
        names = [item(m.name, help=m.summary) for m in MOUNTS.values() if m.name.startswith(incomplete)]
        return [*names, *super(typer.core.TyperGroup, self).shell_complete(ctx, incomplete)]


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"builder {builder.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a YAML recipe to a trusted, checked environment image."""
