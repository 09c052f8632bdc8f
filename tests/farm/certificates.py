"""The farm's own authority, and for each mirror a good certificate and three bad ones."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme


class Authority:
    """Issues what the mirrors present; the stranger is an authority that nobody trusts."""

    def __init__(self, folder: Path) -> None:
        self._ca, self._stranger = trustme.CA(organization_name="builder farm"), trustme.CA()
        self.pem = folder / "farm-ca.pem"
        self._ca.cert_pem.write_to_path(self.pem)

    def contexts(self) -> dict[str, ssl.SSLContext]:
        """By fault; "" is the good one. Each call makes new keys: a mirror has its own."""
        names, now = ("localhost", "127.0.0.1"), datetime.now(timezone.utc)
        begin, end = now - timedelta(days=90), now - timedelta(days=1)
        issued = {
            "": self._ca.issue_cert(*names),
            "expired": self._ca.issue_cert(*names, not_before=begin, not_after=end),
            "wrong_host": self._ca.issue_cert("mirror.example", "192.0.2.1"),
            "unknown_ca": self._stranger.issue_cert(*names),
        }
        return {fault: _context(leaf) for fault, leaf in issued.items()}


def _context(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context
