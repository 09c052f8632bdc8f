"""Whether a certificate is for a name, as OpenSSL decides it (RFC 6125 without what nobody implements). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from builder.trust.certs import Cert, Constraints

if TYPE_CHECKING:
    from builder.trust.certs import Network


def address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The name as an IP address, if it is one."""
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None


def is_for(certificate: Cert, name: str) -> bool:
    """By its subject alternative names alone."""
    if (ip := address(name)) is not None:
        return any(address(text) == ip for text in certificate.ips)
    return any(matches(pattern, name) for pattern in certificate.dns)


def matches(pattern: str, name: str) -> bool:
    """A name, or `*.` and a name: the star is for one label."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == name
    head, _, rest = name.partition(".")
    return bool(head) and rest == pattern[2:] and "." in rest


def forbidden(constraints: Constraints, certificate: Cert) -> str | None:
    """The first name of the certificate that the constraints of a CA do not allow; None when they allow all."""
    for name in certificate.dns or _bare(certificate):
        if any(_within(name, zone) for zone in constraints.excluded_dns):
            return name
        if constraints.permitted_dns and not any(_within(name, zone) for zone in constraints.permitted_dns):
            return name
    for text in certificate.ips:
        if _in_any(text, constraints.excluded_ip):
            return text
        if constraints.permitted_ip and not _in_any(text, constraints.permitted_ip):
            return text
    return None


def unrelated(one: str, other: str) -> bool:
    """True for hosts of different owners, as far as names tell: other addresses, or other last two labels."""
    if address(one) or address(other):
        return one != other
    return one.lower().split(".")[-2:] != other.lower().split(".")[-2:]


def _bare(certificate: Cert) -> tuple[str, ...]:
    name = certificate.common_name
    return (name,) if name and not certificate.san and "." in name and " " not in name else ()


def _within(name: str, zone: str) -> bool:
    name, zone = name.lower().removeprefix("*."), zone.lower().lstrip(".")
    return not zone or name == zone or name.endswith(f".{zone}")


def _in_any(text: str, networks: Iterable[Network]) -> bool:
    ip = address(text)
    return any(ip in network for network in networks) if ip else False
