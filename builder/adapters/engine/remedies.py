"""How an engine or buildx gets onto this system, in one sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_PACKAGES: Final = {"engine": "docker.io docker-buildx", "buildx": "docker-buildx"}

_DEBIAN_12: Final = (
    "Debian 12 has engine 20.10 and no buildx: run `.ci/engine` of the checkout, which takes both from Debian 13 "
    "(its suite at pin priority 100, so that nothing else comes from there), or install Docker's own packages"
)
_MACOS: Final = "install Docker Desktop or colima in its newest version (`brew install --cask docker`)"
_OTHER: Final = "install Docker Engine 25.0 and buildx 0.13, or newer ones: https://docs.docker.com/engine/install/"


def remedy(part: str, *, release: Path = Path("/etc/os-release"), platform: str = sys.platform) -> str:
    """What to do where `engine` or `buildx` is missing or too old; reads which system this is."""
    if platform == "darwin":
        return _MACOS
    system = _os_release(release)
    known = {*system.get("ID_LIKE", "").split(), system.get("ID", "")}
    match (system.get("ID", ""), _major(system)):
        case ("debian", major) if 0 < major <= 12:
            return _DEBIAN_12
        case ("debian", _):
            return _apt(part)
        case ("ubuntu", major) if major >= 24:
            return _apt(part)
        case _ if "fedora" in known:
            return f"`sudo dnf install {'moby-engine docker-buildx' if part == 'engine' else 'docker-buildx'}`"
        case _:
            return _OTHER


def _apt(part: str) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"`{sudo}apt-get install {_PACKAGES[part]}`, or run `.ci/engine` of the checkout"


def _major(system: dict[str, str]) -> int:
    text = system.get("VERSION_ID", "").partition(".")[0]
    return int(text) if text.isdigit() else 0


def _os_release(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}
