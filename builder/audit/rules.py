"""The rules, one entry each: what it is called, why it matters, what helps. What finds it is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from builder.audit.finding import Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@dataclass(frozen=True)
class Rule:
    """One thing that the audit looks for."""

    id: str
    title: str
    severity: Severity
    why: str
    remedy: str


_ANYONE = "anyone on the way can replace what is downloaded, and nobody is told"
_DOCTOR = "find the cause with `builder doctor HOST`"

_RULES: Final = (
    Rule(
        "CONDA001",
        "conda does not verify TLS certificates",
        _ERROR,
        _ANYONE,
        f"remove the setting, or write the path of the CA bundle; {_DOCTOR}",
    ),
    Rule(
        "CONDA002",
        "conda refuses its configuration",
        _ERROR,
        "conda stops with an error wherever this file or variable is read",
        "write true, the path of a CA bundle, or (Python 3.10 or later) truststore",
    ),
    Rule(
        "CONDA003",
        "conda ignores this whole file",
        _ERROR,
        "conda only logs a warning (before 23.7 it stops): channels, mirrors and the bundle named here have no effect",
        "mend the YAML at the place named: no tabs, single quotes around backslashes",
    ),
    Rule(
        "CONDA004",
        "conda ignores this key",
        _WARNING,
        "conda's settings are lower case with underscores: the line has no effect",
        "write the key as conda knows it, or remove the line",
    ),
    Rule(
        "CONDA005",
        "whether conda verifies depends on a variable",
        _WARNING,
        "an empty value switches verification off; an unset one stops conda 25.9 with an error",
        "write the path itself",
    ),
    Rule(
        "CONDA006",
        "conda is told to skip verification on the command line",
        _ERROR,
        _ANYONE,
        f"remove -k/--insecure; {_DOCTOR}",
    ),
    Rule(
        "CONDA010",
        "a channel over plain http",
        _ERROR,
        f"no certificate protects it: {_ANYONE}",
        "write https://; every mirror of weight has it",
    ),
    Rule(
        "CONDA011",
        "pkgs/free is dead",
        _WARNING,
        "nothing was added since 2017, conda 4.7 dropped it from the defaults, mirrors answer 404 and conda stops",
        "remove the channel",
    ),
    Rule(
        "CONDA012",
        "terms apply to Anaconda's default channels",
        _NOTE,
        "organisations of over 200 people need a licence; unattended builds stop until the terms are accepted",
        "use conda-forge alone, or accept the terms knowingly",
    ),
    Rule(
        "CA001",
        "a server's certificate stands where a CA belongs",
        _ERROR,
        "a CA-issued leaf fails at once in Python 3.9-3.12, requests, pip, git, Node, uv and apt, and expires in weeks",
        "name the issuing root inside a complete bundle: `builder certs pin HOST`",
    ),
    Rule(
        "CA002",
        "the CA bundle named here does not exist",
        _ERROR,
        "every TLS connection of this client fails, and somebody will switch verification off",
        "name a file that exists, /etc/ssl/certs/ca-certificates.crt on Debian",
    ),
    Rule(
        "CA003",
        "a variable beats this setting",
        _WARNING,
        "requests, and so conda and pip, take REQUESTS_CA_BUNDLE, then CURL_CA_BUNDLE, before any path of their own",
        "let all of them name one bundle, or unset the variable",
    ),
    Rule(
        "URL001",
        "a password or token where everybody reads it",
        _ERROR,
        "it is in the repository's history, the image's layers and every log that shows the address",
        "revoke it; put credentials into .netrc, a keyring or a build secret",
    ),
    Rule(
        "URL002",
        "this mirror is no more",
        _WARNING,
        "the name answers no longer, or with an expired certificate",
        "name one that lives: tuna, sjtu, nju, bfsu, or upstream",
    ),
    Rule(
        "PIP001",
        "pip trusts a host without verifying it",
        _ERROR,
        f"trusted-host switches verification off for it: {_ANYONE}",
        "remove it and give pip the CA: `cert = /path/bundle.pem` or PIP_CERT",
    ),
    Rule(
        "PIP002",
        "a package index over plain http",
        _ERROR,
        f"no certificate protects it: {_ANYONE}",
        "write https://",
    ),
    Rule(
        "GIT001",
        "git does not verify TLS certificates",
        _ERROR,
        f"{_ANYONE}; git takes GIT_SSL_NO_VERIFY as set whatever its value",
        "remove it; for a CA of the site set http.sslCAInfo",
    ),
    Rule(
        "NODE001",
        "Node does not verify TLS certificates",
        _ERROR,
        _ANYONE,
        "remove it; NODE_EXTRA_CA_CERTS adds a CA",
    ),
    Rule(
        "NPM001",
        "npm or yarn does not verify TLS certificates",
        _ERROR,
        _ANYONE,
        "remove it; `cafile=/path/bundle.pem` names a CA",
    ),
    Rule(
        "NPM002",
        "an npm registry over plain http",
        _ERROR,
        f"no certificate protects it: {_ANYONE}",
        "write https://",
    ),
    Rule(
        "CURL001",
        "curl does not verify TLS certificates",
        _ERROR,
        _ANYONE,
        f"remove -k/--insecure; --cacert names a CA; {_DOCTOR}",
    ),
    Rule(
        "WGET001",
        "wget does not verify TLS certificates",
        _ERROR,
        _ANYONE,
        f"remove it; --ca-certificate names a CA; {_DOCTOR}",
    ),
    Rule(
        "APT001",
        "apt does not verify TLS certificates",
        _ERROR,
        "the packages are signed, but which ones are withheld, and a login sent along, are open to anyone on the way",
        "remove it; Acquire::https::CAInfo names a CA",
    ),
    Rule(
        "APT002",
        "apt installs without checking signatures",
        _ERROR,
        _ANYONE,
        "install the repository's key and name it: [signed-by=/etc/apt/keyrings/NAME.gpg]",
    ),
    Rule(
        "DNF001",
        "dnf or yum does not verify TLS certificates",
        _ERROR,
        "the packages may be signed, but which are withheld, and a login sent along, are open to anyone on the way",
        "remove it; sslcacert names a CA",
    ),
    Rule(
        "DNF002",
        "dnf or yum installs without checking signatures",
        _ERROR,
        _ANYONE,
        "name the repository's key: gpgcheck=1 and gpgkey=file:///etc/pki/rpm-gpg/NAME",
    ),
    Rule(
        "UV001",
        "uv trusts a host without verifying it",
        _ERROR,
        _ANYONE,
        "remove it; SSL_CERT_FILE names a bundle, UV_SYSTEM_CERTS takes the system's",
    ),
    Rule(
        "PY001",
        "a request without verification",
        _WARNING,
        _ANYONE,
        "remove verify=False; verify='/path/bundle.pem' names a CA",
    ),
    Rule(
        "PY002",
        "a TLS context that verifies nothing",
        _WARNING,
        _ANYONE,
        "use ssl.create_default_context(cafile=...)",
    ),
    Rule(
        "PY003",
        "PYTHONHTTPSVERIFY=0",
        _ERROR,
        "Python 2.7 and the patched Pythons of some distributions then verify nothing",
        "remove it",
    ),
    Rule(
        "MAMBA001",
        "mamba's --offline switches verification off",
        _WARNING,
        "what mamba still fetches in that run, it fetches unverified",
        "work from an explicit file and a local channel instead",
    ),
    Rule(
        "DOCKER001",
        "a container registry without verification",
        _ERROR,
        f"images come over plain http or with any certificate: {_ANYONE}",
        "put the registry's CA into /etc/docker/certs.d/HOST/ca.crt",
    ),
    Rule(
        "CARGO001",
        "a crate registry over plain http",
        _ERROR,
        f"no certificate protects it: {_ANYONE}",
        "write https:// (or sparse+https://)",
    ),
    Rule(
        "GO001",
        "Go fetches modules without verification",
        _ERROR,
        _ANYONE,
        "remove it; a CA of the site belongs into the system's store (SSL_CERT_FILE)",
    ),
    Rule(
        "MAVEN001",
        "Maven does not verify TLS certificates",
        _ERROR,
        _ANYONE,
        "remove it; -Djavax.net.ssl.trustStore names a store with the site's CA",
    ),
    Rule(
        "TLS001",
        "a client is told not to verify TLS certificates",
        _ERROR,
        _ANYONE,
        f"remove the flag and give the client the CA; {_DOCTOR}",
    ),
    Rule(
        "AUDIT001",
        "an exception without a reason",
        _WARNING,
        "nobody can tell later whether it still holds",
        "write `builder-audit: allow RULE reason`",
    ),
    Rule(
        "AUDIT002",
        "this file cannot be read as what its name says",
        _WARNING,
        "what it sets is not known",
        "mend the place named",
    ),
)

RULES: Final[dict[str, Rule]] = {rule.id: rule for rule in _RULES}
