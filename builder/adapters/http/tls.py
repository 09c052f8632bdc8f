"""TLS of the host's own trust store, and plain words for a handshake that failed.

Certificates are always verified, and a failure is never tried again without: what is told of a refused certificate
was read from the very handshake that refused it.
"""

from __future__ import annotations

import os
import ssl
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import truststore

_EXPIRED: Final = 10
_WORDS: Final = {
    9: "its certificate is not valid yet",
    _EXPIRED: "its certificate expired",
    18: "its certificate is self-signed, and nobody here trusts it",
    19: "its certificate is issued by an authority that is not trusted",
    20: "its certificate is issued by an authority that is not trusted",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}
"""By OpenSSL's code (FACTS 2)."""


class HandshakeError(ssl.SSLError):
    """A TLS handshake that failed; its text is for people."""


class HandshakeCutError(HandshakeError):
    """The other side went away: it may not do so the next time."""


class Context(truststore.SSLContext):
    """The system's trust store, which says in words why a handshake failed."""

    def __init__(self, protocol: int) -> None:
        super().__init__(protocol)
        inner = getattr(self, "_ctx", None)  # truststore's own affair: without it no date is told
        if inner is not None:
            inner.sslsocket_class = _dating(inner.sslsocket_class)

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        """Shakes hands; raises HandshakeError."""
        try:
            return super().wrap_socket(*args, **named)
        except TimeoutError:
            raise
        except OSError as error:
            raise _told(error) from None


def _dating(kind: type[ssl.SSLSocket]) -> type[ssl.SSLSocket]:
    """The kind of socket that notes, in a refusal, when the first certificate of the chain ends."""

    class Dating(kind):  # type: ignore[valid-type, misc]
        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except ssl.SSLCertVerificationError as error:
                error.not_after = _not_after(self._sslobj)  # type: ignore[attr-defined]
                raise

    return Dating


def _not_after(tls: Any) -> datetime | None:
    """When the first certificate of what the server sent ends; Python 3.13 made reading that chain public."""
    chain = tls.get_unverified_chain() or () if hasattr(tls, "get_unverified_chain") else ()
    ends = [ssl.cert_time_to_seconds(c.get_info()["notAfter"]) for c in chain]
    return datetime.fromtimestamp(min(ends), tz=timezone.utc) if ends else None


def trusting() -> ssl.SSLContext:
    """The system's trust store, or SSL_CERT_FILE; without that also what pip, requests and curl are told to trust."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    if "SSL_CERT_FILE" not in os.environ:
        named = (os.environ.get(k) for k in ("REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"))
        bundle = next((Path(n) for n in named if n), None)
        if bundle and bundle.is_file():
            context.load_verify_locations(cafile=bundle)
    return context


def _told(error: OSError) -> HandshakeError:
    match error:
        case ssl.SSLCertVerificationError():
            return HandshakeError(0, _of_certificate(error))
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionError():
            return HandshakeCutError(0, "closed the connection during the TLS handshake")
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "RECORD_LAYER_FAILURE"):
            return HandshakeError(0, "does not speak TLS")
        case _:
            seen = getattr(error, "reason", None) or error.strerror or type(error).__name__
            return HandshakeError(0, f"the TLS handshake failed: {seen}")


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    words = _WORDS.get(error.verify_code, f"its certificate is not trusted: {error.verify_message}")
    date = getattr(error, "not_after", None)
    return f"{words} on {date:%Y-%m-%d}" if error.verify_code == _EXPIRED and date else words
