"""What asking a server gave: values between the probe and the judgement. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from builder.errors import RecipeError
from builder.masking import masked

_FILES: Final = (".condarc", ".yml", ".yaml")
"""How a file's name ends, and no host's."""


def _is_odd(host: str) -> bool:
    return host.startswith(".") or host.endswith(_FILES) or any(c.isspace() or not c.isprintable() for c in host)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to ask."""

    host: str
    port: int = 443

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"

    @classmethod
    def of(cls, text: str) -> Target:
        """Of `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, an IPv6 address or a URL. Raises RecipeError for anything else."""
        bare = text.count(":") > 1 and "[" not in text and "/" not in text
        try:
            parts = urlsplit(text if "://" in text else f"//[{text}]" if bare else f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or port == 0 or _is_odd(host):
            remedy = "as in `builder doctor example.org`, `example.org:8443`, `https://example.org/path` or `.condarc`"
            raise RecipeError("this is no host, no URL and no file that is there", seen=masked(text), remedy=remedy)
        try:
            ascii_host = host if ":" in host else host.encode("idna").decode()
        except UnicodeError:
            ascii_host = host
        return cls(host=ascii_host, port=port or 443)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why there is no chain."""

    cause: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One conversation with a server, as far as it came."""

    target: Target
    address: str = ""
    """The IP address, or the proxy's when there is one."""
    proxy: str | None = None
    """Without its login."""
    version: str = ""
    """`TLSv1.3`."""
    chain: tuple[bytes, ...] = ()
    """As presented, the leaf first, in DER."""
    status: str = ""
    """Of the HTTP answer: `200 OK`."""
    location: str = ""
    alert: str = ""
    """What it broke off with behind the handshake, where TLS 1.3 asks for a client's certificate."""
    drift: float | None = None
    """Seconds that this machine's clock is ahead of the server's Date."""
    trouble: Trouble | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What OpenSSL or the library said when asked to verify."""

    ok: bool
    code: int | None = None
    text: str = ""
