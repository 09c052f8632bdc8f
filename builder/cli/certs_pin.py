"""`builder certs pin`: what to write into a recipe so that a host's root is known beforehand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from builder.cli.trusted import Address, Bundle, Json, RecipeName, stores_of
from builder.errors import RecipeError

if TYPE_CHECKING:
    from builder.adapters.tls.pinning import Proposal


def pin(
    host: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The host to pin.")],
    recipe: RecipeName = None,
    bundle: Bundle = None,
    backup: Annotated[
        str | None, typer.Option(metavar="SHA256|FILE", help="The backup root; else another of the same organisation.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Put it into the recipe; the rest of the file stays.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Print the pin of a host: its issuing root, a backup root, and its key as an alarm. YAML, ready to paste.

    The connection has to verify first, against the recipe's bundle, FILE or the system's store: a pin never takes the
    place of verification. The host's own certificate is never pinned as an anchor: as one it fails at once in Python
    up to 3.12, requests, pip, git, Node, uv and apt.

    Examples: `builder certs pin mirror.site --recipe quickstart`, `builder certs pin mirror.site:8443 --recipe
    quickstart --write`, `builder certs pin mirror.site --bundle site.pem --backup next-root.pem --json`.
    """
    from builder.adapters.tls.pinning import Pinning
    from builder.cli.display import is_live, progress
    from builder.trust.reached import Target

    if write and not recipe:
        raise typer.BadParameter("say into which recipe: --recipe NAME", param_hint="--write")
    (store,), _ = stores_of(recipe, bundle, as_json=as_json)
    asked = Pinning(
        target=Target.of(host),
        store=store,
        recipe=recipe,
        backup=backup,
        address=address,
        progress=progress(as_json or not is_live(sys.stderr)),  # one host: a line in a log says nothing
    )
    found = asked.propose()
    written = _write(str(recipe), found) if write else None
    if as_json:
        print(json.dumps(_document(found, written), indent=2))
        return
    for cert, how in found.absent:
        print(f"warning: {cert.subject} is not in the bundle of {recipe}: {how}", file=sys.stderr)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{written}: pinned {found.pin.host}" if written else _yaml(found))


def _write(recipe: str, found: Proposal) -> Path:
    """Into the recipe, which has to be a good one afterwards. Gives the file."""
    from builder.adapters.recipe_pins import with_pin, write
    from builder.pipeline import Workplace
    from builder.stages.load import parse_recipe

    path = Workplace().project.recipe_path(recipe)
    if found.absent:
        what = "the pin is not written: a root of it is not in the recipe's bundle"
        (cert, how), *_ = found.absent
        raise RecipeError(what, where=str(path), seen=cert.subject, remedy=how)
    text = with_pin(path.read_text(encoding="utf-8"), found.pin, where=str(path))
    if found.pin not in parse_recipe(text, str(path)).trust.pins:
        raise RecipeError("the pin cannot be written into the recipe", where=str(path), remedy="paste it by hand")
    write(path, text)
    return path


def _yaml(found: Proposal) -> str:
    from builder.adapters.recipe_pins import lines_of

    notes = {
        "root": f"{found.root.subject}, until {found.root.not_after:%Y-%m-%d}",
        "backup": f"{found.backup.subject}, until {found.backup.not_after:%Y-%m-%d}; {found.why}",
        "key": f"of the certificate until {found.leaf.not_after:%Y-%m-%d}: an alarm, never an anchor",
    }
    lines = ["trust:", "  pins:"]
    for line in lines_of(found.pin):
        note = notes.get(line.strip("- ").partition(":")[0])
        lines.append(f"    {line}" + (f"  # {note}" if note else ""))
    return "\n".join(lines)


def _document(found: Proposal, written: Path | None) -> dict[str, Any]:
    from builder.cli.certs_text import document_of

    return {
        "pin": found.pin.model_dump(mode="json"),
        "root": document_of(found.root),
        "backup": {**document_of(found.backup), "why": found.why},
        "leaf": document_of(found.leaf),
        "not_in_the_bundle": [{"sha256": cert.sha256, "add": how} for cert, how in found.absent],
        "notes": list(found.notes),
        "written": str(written) if written else None,
    }
