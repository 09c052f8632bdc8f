"""Plan, the topmost layer: the CA bundle, and what points every client of the image at it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from builder.conda.places import ROOT
from builder.models.lock import RootfsBase
from builder.models.plan import File, Layer, Link
from builder.stages.plan_conda import certificate_copies
from builder.trust.layout import BUNDLE, DEBCONF, LAYOUTS, python_files

if TYPE_CHECKING:
    from builder.models.catalog import Family
    from builder.models.lock import CondaLock, Lock

TRUST_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, Python's ssl, uv; SSL_CERT_DIR stays unset: curl 7.88 would then ignore this one
    "REQUESTS_CA_BUNDLE",  # requests, conda, pip
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
)
"""One bundle for every client: FACTS 1."""


def trust_layer(lock: Lock, prefix: str, *, python: str, family: Family, more: tuple[File, ...] = ()) -> Layer:
    """On top: refreshing it costs kilobytes.

    python: the minor version of the environment's Python, as in 3.9.
    more: what else an image says of whom it trusts.
    """
    layout = LAYOUTS[family]
    packages = f"{prefix}/lib/python{python}/site-packages"
    pythons = [packages]
    if lock.conda:
        pythons.append(f"{ROOT}/lib/python{lock.conda.installer_python}/site-packages")
    return Layer(
        name="trust",
        title=f"The CA bundle: {len(lock.trust.certificates)} trust anchors",
        action=layout.action,
        artifacts=(lock.trust.bundle,),
        files=(*layout.files, *(file for site in pythons for file in python_files(site)), *more),
        links=(*layout.links, *_copies(lock, prefix, packages), *_java(lock.conda, prefix, layout.java)),
        on=_ground(lock),
    )


def debconf_answers(lock: Lock) -> tuple[File, ...]:
    """What debconf is told before the distribution's packages come, where the distribution's roots are among them."""
    return (File(path="debconf", content=DEBCONF),) if _has_stores(lock) else ()


def _has_stores(lock: Lock) -> bool:
    return any(package.name == "ca-certificates" for package in lock.apt)


def _ground(lock: Lock) -> tuple[str, ...]:
    """What the step stands on: the base, and the distribution's packages where the tool for stores is one."""
    base = ("rootfs",) if isinstance(lock.base, RootfsBase) else ()
    return (*base, "apt") if _has_stores(lock) else base


def _copies(lock: Lock, prefix: str, packages: str) -> tuple[Link, ...]:
    """The bundles that OpenSSL, certifi and pip bring, replaced by links."""
    copies = {"certifi": f"{packages}/certifi/cacert.pem", "pip": f"{packages}/pip/_vendor/certifi/cacert.pem"}
    own = [copies[package.name] for package in lock.pip if package.name in copies]
    if lock.conda:
        own += certificate_copies(lock.conda, prefix, packages)
    return tuple(Link(path=path, target=BUNDLE) for path in dict.fromkeys(own))


def _java(conda: CondaLock | None, prefix: str, store: str) -> tuple[Link, ...]:
    """Of conda's Java. The distribution's is found by the step, on the ground that it stands on."""
    for package in conda.packages if conda else ():
        if package.name == "openjdk":
            jre = "jre/" if re.match(r"8\b", package.version) else ""
            return (Link(path=f"{prefix}/lib/jvm/{jre}lib/security/cacerts", target=store),)
    return ()
