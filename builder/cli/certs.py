"""`builder certs show | diff | expiring | refresh`: whom images trust, and for how long."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from builder.errors import ExpiringError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.trust.certs import Cert
    from builder.trust.expiry import Expiry

app = typer.Typer(help="Whom images trust, and for how long.", no_args_is_help=True)

STYLES = {"expired": "red", "not yet valid": "red", "due": "yellow", "fine": "green"}

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Source = Annotated[str, typer.Argument(help="A recipe's name, or a file: PEM, DER or PKCS#7.", metavar="NAME|FILE")]


@app.command()
def show(source: Source, as_json: Json = False) -> None:
    """Every certificate of a recipe's bundle or of a file: what it is, until when, its SHA-256.

    Examples: `builder certs show quickstart`, `builder certs show site/roots.p7b --json`.
    """
    from builder.trust.expiry import judged

    found = judged(_certificates(source, as_json), at=_now())
    if as_json:
        print(json.dumps({"source": source, "certificates": [_document(e) for e in found]}, indent=2))
        return
    _table(found)
    print(f"\n{len(found)} certificates in {source}")


@app.command()
def diff(old: Source, new: Source, as_json: Json = False) -> None:
    """What a bundle has gained and lost, compared by fingerprint.

    Examples: `builder certs diff old-roots.pem quickstart`, `builder certs diff staging production`.
    """
    before, after = (dict.fromkeys(_certificates(source, as_json)) for source in (old, new))
    gone = [c for c in before if c not in after]
    come = [c for c in after if c not in before]
    if as_json:
        print(json.dumps({"gone": [_plain(c) for c in gone], "new": [_plain(c) for c in come]}, indent=2))
        return
    from builder.cli.display import table

    rows = [(mark, _name(c), f"{c.not_after:%Y-%m-%d}", c.sha256) for mark, c in _marked(gone, come)]
    if rows:
        table(("", "subject", "until", "sha256"), rows, styles={"-": "red", "+": "green"})
        print()
    print(f"{len(gone)} gone, {len(come)} new, {len(before) - len(gone)} in both")


@app.command()
def expiring(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Recipes and files; every locked recipe if none.", metavar="[NAME|FILE]..."),
    ] = None,
    within: Annotated[
        str | None, typer.Option(help="Days left that are too few, for every role: 60d, 8w, 3m, 1y.")
    ] = None,
    share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the lifetime left that is too small, for every role.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fail in time, for a scheduled job: exit code 15 while a certificate has too little time left.

    Left out, leaves are due with a quarter of their life left, intermediates with a twentieth or 60 days, roots with
    a year.

    Examples: `builder certs expiring`, `builder certs expiring quickstart --within 60d`,
    `builder certs expiring /etc/ssl/certs/ca-certificates.crt --json`.
    """
    from builder.trust.expiry import State, judged, limits_with

    limits = limits_with(_days(within), share)
    found = {name: judged(_certificates(name, as_json), at=_now(), limits=limits) for name in sources or _locked()}
    due = {name: [e for e in judgements if e.state is not State.FINE] for name, judgements in found.items()}
    if as_json:
        documents = {name: [_document(e) for e in judgements] for name, judgements in due.items()}
        print(json.dumps({"due": documents, "looked_at": sum(map(len, found.values()))}, indent=2))
    else:
        _tell(found, due)
    if any(due.values()):
        raise typer.Exit(ExpiringError.exit_code) if as_json else _expiring(due)


@app.command()
def refresh(
    names: Annotated[list[str] | None, typer.Argument(help="Recipes.", metavar="NAME...")] = None,
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


def _certificates(source: str, as_json: bool) -> tuple[Cert, ...]:
    """What a recipe's image trusts, or what is in a file. Raises RecipeError."""
    from builder.trust.reading import certificates_in

    path = Path(source)
    if path.is_file():
        return certificates_in(path.read_bytes(), source)
    from builder.cli.display import progress
    from builder.pipeline import Workplace, bundle_of

    return certificates_in(bundle_of(Workplace(), source, progress(as_json)), f"the bundle of {source}")


def _locked() -> Sequence[str]:
    from builder.pipeline import Workplace

    project = Workplace().project
    return [name for name in project.names() if project.lock_path(name).exists()]


def _days(text: str | None) -> int | None:
    from builder.trust.expiry import days_of

    try:
        return None if text is None else days_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--within") from None


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _marked(gone: Iterable[Any], come: Iterable[Any]) -> list[tuple[str, Any]]:
    return [*(("-", c) for c in gone), *(("+", c) for c in come)]


def _tell(found: dict[str, tuple[Expiry, ...]], due: dict[str, list[Expiry]]) -> None:
    for name, judgements in found.items():
        if due[name]:
            print(f"{name}:")
            _table(due[name])
        elif judgements:
            first = judgements[0]
            ends = f"the first to end is {_name(first.certificate)}, in {first.days} days"
            print(f"{name}: none of {len(judgements)} is due; {ends}")


def _table(judgements: Sequence[Expiry]) -> None:
    from builder.cli.display import table

    headers = ("state", "role", "until", "days", "left", "key", "subject", "sha256")
    rows = [
        (
            e.state.value,
            e.role.value,
            f"{e.certificate.not_after:%Y-%m-%d}",
            str(e.days),
            f"{e.share:.0%}",
            e.certificate.key,
            _name(e.certificate),
            e.certificate.sha256[:16],
        )
        for e in judgements
    ]
    table(headers, rows, right=("days", "left"), styles=STYLES)


def _expiring(due: dict[str, list[Expiry]]) -> ExpiringError:
    count = sum(map(len, due.values()))
    return ExpiringError(
        "a certificate has too little time left" if count == 1 else f"{count} certificates have too little time left",
        where=", ".join(name for name, judgements in due.items() if judgements),
        remedy="`builder certs refresh NAME` takes the newest roots; ask for a new certificate where it is your own",
    )


def _name(certificate: Cert) -> str:
    """Short enough for a column; the fingerprint beside it tells apart what has the same name."""
    return certificate.common_name or certificate.subject


def _document(judgement: Expiry) -> dict[str, Any]:
    return {
        **_plain(judgement.certificate),
        "role": judgement.role.value,
        "state": judgement.state.value,
        "days": judgement.days,
        "share": round(judgement.share, 4),
        "why": judgement.why,
    }


def _plain(certificate: Cert) -> dict[str, Any]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "sha256": certificate.sha256,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "key": certificate.key,
    }
