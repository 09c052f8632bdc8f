"""Files of certificates that clients are pointed at: does the file exist, and are these CAs or a server's leaf?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.audit.finding import Hit, Severity
from builder.audit.surroundings import Surroundings

_PEM = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----.*?-----END [A-Z0-9 ]*CERTIFICATE-----", re.DOTALL)
_MANY = 20  # a bundle of more is no pin, and reading each would take its time


def anchor_hits(path: str, at: int, seen: str, around: Surroundings) -> Iterator[Hit]:
    """What is wrong with the bundle at `path`, as far as the machine's files are known."""
    if not path.startswith("/") or around.exists is None or "$" in path:
        return
    if not around.exists(path):
        yield Hit(rule="CA002", at=at, seen=seen, wins=f"{path} is not there")
    elif around.read is not None and (data := around.read(path)):
        yield from leaf_hits(data, at, seen)


def leaf_hits(data: bytes, at: int, seen: str) -> Iterator[Hit]:
    """Leaves among the certificates: an error where there is nothing else, as then nothing verifies."""
    blocks = _PEM.findall(data)
    if not blocks or len(blocks) > _MANY:
        return
    leaves = [name for name in map(_leaf, blocks) if name]
    if issued := [name for name, self_signed in leaves if not self_signed]:
        alone = len(leaves) == len(blocks)
        severity = Severity.ERROR if alone else Severity.WARNING
        yield Hit(rule="CA001", at=at, seen=seen, wins="leaf of " + ", ".join(issued), severity=severity)
    elif leaves:
        names = ", ".join(name for name, _ in leaves)
        said = f"{names} signed itself: it verifies until it is renewed"
        yield Hit(rule="CA001", at=at, seen=seen, wins=said, severity=Severity.WARNING)


def _leaf(block: bytes) -> tuple[str, bool] | None:
    """The subject of a certificate that is no CA, and whether it signed itself."""
    from cryptography import x509  # noqa: PLC0415 - not on the path of `builder --help`

    try:
        certificate = x509.load_pem_x509_certificate(block)
        subject = certificate.subject.rfc4514_string()
        self_signed = certificate.subject == certificate.issuer
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return None
    except x509.ExtensionNotFound:
        return (subject, self_signed) if certificate.version is x509.Version.v3 else None
    except ValueError:
        return None
    return subject, self_signed
