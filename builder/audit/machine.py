"""A whole machine, running or as an image: its files as they take effect, its variables, who wins for conda. Pure.

What it is made of comes through a port: a running host and the files of an image are read alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final, Protocol

from builder.audit.anchors import anchor_hits
from builder.audit.conda_effective import SEARCH_PATH, Effective, ssl_verify
from builder.audit.conda_value import Verdict
from builder.audit.condarc import CondaRc, read
from builder.audit.examine import examine, placed
from builder.audit.finding import Finding, by_place
from builder.audit.kinds import Kind, kind_of
from builder.audit.starts import Commands, command_findings
from builder.audit.surroundings import Surroundings
from builder.audit.text import Fragment
from builder.audit.variables import BUNDLES, variable_hits
from builder.audit.weigh import weighed

SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Debian, RHEL, SUSE, Alpine."""

PLACES: Final = (
    "/etc/pip.conf",
    "/etc/xdg/pip/pip.conf",
    "~/.config/pip/pip.conf",
    "~/.pip/pip.conf",
    "$VIRTUAL_ENV/pip.conf",
    "$PIP_CONFIG_FILE",
    "/etc/gitconfig",
    "~/.gitconfig",
    "~/.config/git/config",
    "/etc/npmrc",
    "/usr/etc/npmrc",
    "/usr/local/etc/npmrc",
    "~/.npmrc",
    "~/.yarnrc",
    "~/.yarnrc.yml",
    "~/.curlrc",
    "~/.config/curlrc",
    "/etc/wgetrc",
    "~/.wgetrc",
    "/etc/apt/apt.conf",
    "/etc/apt/apt.conf.d/",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/",
    "/etc/uv/uv.toml",
    "~/.config/uv/uv.toml",
    "~/.cargo/config.toml",
    "~/.cargo/config",
    "/etc/docker/daemon.json",
    "/etc/containers/registries.conf",
    "/etc/containers/registries.conf.d/",
    "/etc/yum.conf",
    "/etc/dnf/dnf.conf",
    "/etc/yum.repos.d/",
    "/etc/environment",
    "/etc/profile",
    "/etc/profile.d/",
    "/etc/bash.bashrc",
    "~/.profile",
    "~/.bashrc",
    "~/.bash_profile",
    "~/.zshrc",
    "~/.mambarc",
)
"""Where the clients look, besides conda's own search path."""

CONDA_PLACES: Final = ("conda-meta/state", "etc/conda/activate.d/")
"""Of an environment: what activating it sets and runs."""


class Files(Protocol):
    """A machine's files, by absolute path."""

    def read(self, path: str) -> bytes | None:
        """The content of a regular file; None when there is none or it may not be read."""

    def exists(self, path: str) -> bool:
        """True for a file or a folder."""

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none when it is no folder."""


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What was found on a machine."""

    findings: tuple[Finding, ...]
    conda: Mapping[str, Effective]
    """What verification comes to, for each conda by its root; "" where none is installed."""
    read: int
    """Files."""


def audit_machine(
    files: Files,
    environment: Mapping[str, str],
    *,
    label: str,
    extra: Iterable[str] = (),
    conda_roots: Iterable[str] = (),
    environments: bool = False,
    commands: Commands = (),
    comments: bool = True,
) -> Audited:
    """The findings of a machine; `extra` are further files to read, `conda_roots` where a conda is installed.

    `environments`: whether each conda's other environments are looked at, whose folders are then listed.
    `commands`: what an image starts. `comments`: whether one in a file may allow what is found there.
    """
    bundle = _bundle(files, environment)
    around = Surroundings(variables=environment, read=files.read, exists=files.exists, bundle=bundle, comments=comments)
    roots = {root: conda_places(files, environment, root=root) for root in conda_roots or ("",)}
    if environments:
        roots |= {prefix: places for root in tuple(roots) for prefix, places in _others(files, environment, root)}
    conda_files = {p for places in roots.values() for p in places}
    activated = (f"{root}/{place}" for root in roots if root for place in CONDA_PLACES)
    others = [p for place in (*PLACES, *activated) for p in expand(files, environment, place)]
    findings: list[Finding] = []
    rcs: dict[str, CondaRc] = {}
    count = 0
    for path in dict.fromkeys([*sorted(conda_files), *others, *extra]):
        data = files.read(path)
        if data is None or b"\0" in data[:1024]:
            continue
        count += 1
        text = data.decode("utf-8", "surrogateescape")
        kind = Kind.CONDARC if path in conda_files else kind_of(path, data[:80])
        if path in conda_files:
            rcs[path] = read(path, text)
        if kind is not None:
            findings += examine(path, text, kind=kind, around=around)
    findings += environment_findings(environment, label, around)
    findings += command_findings(commands, around)
    conda: dict[str, Effective] = {}
    for root, places in roots.items():
        if any(p in rcs for p in places) or _conda_set(environment):
            effective = ssl_verify([rcs[p] for p in places if p in rcs], environment, exists=files.exists)
            conda[root] = _for_its_python(files, root.partition("/envs/")[0], effective)
    told = weighed(findings, tuple(conda.values()), environment)
    return Audited(findings=by_place(told), conda=conda, read=count)


def _others(files: Files, environment: Mapping[str, str], root: str) -> Iterator[tuple[str, list[str]]]:
    """The environments of a conda that have configuration of their own, with the search path of `conda -n NAME`.

    Since 23.7 that reads NAME's own files, whichever environment is active [M, 25.9.1 and 26.7.1].
    """
    for name in files.names(f"{root}/envs") if root else ():
        prefix = f"{root}/envs/{name}"
        places = conda_places(files, {**environment, "CONDA_PREFIX": prefix}, root=root)
        if any(place.startswith(f"{prefix}/") for place in places):
            yield prefix, places


def environment_findings(environment: Mapping[str, str], label: str, around: Surroundings) -> tuple[Finding, ...]:
    """What the variables of an environment break."""
    found: list[Finding] = []
    for name, value in sorted(environment.items()):
        text = f"{name}={value}"
        hits = list(variable_hits(name, value, Fragment(text)))
        if name in BUNDLES and value:
            hits += anchor_hits(value, 0, text, around)
        found += [replace(f, line=0, column=0, edits=()) for f in placed(f"{label}: {name}", text, iter(hits))]
    return tuple(found)


def conda_places(files: Files, environment: Mapping[str, str], *, root: str) -> list[str]:
    """The configuration files of conda that are there, in the order of its search path."""
    variables = {**environment, "CONDA_ROOT": environment.get("CONDA_ROOT") or root}  # conda sets it where it is unset
    found = [
        p for place in SEARCH_PATH for p in expand(files, variables, place) if _is_conda(p, folder=place[-1] == "/")
    ]
    return list(dict.fromkeys(found))


def expand(files: Files, environment: Mapping[str, str], place: str) -> Iterator[str]:
    """The files that a place of the search path stands for: variables, `~`, a folder's files."""
    path = place
    if path.startswith("$"):
        name, slash, rest = path[1:].partition("/")
        if not environment.get(name):
            return
        path = environment[name] + slash + rest
    if path.startswith("~"):
        path = environment.get("HOME", "/root") + path[1:]
    if names := files.names(path.rstrip("/")):
        yield from (f"{path.rstrip('/')}/{name}" for name in names)
    elif not path.endswith("/") and files.exists(path):
        yield path


def _is_conda(path: str, *, folder: bool) -> bool:
    """conda takes `.condarc`, `condarc` and YAML, in a folder YAML alone, and passes by what else lies there."""
    name = PurePosixPath(path)
    return name.suffix in (".yml", ".yaml") or (not folder and name.name in (".condarc", "condarc"))


def _bundle(files: Files, environment: Mapping[str, str]) -> str:
    named = [environment.get(name, "") for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")]
    return next((p for p in (*named, *SYSTEM_BUNDLES) if p and files.exists(p)), "")


def _for_its_python(files: Files, root: str, effective: Effective) -> Effective:
    """conda refuses `truststore` where its own Python is older than 3.10."""
    old = any(files.exists(f"{root}/lib/python3.{minor}") for minor in range(5, 10)) if root else False
    if effective.verdict is not Verdict.TRUSTSTORE or not old:
        return effective
    why = "truststore needs Python 3.10 or later, and this conda has an older one"
    return replace(effective, verdict=Verdict.ERROR, path="truststore", why=why)


def _conda_set(environment: Mapping[str, str]) -> bool:
    return any(
        name.startswith("CONDA_") and name.lower() in ("conda_ssl_verify", "conda_verify_ssl") for name in environment
    )
