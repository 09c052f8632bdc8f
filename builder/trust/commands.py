"""What to type on this system, for a remedy. Pure: which system it is comes as an argument."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from builder.trust.certs import Cert
from builder.trust.remedies import Command

Family = Literal["debian", "rhel", "macos", "other"]
_BUNDLES: Final = {
    "debian": "/etc/ssl/certs/ca-certificates.crt",
    "rhel": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "macos": "NAME-and-all-others.pem",
    "other": "NAME-and-all-others.pem",
}


def family_of(release: dict[str, str], platform: str) -> Family:
    """Of the fields of /etc/os-release."""
    if platform == "darwin":
        return "macos"
    known = {*release.get("ID_LIKE", "").split(), release.get("ID", "")}
    if known & {"debian", "ubuntu"}:
        return "debian"
    return "rhel" if known & {"rhel", "fedora", "centos"} else "other"


def to_trust(certs: tuple[Cert, ...], asked: str, family: Family, *, conda: bool) -> tuple[Command, ...]:
    """Lets this system, conda, pip and a recipe trust the certificates."""
    name = file_name(certs[-1])
    commands = [Command(where="get the file", text=f"builder doctor {asked} --pem > {name}.crt")]
    commands.append(Command(where="compare", text=f"openssl x509 -in {name}.crt -noout -fingerprint -sha256"))
    commands += _system(name, certs, family)
    commands += list(to_use(_BUNDLES[family].replace("NAME", name), conda=conda))
    commands.append(Command(where="a recipe of builder", text=f"trust: {{extra: [site/{name}.crt]}}"))
    return tuple(commands)


def _system(name: str, certs: tuple[Cert, ...], family: Family) -> Iterator[Command]:
    if family == "debian":
        # One certificate a file: update-ca-certificates gives a file with several no hash link.
        many = "" if len(certs) == 1 else f"  # split it first: one certificate a file, {len(certs)} files"
        text = (
            f"sudo install -m 644 {name}.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates --fresh"
        )
        yield Command(where="this system", text=text + many)
    elif family == "rhel":
        text = f"sudo install -m 644 {name}.crt /etc/pki/ca-trust/source/anchors/ && sudo update-ca-trust extract"
        yield Command(where="this system", text=text)
    elif family == "macos":
        keychain = "/Library/Keychains/System.keychain"
        text = f"sudo security add-trusted-cert -d -r trustRoot -k {keychain} {name}.crt"
        yield Command(where="this system", text=text)
        yield Command(where="for clients with a bundle", text=_joined(name))
    else:
        yield Command(where="for clients with a bundle", text=_joined(name))


def _joined(name: str) -> str:
    return f'cat "$(python3 -m certifi)" {name}.crt > {name}-and-all-others.pem'


def to_use(bundle: str, *, conda: bool) -> Iterator[Command]:
    """Points the clients with stores of their own at a bundle."""
    if conda:
        yield Command(where="conda", text=f"conda config --set ssl_verify {bundle}")
    yield Command(where="pip", text=f"export PIP_CERT={bundle}")
    yield Command(where="requests", text=f"export REQUESTS_CA_BUNDLE={bundle}")
    yield Command(where="Node", text=f"export NODE_EXTRA_CA_CERTS={bundle}")


def to_use_system(bundle: str, *, conda: bool) -> tuple[Command, ...]:
    """For clients whose own store lacks what the system has."""
    return tuple(to_use(bundle, conda=conda))


def to_set_clock(family: Family) -> tuple[Command, ...]:
    """Sets the clock, and keeps it right."""
    if family == "macos":
        return (Command(where="this system", text="sudo sntp -sS time.apple.com"),)
    name = "chronyd" if family == "rhel" else "systemd-timesyncd"
    return (
        Command(where="systemd", text=f"sudo timedatectl set-ntp true && sudo systemctl restart {name}"),
        Command(where="chrony", text="sudo chronyc makestep"),
        Command(where="a container or WSL", text="the clock is the host's: set it there (WSL: `wsl --shutdown`)"),
    )


def file_name(cert: Cert) -> str:
    """A file's name from the subject; letters, digits and hyphens, which update-ca-certificates leaves alone."""
    text = cert.common_name or cert.subject.partition("=")[2]
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "site-root"
