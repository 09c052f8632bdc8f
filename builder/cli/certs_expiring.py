"""`builder certs expiring`: how long bundles, files and hosts have left, for a scheduled job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from builder.cli.certs_text import judged_document, name_of, show_judged
from builder.cli.doctor_text import pin_document
from builder.cli.trusted import FOR_RECIPE, Address, Bundle, Json, certificates_of, now, stores_of
from builder.errors import BuilderError, ExpiringError, NetworkError, PinError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.trust.diagnosis import Diagnosis
    from builder.trust.expiry import Expiry, Limit, Role
    from builder.trust.reached import Target

_FILES: Final = (".pem", ".crt", ".cer", ".der", ".p7b", ".p7c", ".lock")
Judged = dict[str, tuple["Expiry", ...]]


def expiring(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Recipes, files and hosts; every locked recipe if none.", metavar="NAME|FILE|HOST"),
    ] = None,
    within: Annotated[
        str | None, typer.Option(help="Days left that are too few, for every role: 60d, 8w, 3m, 1y.")
    ] = None,
    share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the lifetime left that is too small, for every role.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="NAME", help=f"{FOR_RECIPE} Without a host: its pinned hosts.")
    ] = None,
    bundle: Bundle = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Fail in time, for a scheduled job: exit code 15 while a certificate has too little time left.

    Left out, leaves are due with a quarter of their life left and 30 days at most, or with 3 days, intermediates with
    a twentieth or 60 days, roots with a year. A host's chain is judged as far as its root. Codes of its own, the first
    that is true: 18 a host is not what was pinned, 17 its chain does not verify, 15 too little time, 5 it could not
    be asked.

    Examples: `builder certs expiring`, `builder certs expiring quickstart --within 60d`,
    `builder certs expiring mirror.site:8443 pypi.site --recipe quickstart`,
    `builder certs expiring /etc/ssl/certs/ca-certificates.crt --json`.
    """
    from builder.trust.expiry import State, judged, limits_with

    limits = limits_with(_days(within), share)
    named, targets, pins_of = _sorted_out(sources or (), recipe)
    found: Judged = {name: judged(certificates_of(name, as_json), at=now(), limits=limits) for name in named}
    hosts = _asked(targets, pins_of, bundle, address, as_json) if targets or pins_of else ()
    chains = {str(d.target): _chain(d, limits) for d in hosts}
    due = {n: [e for e in es if e.state is not State.FINE] for n, es in (found | chains).items()}
    if as_json:
        _print_json(found, due, hosts, chains)
    else:
        _tell(found, due)
        for one in hosts:
            _tell_host(one, chains[str(one.target)])
    by = f" --recipe {recipe}" if recipe else f" --bundle {bundle}" if bundle else ""
    if error := _error(due, hosts, by):
        raise typer.Exit(error.exit_code) if as_json else error


def _sorted_out(sources: Sequence[str], recipe: str | None) -> tuple[Sequence[str], tuple[Target, ...], str | None]:
    """Recipes and files; hosts; and the recipe whose pinned hosts are to be asked, where none is named."""
    from builder.pipeline import Workplace
    from builder.trust.reached import Target

    project = Workplace().project
    known = project.names()
    hosts = [s for s in sources if _is_host(s, known)]
    if recipe and not hosts:
        return sources, (), recipe
    names = [s for s in sources if s not in hosts]
    if not sources:
        names = list(project.locked_names())
    return names, tuple(dict.fromkeys(Target.of(h) for h in hosts)), recipe


def _is_host(text: str, recipes: Sequence[str]) -> bool:
    """A file or a recipe of that name comes first; a path that is not there is no host either."""
    if text in recipes or Path(text).exists() or text.lower().endswith(_FILES):
        return False
    return "://" in text or ("/" not in text and (text == "localhost" or any(c in text for c in ".:[")))


def _asked(
    targets: tuple[Target, ...], recipe: str | None, bundle: Path | None, address: str | None, as_json: bool
) -> tuple[Diagnosis, ...]:
    from builder.adapters.tls.case import Options
    from builder.adapters.tls.doctor_many import examine_all
    from builder.cli.display import progress
    from builder.trust.reached import Target

    stores, pins = stores_of(recipe, bundle, as_json=as_json)
    targets = targets or tuple(Target.of(pin.host) for pin in pins)
    if not targets:
        raise typer.BadParameter(f"{recipe} pins no host: name one", param_hint="--recipe")
    options = Options(stores=stores, pins=pins, address=address, against=())
    return examine_all(targets, options, progress(as_json))


def _chain(found: Diagnosis, limits: Mapping[Role, Limit]) -> tuple[Expiry, ...]:
    """Leaf, intermediates and root, in that order."""
    from builder.trust.expiry import judge

    return tuple(judge(cert, at=now(), limits=limits) for cert in found.path)


def _untrusted(found: Diagnosis) -> bool:
    """Something else is wrong than what an expiry date says."""
    from builder.trust.diagnosis import only_dates

    return found.answered and not only_dates(found)


def _error(due: Mapping[str, Sequence[Expiry]], hosts: Sequence[Diagnosis], by: str) -> BuilderError | None:
    """The gravest of what there is to complain of. by: the options that the doctor has to be asked with."""
    if alarmed := [d for d in hosts if d.alarm]:
        what = "a pinned host is not what was pinned"
        return PinError(what, where=_names(alarmed), remedy="ask those who run it, by another way than this network")
    if bad := [d for d in hosts if _untrusted(d)]:
        what, first = "the chain of a host does not verify", bad[0].target
        return UntrustedError(what, where=_names(bad), remedy=f"`builder doctor {first}{by}` says what helps")
    if any(due.values()):
        return _expiring(due)
    if silent := [d for d in hosts if not d.answered]:
        remedy = silent[0].remedies[0].what if silent[0].remedies else None
        return NetworkError("a host could not be asked", where=_names(silent), seen=silent[0].sentence, remedy=remedy)
    return None


def _names(hosts: Sequence[Diagnosis]) -> str:
    return ", ".join(str(d.target) for d in hosts)


def _expiring(due: Mapping[str, Sequence[Expiry]]) -> ExpiringError:
    count = sum(map(len, due.values()))
    return ExpiringError(
        "a certificate has too little time left" if count == 1 else f"{count} certificates have too little time left",
        where=", ".join(name for name, judgements in due.items() if judgements),
        remedy="`builder certs refresh NAME` takes the newest roots; those who run a host have to renew its own",
    )


def _tell(found: Judged, due: Mapping[str, Sequence[Expiry]]) -> None:
    for name, judgements in found.items():
        if due[name]:
            print(f"{name}:")
            show_judged(due[name])
        elif judgements:
            first = judgements[0]
            ends = f"the first to end is {name_of(first.certificate)}, in {first.days} days"
            print(f"{name}: none of {len(judgements)} is due; {ends}")


def _tell_host(found: Diagnosis, chain: Sequence[Expiry]) -> None:
    """What cannot be asked or does not verify in the doctor's words; the chain in any case."""
    from builder.trust.pins import sentences

    print(f"{found.target}: {found.sentence}" if not found.verifies else f"{found.target}:")
    if chain:
        show_judged(chain)
    for line in sentences(found.pin) if found.pin else ():
        print(line)


def _print_json(found: Judged, due: Mapping[str, Sequence[Expiry]], hosts: Sequence[Diagnosis], chains: Judged) -> None:
    documents = {name: [judged_document(e) for e in judgements] for name, judgements in due.items()}
    asked = [_host_document(d, chains[str(d.target)]) for d in hosts]
    count = sum(map(len, (found | chains).values()))
    print(json.dumps({"due": documents, "hosts": asked, "looked_at": count}, indent=2))


def _host_document(found: Diagnosis, chain: Sequence[Expiry]) -> dict[str, Any]:
    return {
        "host": found.target.host,
        "port": found.target.port,
        "cause": found.cause,
        "sentence": found.sentence,
        "answered": found.answered,
        "alarm": found.alarm,
        "certificates": [judged_document(e) for e in chain],
        "pin": pin_document(found.pin) if found.pin else None,
    }


def _days(text: str | None) -> int | None:
    from builder.trust.expiry import days_of

    try:
        return None if text is None else days_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--within") from None
