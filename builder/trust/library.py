"""Asks `x509.verification` for its opinion: a cross-check, never the source of a cause.

Run as a program of its own, with its question as JSON on standard input: the library has hung on pathological chains
before (cryptography 48), and only a process can be ended.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import sys
import warnings
from datetime import datetime
from typing import Any


def opinion(question: dict[str, Any]) -> dict[str, Any]:
    """Keys `chain`, `anchors` (base64 of DER), `name`, `at` (ISO 8601); gives `ok` and `text`."""
    from cryptography import x509  # noqa: PLC0415 - only in the child
    from cryptography.x509.verification import PolicyBuilder, Store  # noqa: PLC0415

    chain = [x509.load_der_x509_certificate(base64.b64decode(text)) for text in question["chain"]]
    anchors = [x509.load_der_x509_certificate(base64.b64decode(text)) for text in question["anchors"]]
    try:
        name: Any = x509.IPAddress(ipaddress.ip_address(question["name"]))
    except ValueError:
        name = x509.DNSName(question["name"])
    builder = PolicyBuilder().store(Store(anchors)).time(datetime.fromisoformat(question["at"]))
    try:
        builder.build_server_verifier(name).verify(chain[0], chain[1:])
    except x509.verification.VerificationError as error:
        return {"ok": False, "text": str(error).removeprefix("validation failed: ")}
    return {"ok": True, "text": ""}


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = opinion(json.load(sys.stdin))
        except Exception as error:
            found = {"ok": False, "text": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(found))
