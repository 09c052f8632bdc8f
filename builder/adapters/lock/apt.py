"""Asks a Debian distribution which packages, by the host's apt in folders of its own.

One way for every base: the host's apt-get with the base's sources, the base's keyring and the base's own dpkg
status, and nothing else of the host's but its proxy and trust. Asking apt inside a container of the base gives the
same answer, yet needs an engine, the host's network, proxy and CA inside that container, and a cleaning up of all of
it; this way nothing of the host ever comes near an image. The base's dpkg configures what was chosen, offline.
"""

from __future__ import annotations

import email.utils
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from builder.errors import HostError, LockError, NetworkError
from builder.models.catalog import ImageEntry, RootfsEntry, Suite
from builder.models.lock import Artifact, Package

KEYRINGS = Path("/usr/share/keyrings")
_PRINTED = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)
_URL = re.compile(r"\b[a-z+]+://[^\s'\",;)]+")
_ADDRESS = re.compile(r"\s*(?:\[IP: [^]]*\]|\(\d+\.\d+\.\d+\.\d+\))")


@dataclass(frozen=True, kw_only=True)
class Apt:
    """A distribution's package lists, as one mirror gave them, signatures checked."""

    folder: Path
    roots: Mapping[str, str]
    """By source name: the URL before `/dists` and `/pool`."""
    suite: str
    mirror: str

    def date(self) -> int:
        """The Date of the main suite's Release file, seconds since 1970: stable between point releases."""
        for path in sorted((self.folder / "lists").glob(f"*_dists_{self.suite}_*Release")):
            found = re.search(r"^Date: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            if found:
                return int(email.utils.parsedate_to_datetime(found[1]).timestamp())
        raise LockError(f"the Release file of {self.suite} has no date", where=self.mirror)

    def install(self, names: tuple[str, ...], *, status: str, where: str) -> tuple[Package, ...]:
        """What must be installed for `names` on top of a dpkg status (its text; empty: on nothing).

        Without recommendations; sorted by name. Raises LockError when it cannot be done.
        """
        if not names:
            return ()
        if odd := [name for name in names if name.endswith("-")]:
            raise LockError(f"{odd[0]} asks apt to remove a package", where=where, remedy="name packages to install")
        (self.folder / "status").write_text(status, encoding="utf-8")
        done = self._run("apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", *names)
        return self._packages(done, where)

    def single(self, name: str, *, where: str) -> Package:
        """One package, without what it depends on. Raises LockError when the suite has none of that name."""
        (self.folder / "status").write_text("", encoding="utf-8")
        (package,) = self._packages(self._run("apt-get", "download", "--print-uris", "-qq", name), where)
        return package

    def _packages(self, done: subprocess.CompletedProcess[str], where: str) -> tuple[Package, ...]:
        if done.returncode:
            seen = hostless(done.stderr, self.roots, self.mirror)
            remedy = f"look the names up in {self.suite}: a package may be called differently there"
            raise LockError("apt cannot install the packages", where=where, seen=seen, remedy=remedy)
        found = (self._package(match) for match in _PRINTED.finditer(done.stdout))
        return tuple(sorted(found, key=lambda p: p.name))

    def _package(self, match: re.Match[str]) -> Package:
        source, root = next((s, r) for s, r in _longest_first(self.roots) if match["uri"].startswith(r + "/"))
        name, version, _ = unquote(match["file"]).split("_")
        path = unquote(match["uri"].removeprefix(root + "/"))
        facts = {"source": source, "path": path, "sha256": match["sha256"], "size": int(match["size"])}
        return Package(name=name, version=version, artifact=Artifact.model_validate(facts))

    def _run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return _apt(self.folder, argv)


@contextmanager
def opened(entry: RootfsEntry | ImageEntry, *, roots: Mapping[str, str], mirror: str) -> Iterator[Apt]:
    """The package lists of a base, in a temporary folder for the time of the `with` block.

    Raises HostError when apt or the keyring is missing, NetworkError when the mirror does not give the lists.
    """
    _require(entry)
    with tempfile.TemporaryDirectory(prefix="builder-apt-") as name:
        folder = Path(name)
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        (folder / "status").touch()
        lines = (_source_line(suite, entry, roots[suite.source]) for suite in entry.suites)
        (folder / "sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        _configure(folder, entry.arch)
        _update(folder, roots, mirror)
        yield Apt(folder=folder, roots=roots, suite=entry.suites[0].suite, mirror=mirror)


def hostless(text: str, roots: Mapping[str, str], mirror: str) -> str:
    """apt's errors on one line, with the mirror's name in place of its addresses; at most 600 characters."""
    named = _ADDRESS.sub("", _URL.sub(f"({mirror})", text))
    for root in roots.values():
        host = urlsplit(root).netloc.rpartition("@")[2]
        named = named.replace(host, f"({mirror})") if host else named
    lines = (line.removeprefix("E: ").strip() for line in named.splitlines() if not line.startswith("W:"))
    return "; ".join(dict.fromkeys(line for line in lines if line))[:600]


def _require(entry: RootfsEntry | ImageEntry) -> None:
    if shutil.which("apt-get") is None:
        raise HostError("apt-get is missing", remedy="lock on Debian or Ubuntu, or install the package apt")
    if not (KEYRINGS / entry.keyring).is_file():
        raise HostError(
            f"the keyring {entry.keyring} is missing: without it nobody can tell whose packages these are",
            remedy=f"run `apt-get install {entry.keyring_package}`",
        )


def _source_line(suite: Suite, entry: RootfsEntry | ImageEntry, root: str) -> str:
    options = [f"arch={entry.arch}", f"signed-by={KEYRINGS / entry.keyring}"]
    if suite.archived:
        # An archived suite's last Release file grows old for good. Its age alone is not looked at; its signature is.
        options.append("check-valid-until=no")
    return f"deb [{' '.join(options)}] {root} {suite.suite} {' '.join(suite.components)}"


def _configure(folder: Path, arch: str) -> None:
    """Read after the host's own configuration, of which proxies, credentials and trust remain."""
    settings = {
        "Dir::State::lists": f"{folder}/lists",
        "Dir::State::status": f"{folder}/status",
        "Dir::State::extended_states": f"{folder}/extended_states",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Etc::sourcelist": f"{folder}/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": arch,
        "APT::Default-Release": "",
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::ForceHash": "SHA256",
        "Acquire::Retries": "2",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
    }
    if trusted := _bundle():
        settings["Acquire::https::CAInfo"] = trusted
    lines = [f'{key} "{value}";' for key, value in settings.items()]
    # A clear first: hooks of the host would run at each update, and index targets fetch what nobody reads here.
    lines[:0] = ["#clear APT::Update::Post-Invoke-Success;", "#clear APT::Update::Post-Invoke;"]
    lines += ["#clear APT::Architectures;", f'APT::Architectures {{ "{arch}"; }};', "#clear DPkg::Post-Invoke;"]
    (folder / "apt.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _bundle() -> str | None:
    """apt ignores SSL_CERT_FILE (FACTS 1) and takes the system's bundle; a host that sets the variable means it."""
    named = os.environ.get("SSL_CERT_FILE")
    return named if named and Path(named).is_file() else None


def _update(folder: Path, roots: Mapping[str, str], mirror: str) -> None:
    done = _apt(folder, ("apt-get", "update", "-qq", "--error-on=any"))
    if done.returncode:
        raise NetworkError(
            f"the mirror {mirror} does not give the package lists",
            where="apt-get update",
            seen=hostless(done.stderr, roots, mirror),
            remedy="name another mirror in the recipe (apt.mirrors); NO_PUBKEY: the host's keyring is too old",
        )


def _apt(folder: Path, argv: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [argv[0], "-c", str(folder / "apt.conf"), *argv[1:]]
    env = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def _longest_first(roots: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(roots.items(), key=lambda item: -len(item[1]))
