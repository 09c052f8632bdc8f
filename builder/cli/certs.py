"""`builder certs show | diff | expiring | pin | refresh`: whom images trust, and for how long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from builder.cli.certs_expiring import expiring
from builder.cli.certs_pin import pin
from builder.cli.certs_text import document_of, judged_document, name_of, show_judged
from builder.cli.trusted import Json, certificates_of, now

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(help="Whom images trust, and for how long.", no_args_is_help=True)
app.command(short_help="Fail in time, for a scheduled job.")(expiring)
app.command(short_help="Print the pin of an isolated site's host.")(pin)

Source = Annotated[str, typer.Argument(help="A recipe's name, or a file: PEM, DER or PKCS#7.", metavar="NAME|FILE")]


@app.command(short_help="Every certificate of a bundle, and until when.")
def show(source: Source, as_json: Json = False) -> None:
    """Every certificate of a recipe's bundle or of a file: what it is, until when, its SHA-256.

    Examples: `builder certs show quickstart`, `builder certs show site/roots.p7b --json`.
    """
    from builder.trust.expiry import judged

    found = judged(certificates_of(source, as_json), at=now())
    if as_json:
        print(json.dumps({"source": source, "certificates": [judged_document(e) for e in found]}, indent=2))
        return
    show_judged(found)
    print(f"\n{len(found)} certificates in {source}")


@app.command(short_help="What a bundle has gained and lost.")
def diff(old: Source, new: Source, as_json: Json = False) -> None:
    """What a bundle has gained and lost, compared by fingerprint.

    Examples: `builder certs diff old-roots.pem quickstart`, `builder certs diff staging production`.
    """
    before, after = (dict.fromkeys(certificates_of(source, as_json)) for source in (old, new))
    gone = [c for c in before if c not in after]
    come = [c for c in after if c not in before]
    if as_json:
        print(json.dumps({"gone": [document_of(c) for c in gone], "new": [document_of(c) for c in come]}, indent=2))
        return
    from builder.cli.display import table

    rows = [(mark, name_of(c), f"{c.not_after:%Y-%m-%d}", c.sha256) for mark, c in _marked(gone, come)]
    if rows:
        table(("", "subject", "until", "sha256"), rows, styles={"-": "red", "+": "green"})
        print()
    print(f"{len(gone)} gone, {len(come)} new, {len(before) - len(gone)} in both")


@app.command(short_help="Lock the newest roots, and nothing else.")
def refresh(
    names: Annotated[list[str] | None, typer.Argument(help="Recipes.", metavar="NAME")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every recipe of recipes/.")] = False,
    as_json: Json = False,
) -> None:
    """Lock the newest roots, and nothing else: `builder build` then remakes the topmost layer alone.

    Examples: `builder certs refresh quickstart`, `builder certs refresh --all --json`.
    """
    from builder.cli.display import progress
    from builder.pipeline import Workplace, locked

    place, found = Workplace(), {}
    for name in names or (place.project.names() if every else ()):
        loaded, before = place.load(name), place.project.read_lock(name)
        roots = "ca-certificates" if loaded.recipe.trust.roots == "distribution" else "certifi"
        upgrade = frozenset({roots} if before else ())
        after = locked(place, loaded, progress(as_json), upgrade=upgrade).lock.trust
        old = {c.sha256: c.subject for c in before.trust.certificates} if before else {}
        new = {c.sha256: c.subject for c in after.certificates}
        change = {
            "roots": f"{after.roots.name} {after.roots.version}",
            "gone": sorted(old[d] for d in old.keys() - new.keys()),
            "new": sorted(new[d] for d in new.keys() - old.keys()),
        }
        found[name] = change
        if not as_json:
            print(f"{name}: {change['roots']}, {len(change['new'])} new, {len(change['gone'])} gone")
            for mark, subject in _marked(change["gone"], change["new"]):
                print(f"  {mark} {subject}")
    if not found:
        raise typer.BadParameter("name a recipe, or say --all", param_hint="NAME")
    if as_json:
        print(json.dumps({"refreshed": found}, indent=2))


def _marked(gone: Iterable[Any], come: Iterable[Any]) -> list[tuple[str, Any]]:
    return [*(("-", c) for c in gone), *(("+", c) for c in come)]
