"""Pins: what a site with an isolated network knows of its own hosts beforehand."""

from __future__ import annotations

import base64
from typing import Annotated, Final

from pydantic import AfterValidator, model_validator

from builder.models.base import Sha256, Written
from builder.models.words import text

_NAME: Final = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"


def _port(host: str) -> str:
    _, _, port = host.rpartition("]")[2].partition(":")
    if port and int(port) > 65535:
        raise ValueError("no port is above 65535")
    return host


Host = Annotated[
    str,
    text(rf"^(\[[0-9a-f:.]+\]|{_NAME})(:[1-9][0-9]{{0,4}})?$", "a host, or a host and a port, as in mirror.site:8443"),
    AfterValidator(_port),
]
Fingerprint = Annotated[
    Sha256,
    text(
        r"^[0-9a-f]{64}$",
        "a certificate's SHA-256: 64 lower-case digits, as `builder certs show NAME --json` has them",
    ),
]
KeyHash = Annotated[
    str,
    text(
        r"^([A-Za-z0-9+/]{43}=|[0-9a-f]{64})$",
        "the SHA-256 of a public key (SubjectPublicKeyInfo), in base64 as RFC 7469 has it, or as 64 lower-case digits",
    ),
]


class Pin(Written):
    """A host, the root that its certificate has to come from, and the one that it may move to.

    Verification comes first and stays whole: a pin can only refuse what the bundle accepts.
    """

    host: Host
    """As it is asked for; with its port unless that is 443."""
    root: Fingerprint
    """Of the root that the host's chain ends in; it has to be in the bundle."""
    backup: Fingerprint
    """Of another root in the bundle, for the day on which the host has to move."""
    key: KeyHash | None = None
    """Of the host's own certificate: another one is an alarm, and never a reason to trust."""

    @model_validator(mode="after")
    def _two_roots(self) -> Pin:
        if self.root == self.backup:
            raise ValueError("the backup is the root itself: pin a second one, or the host can never move")
        return self

    @property
    def key_sha256(self) -> str | None:
        """In hexadecimal, however it is written."""
        if self.key is None or len(self.key) == 64:
            return self.key
        return base64.b64decode(self.key).hex()
