"""Which kind of file a path and its first bytes make: what is read at all, and how."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final


class Kind(str, Enum):
    """How a file is read."""

    CONDARC = "conda"
    PIP = "pip"
    REQUIREMENTS = "requirements"
    GIT = "git"
    NPM = "npm"
    YARN = "yarn"
    CURL = "curl"
    WGET = "wget"
    APT = "apt"
    SOURCES = "apt sources"
    UV = "uv"
    PYPROJECT = "pyproject"
    CARGO = "cargo"
    DAEMON = "docker daemon"
    REGISTRIES = "container registries"
    MAVEN = "maven"
    ENVIRONMENT = "environment"
    CONDA_STATE = "conda's state"
    DNF = "dnf"
    DOCKERFILE = "Dockerfile"
    MAKEFILE = "Makefile"
    JUSTFILE = "justfile"
    CRON = "crontab"
    SYSTEMD = "systemd"
    TOX = "tox"
    JENKINS = "Jenkinsfile"
    VAGRANT = "Vagrantfile"
    SHELL = "shell"
    YAML = "yaml"
    PYTHON = "python"
    NOTEBOOK = "notebook"


_PATTERNS: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (Kind.CONDARC, r"(^|/)\.?(condarc|mambarc)$|/\.?condarc\.d/[^/]+\.ya?ml$|(^|/)\.(conda|mamba)rc\.ya?ml$"),
        (Kind.PIP, r"(^|/)pip\.(conf|ini)$"),
        (Kind.REQUIREMENTS, r"(requirements|constraints)[^/]*\.(txt|in)$|(^|/)requirements/[^/]+\.(txt|in)$"),
        (Kind.GIT, r"(^|/)\.?gitconfig$|(^|/)\.?git/config$"),
        (Kind.NPM, r"(^|/)\.?npmrc$|(^|/)\.yarnrc$"),
        (Kind.YARN, r"(^|/)\.yarnrc\.yml$"),
        (Kind.CURL, r"(^|/)[._]curlrc$|/curlrc$"),
        (Kind.WGET, r"(^|/)\.?wgetrc$"),
        (Kind.APT, r"(^|/)apt\.conf$|(^|/)apt\.conf\.d/[^/]+$"),
        (Kind.SOURCES, r"(^|/)sources\.list$|/sources\.list\.d/[^/]+\.(list|sources)$"),
        (Kind.UV, r"(^|/)uv\.toml$"),
        (Kind.PYPROJECT, r"(^|/)pyproject\.toml$"),
        (Kind.CARGO, r"(^|/)\.?cargo/config(\.toml)?$"),
        (Kind.DAEMON, r"(^|/)daemon\.json$"),
        (Kind.REGISTRIES, r"/containers/registries\.conf(\.d/[^/]+)?$"),
        (Kind.MAVEN, r"(^|/)\.mvn/(maven|jvm)\.config$"),
        (Kind.ENVIRONMENT, r"/etc/environment$|(^|/)\.env(\.[\w-]+)?$|\.env$|/environment\.d/[^/]+\.conf$"),
        (Kind.ENVIRONMENT, r"\$\{?GITHUB_ENV\}?$"),
        (Kind.CONDA_STATE, r"/conda-meta/state$"),
        (Kind.DNF, r"(^|/)(yum|dnf)\.conf$|\.repo$"),
        (
            Kind.DOCKERFILE,
            r"(^|/)([Dd]ockerfile|[Cc]ontainerfile)([.-][^/]*)?$|\.(dockerfile|Dockerfile|containerfile)$",
        ),
        (Kind.MAKEFILE, r"(^|/)(GNU)?[Mm]akefile$|\.mk$"),
        (Kind.JUSTFILE, r"(^|/)\.?[Jj]ustfile$|\.just$"),
        (Kind.CRON, r"(^|/)crontab$|/cron\.d/[^/]+$"),
        (Kind.SYSTEMD, r"\.(service|timer|socket)$|\.(service|timer|socket)\.d/[^/]+\.conf$"),
        (Kind.TOX, r"(^|/)tox\.ini$"),
        (Kind.JENKINS, r"(^|/)Jenkinsfile([.-][^/]*)?$|\.jenkinsfile$"),
        (Kind.VAGRANT, r"(^|/)Vagrantfile$"),
        (Kind.SHELL, r"\.(sh|bash|zsh|ksh)(\.(in|tmpl|tpl|j2))?$|(^|/)\.envrc$"),
        (Kind.SHELL, r"(^|/)\.?(bashrc|bash_profile|bash_login|zshrc|zshenv|zprofile|profile)$"),
        (Kind.SHELL, r"/etc/bash\.bashrc$"),
        (Kind.YAML, r"\.ya?ml$|(^|/)(package|\.?devcontainer)\.json$"),
        (Kind.PYTHON, r"\.pyi?$"),
        (Kind.NOTEBOOK, r"\.ipynb$"),
    )
)

_SHEBANG = re.compile(rb"#!\s*\S*?(?:/env(?:\s+-S)?\s+)?/?(?:\S*/)?(sh|bash|dash|zsh|ksh|ash|python[\d.]*)\b")


@lru_cache(maxsize=4096)
def _by_name(path: str) -> Kind | None:
    return next((kind for kind, pattern in _PATTERNS if pattern.search(path)), None)


def kind_of(path: str, head: bytes = b"") -> Kind | None:
    """How to read it; None for a file that nobody here reads. `head` tells scripts without a suffix."""
    if kind := _by_name(path):
        return kind
    if found := _SHEBANG.match(head.removeprefix(b"\xef\xbb\xbf")):
        return Kind.PYTHON if found[1].startswith(b"python") else Kind.SHELL
    return None


CONFIGURATION: Final = frozenset(Kind) - {
    *(Kind.DOCKERFILE, Kind.MAKEFILE, Kind.JUSTFILE, Kind.TOX, Kind.JENKINS, Kind.VAGRANT),
    *(Kind.YAML, Kind.PYTHON, Kind.NOTEBOOK, Kind.PYPROJECT),
}
"""Kinds that take effect by where they lie, in an image or on a host."""
