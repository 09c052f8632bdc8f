"""Certificates as rows of a table, and as values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.trust.certs import Cert
    from builder.trust.expiry import Expiry

STYLES: Final = {"expired": "red", "not yet valid": "red", "due": "yellow", "fine": "green"}


def show_judged(judgements: Sequence[Expiry]) -> None:
    """A table, one certificate a row."""
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
            name_of(e.certificate),
            e.certificate.sha256[:16],
        )
        for e in judgements
    ]
    table(headers, rows, right=("days", "left"), styles=STYLES)


def name_of(certificate: Cert) -> str:
    """Short enough for a column; the fingerprint beside it tells apart what has the same name."""
    return certificate.common_name or certificate.subject


def judged_document(judgement: Expiry) -> dict[str, Any]:
    """A certificate and how it stands in time."""
    return {
        **document_of(judgement.certificate),
        "role": judgement.role.value,
        "state": judgement.state.value,
        "days": judgement.days,
        "share": round(judgement.share, 4),
        "why": judgement.why,
    }


def document_of(certificate: Cert) -> dict[str, Any]:
    """What there is to say of a certificate."""
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "sha256": certificate.sha256,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "key": certificate.key,
    }
