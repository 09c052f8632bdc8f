"""Asks a server for its certificates and its time, and whether given anchors verify the connection.

Two kinds of connection. The probe takes whatever is presented, sends one HEAD request without any login, and believes
nothing of it: a chain that does not verify cannot be read otherwise. An attempt always verifies.
"""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import time
import warnings
from collections.abc import Sequence
from typing import Any, Final

import builder
from builder.adapters.tls.dial import Dial, DialError, printable, read_head, reason
from builder.trust.names import unrelated
from builder.trust.reached import Reached, Trouble, Verdict

_HANDSHAKE: Final = 4.0
_ANSWER: Final = 1.5
_OLD: Final = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW")
_NOT_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "RECORD_TOO")
_TOO_LARGE: Final = "EXCESSIVE_MESSAGE_SIZE"
_BROKEN_CERTIFICATE: Final = ("ASN1", "X509", "PEM", "EVP", "RSA", "EC")


def reach(dial: Dial) -> Reached:
    """The chain that the server presents, what it says over HTTP, or why there is none. Raises nothing for that."""
    try:
        connection = dial.open()
    except DialError as error:
        return _reached(dial, trouble=error.trouble)
    with connection:
        connection.settimeout(_HANDSHAKE)
        try:
            with _unverified().wrap_socket(connection, server_hostname=dial.target.host) as secure:
                fields = {"version": secure.version() or "", "chain": _presented(secure)}
                return _reached(dial, **fields, **_head(dial, secure))
        except ValueError as error:  # a name that cannot be asked for
            return _reached(dial, trouble=Trouble(cause="handshake-refused", detail=reason(error)))
        except OSError as error:
            return _reached(dial, **_no_handshake(dial, error))


def attempt(dial: Dial, anchors: Sequence[bytes], *, name: str | None = None, strict: bool = False) -> Verdict:
    """Connects once more and verifies against these anchors (DER) alone, as Python's `ssl` does; sends nothing."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if strict:
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        if anchors:
            context.load_verify_locations(cadata=b"".join(anchors))
        with dial.open() as connection:
            connection.settimeout(_HANDSHAKE)
            with context.wrap_socket(connection, server_hostname=name or dial.target.host):
                return Verdict(ok=True)
    except ssl.SSLCertVerificationError as error:
        return Verdict(ok=False, code=error.verify_code, text=printable(error.verify_message))
    except (OSError, ValueError, DialError) as error:
        return Verdict(ok=False, text=reason(error))


def plain_answer(dial: Dial, port: int | None = None) -> tuple[str, str] | None:
    """Status and Location of a plain HTTP request to the host, None when what answers is no HTTP."""
    try:
        with _plain(dial, port) as connection:
            head = _ask(connection, dial.target.host)
    except (OSError, DialError):
        return None
    fields = parse_head(head)
    return (fields["status"], fields["location"]) if fields else None


def plain_reach(dial: Dial) -> Reached:
    """What a host says over plain HTTP: its time, for a comparison."""
    try:
        with dial.open() as connection:
            return _reached(dial, **parse_head(_ask(connection, dial.target.host)))
    except DialError as error:
        return _reached(dial, trouble=error.trouble)
    except OSError as error:
        return _reached(dial, trouble=Trouble(cause="time-out", detail=reason(error)))


def portal_of(host: str, answer: tuple[str, str] | None) -> str | None:
    """The login page that a plain HTTP answer is about: status 511, or sent on to somebody unrelated."""
    if answer is None:
        return None
    status, location = answer
    if status.startswith("511"):
        return location or f"http://{host}/"
    elsewhere = location.partition("://")[2].partition("/")[0].partition(":")[0] if "://" in location else ""
    return location if status.startswith("30") and elsewhere and unrelated(elsewhere, host) else None


def parse_head(head: bytes) -> dict[str, Any]:
    """Status, location and the clock's drift of an HTTP answer's head; empty for anything else."""
    if not head.startswith(b"HTTP/"):
        return {}
    first, *lines = head.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
    pairs = (line.partition(":") for line in lines)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return {
        "status": printable(first.partition(" ")[2]),
        "location": printable(fields.get("location", "")),
        "drift": drift_of(fields.get("date", "")),
    }


def drift_of(date: str) -> float | None:
    """Seconds that our clock is ahead of an HTTP Date; None when that is none."""
    try:
        return time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _unverified() -> ssl.SSLContext:
    """Takes what is presented, by the oldest protocol and the weakest key too: to read it, not to rely on it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The chain is looked at here and judged elsewhere; `attempt` is what verifies.
    context.check_hostname = False  # builder-audit: allow PY002 a chain that does not verify has to be read as well
    context.verify_mode = ssl.CERT_NONE  # builder-audit: allow PY002 nothing that is sent or read here is relied on
    with warnings.catch_warnings(), contextlib.suppress(ssl.SSLError, ValueError):
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _presented(secure: ssl.SSLSocket) -> tuple[bytes, ...]:
    """Public since Python 3.13; 3.10 to 3.12 have it one level below."""
    if public := getattr(secure, "get_unverified_chain", None):
        return tuple(public())
    import _ssl  # noqa: PLC0415 - the number of an encoding

    der: int = _ssl.ENCODING_DER
    inner: Any = secure._sslobj  # type: ignore[attr-defined]
    return tuple(certificate.public_bytes(der) for certificate in inner.get_unverified_chain() or ())


def _head(dial: Dial, secure: ssl.SSLSocket) -> dict[str, Any]:
    try:
        return parse_head(_ask(secure, dial.target.host))
    except OSError as error:
        # A server that closes on what it has not read resets the connection, and its last words are lost: an
        # SSLEOFError where we were still writing, a ConnectionError where we read.
        lost = isinstance(error, ConnectionError | ssl.SSLEOFError)
        text = _last_words(dial) if lost else reason(error)
        return {"alert": text} if "ALERT" in text else {}


def _last_words(dial: Dial) -> str:
    """What a server says behind the handshake to who says nothing; empty where it waits."""
    try:
        with dial.open() as connection:
            connection.settimeout(_ANSWER)
            with _unverified().wrap_socket(connection, server_hostname=dial.target.host) as secure:
                secure.recv(1)
    except (OSError, ValueError, DialError) as error:
        return reason(error)
    return ""


def _ask(connection: socket.socket, host: str) -> bytes:
    agent = f"builder/{builder.__version__}"
    request = f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
    connection.settimeout(_ANSWER)
    connection.sendall(request.encode("latin-1"))
    return read_head(connection, _ANSWER)


def _plain(dial: Dial, port: int | None) -> socket.socket:
    if port is None:
        return dial.open()
    return dial.at(port, timeout=_ANSWER).open()


def _no_handshake(dial: Dial, error: OSError) -> dict[str, Any]:
    """Why TLS did not come about."""
    text = reason(error)
    if isinstance(error, TimeoutError):
        detail = f"it took the connection and is silent in the TLS handshake for {_HANDSHAKE:g} s"
        return {"trouble": Trouble(cause="time-out", detail=detail)}
    if any(word in text for word in _OLD):
        return {"trouble": Trouble(cause="protocol-too-old", detail="SSL 3 or TLS below 1.2")}
    if _TOO_LARGE in text:
        return {"trouble": Trouble(cause="chain-too-large", detail=text)}
    if any(word in text for word in _NOT_TLS):
        return _not_tls(dial, text)
    if isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in text:
        return {"trouble": Trouble(cause="reset-in-handshake", detail=text)}
    broken = isinstance(error, ssl.SSLError) and error.library in _BROKEN_CERTIFICATE
    return {"trouble": Trouble(cause="unreadable-certificate" if broken else "handshake-refused", detail=text)}


def _not_tls(dial: Dial, text: str) -> dict[str, Any]:
    answer = plain_answer(dial)
    if portal := portal_of(dial.target.host, answer):
        return {"trouble": Trouble(cause="captive-portal", detail=portal)}
    if answer:
        return {"status": answer[0], "trouble": Trouble(cause="plain-http", detail=answer[0])}
    return {"trouble": Trouble(cause="not-tls", detail=text)}


def _reached(dial: Dial, **fields: Any) -> Reached:
    return Reached(target=dial.target, address=dial.address, proxy=dial.shown_proxy, **fields)
