"""Where each family of distributions keeps what it trusts, and what points its clients there.

The bundle has one path in every image. The family's own tool can be run again in a container and gives the same
certificates: its sources are ours, and what the distribution brought is deselected.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from builder.models.base import Model
from builder.models.plan import Action, File, Link

if TYPE_CHECKING:
    from builder.models.catalog import Family

BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
"""The one CA bundle, at the path that Debian's own clients read. On the RHEL family a link leads from there to
`/etc/pki/ca-trust/extracted`, where that family's clients look."""

DEBCONF: Final = "ca-certificates ca-certificates/trust_new_crts select no\n"
"""Debian's ca-certificates then brings its certificates deselected, and those of each later version, too."""

_ASKED_LATER: Final = (
    'DPkg::Pre-Invoke {"command -v debconf-set-selections > /dev/null && '
    f'echo {DEBCONF.strip()} | debconf-set-selections || :";}};\n'
)

_EXTRACTED: Final = "/etc/pki/ca-trust/extracted"


class Layout(Model):
    """A family's places."""

    action: Action
    """The step that lays the certificates and has the family's own tool make its stores of them."""
    java: str
    """The store of every Java, whether it is there or not."""
    files: tuple[File, ...]
    links: tuple[Link, ...]


_WGETRC: Final = File(path="/etc/wgetrc", content=f"# One CA bundle for every client.\nca_certificate = {BUNDLE}\n")

LAYOUTS: Final[dict[Family, Layout]] = {
    "debian": Layout(
        action=Action.INSTALL_TRUST,
        java="/etc/ssl/certs/java/cacerts",
        files=(
            File(
                path="/etc/apt/apt.conf.d/99builder-trust",
                content=f'Acquire::https::CAInfo "{BUNDLE}";\n{_ASKED_LATER}',
            ),
            _WGETRC,
        ),
        links=(Link(path="/usr/lib/ssl/cert.pem", target=BUNDLE),),  # OpenSSL's own default
    ),
    "rhel": Layout(
        action=Action.INSTALL_TRUST_RHEL,
        java=f"{_EXTRACTED}/java/cacerts",
        files=(
            _WGETRC,
            # p11-kit then reads no shipped roots, which each later ca-certificates RPM brings again. [M, 0.23.22]
            File(
                path="/etc/pkcs11/modules/p11-kit-trust.module",
                content="# Written by builder.\nx-init-reserved: paths='/etc/pki/ca-trust/source'\n",
            ),
        ),
        links=tuple(
            Link(path=f"/etc/pki/tls/{name}", target=f"{_EXTRACTED}/pem/tls-ca-bundle.pem")
            for name in ("cert.pem", "certs/ca-bundle.crt", "certs/ca-certificates.crt")
        ),
    ),
}


def python_files(site: str) -> tuple[File, ...]:
    """What keeps a Python's clients on the bundle, in its site-packages: a module and the line that starts it."""
    return (
        File(path=f"{site}/_builder_trust.pth", content="import _builder_trust\n"),
        File(path=f"{site}/_builder_trust.py", content=_module()),
    )


@cache
def _module() -> str:
    return files("builder.trust.image").joinpath("_builder_trust.py").read_text(encoding="utf-8")
