"""What pip, uv, apt and conda on this host are themselves configured with: the meaning of the mirror `upstream`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from builder.adapters.conda.config import conda_root
from builder.errors import HostError

_TARGET: Final = re.compile(r"^(?P<root>\S+?)/* (?P<suite>\S+)$", re.MULTILINE)
_OS_RELEASE: Final = Path("/etc/os-release")


class HostClients:
    """Asks the clients once, when somebody needs to know; nothing of it is ever written down."""

    def pypi_index(self) -> str:
        """pip's own setting if there is one, else what uv says that it uses. Raises HostError when uv is missing."""
        return self._index

    def apt_roots(self, source: str) -> tuple[str, ...]:
        """The roots of a Debian source in the host's apt sources, in their order. Raises HostError without any."""
        roots = self._apt.get(source, ())
        if not roots:
            seen = "its sources hold none" if shutil.which("apt-get") else "there is no apt"
            raise HostError(
                f"this host's own apt does not know where {source} is",
                seen=seen,
                remedy="name a mirror in the recipe, as in `apt: {mirrors: [tuna]}`",
            )
        return roots

    def conda_root(self, channel: str) -> str | None:
        """Where conda's own configuration has a channel; None when it says nothing of it."""
        if channel not in self._channels:
            self._channels[channel] = conda_root(channel)
        return self._channels[channel]

    @cached_property
    def _channels(self) -> dict[str, str | None]:
        return {}

    @cached_property
    def _index(self) -> str:
        return (os.environ.get("PIP_INDEX_URL") or _pip_index() or _uv_index()).strip().rstrip("/")

    @cached_property
    def _apt(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, dict[str, None]] = {}
        for source, root in _debian_roots(_apt_targets(), _os_release()):
            found.setdefault(source, {})[root] = None
        return {source: tuple(roots) for source, roots in found.items()}


def _pip_index() -> str | None:
    """`index-url` of pip's files; None when there is no pip or no such setting.

    From `pip config list`: `pip config get` overlooks the file that PIP_CONFIG_FILE names (pip 23.2).
    """
    found = shutil.which("pip3") or shutil.which("pip")
    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else [found] if found else []
    listed = _output([*pip, "config", "list"]) if pip else None
    values = dict(re.findall(r"^(install|global)\.index-url='(.*)'$", listed or "", re.MULTILINE))
    return values.get("install") or values.get("global")


def _uv_index() -> str:
    """uv prints its effective default index with the (empty) result; it asks no server for that."""
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else shutil.which("uv")
    text = _output([program, "pip", "compile", "-", "--emit-index-url", "--quiet"]) if program else None
    found = re.search(r"^--(?:index-url|default-index) (\S+)", text or "", re.MULTILINE)
    if not found:
        raise HostError(
            "uv does not say which package index it uses",
            seen=text if program else "uv is missing",
            remedy="set UV_DEFAULT_INDEX, or name mirrors in the recipe, as in `pip: {mirrors: [tuna]}`",
        )
    return found[1]


def _apt_targets() -> str:
    """Root and suite of each index that apt would use; needs no package lists and no rights."""
    asked = ["apt-get", "indextargets", "--no-release-info", "--format", "$(SITE) $(RELEASE)"]
    return _output(asked) or "" if shutil.which("apt-get") else ""


def _os_release() -> dict[str, str]:
    try:
        lines = _OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def _debian_roots(targets: str, release: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Source and root of each target that is Debian's: by the root's name, or by the suite on a Debian host.

    A company's proxy may call its copy anything; then the code name of the running Debian tells it.
    """
    codename = release.get("VERSION_CODENAME") if release.get("ID") == "debian" else None
    for match in _TARGET.finditer(targets):
        security = match["suite"].endswith(("-security", "/updates"))
        named = match["root"].rsplit("/", 1)[-1] in ("debian", "debian-security")
        if named or re.split("[-/]", match["suite"])[0] == codename:
            for root in _expanded(match["root"]):
                yield ("debian-security" if security else "debian"), root


def _expanded(root: str) -> Iterator[str]:
    """The root itself, or those of the file that apt's mirror method reads (as on Debian's cloud images)."""
    if root.startswith("mirror+file:"):
        path = Path("/", root.removeprefix("mirror+file:").lstrip("/"))
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        roots = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    else:
        roots = [root]
    yield from (r.rstrip("/") for r in roots if r.startswith(("http://", "https://")))


def _output(argv: list[str]) -> str | None:
    """Standard output of a command that takes no input; None when it fails."""
    try:
        # In an empty folder: no uv.toml or pyproject.toml of a project around us has a say.
        with tempfile.TemporaryDirectory(prefix="builder-") as folder:
            done = subprocess.run(
                argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
