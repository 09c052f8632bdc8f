"""Where conda on this host takes a channel from: its own files and variables, read without running it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_NAMES: Final = (".condarc", "condarc", "condarc.d")


def conda_root(channel: str, *, environ: Mapping[str, str] = os.environ, system: Path = Path("/")) -> str | None:
    """The root of a channel as the host's conda has it, without a slash at its end; None when it says nothing.

    By `custom_channels`, then by an address among `default_channels` and `channels` that ends with the channel's
    name, then by `channel_alias` (which Anaconda's `pkgs/...` are not below).
    """
    configs = [config for path in _files(environ, system) for config in _read(path)]
    configs.append({"channel_alias": environ.get("CONDA_CHANNEL_ALIAS")})
    custom = {name: root for config in configs for name, root in _mapping(config.get("custom_channels")).items()}
    if channel in custom:
        return f"{custom[channel]}/{channel}"
    named = next((url for url in _listed(configs) if "://" in url and url.endswith(f"/{channel}")), None)
    alias = next((str(c["channel_alias"]) for c in reversed(configs) if c.get("channel_alias")), None)
    if named or channel.startswith("pkgs/") or not alias:
        return named
    return f"{alias.rstrip('/')}/{channel}"


def _listed(configs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every channel of the lists, without a slash at its end; the later file's come first, as conda merges them."""
    for config in reversed(configs):
        for key in ("default_channels", "channels"):
            yield from (channel.rstrip("/") for channel in _strings(config.get(key)))


def _files(environ: Mapping[str, str], system: Path) -> Iterator[Path]:
    """In conda's own order; what a later one says wins (conda.base.constants.SEARCH_PATH)."""
    home = Path(environ.get("HOME") or Path.home())
    roots = [system / "etc/conda", system / "var/lib/conda"]
    if base := environ.get("CONDA_ROOT") or _base(environ):
        roots.append(Path(base))
    if config := environ.get("XDG_CONFIG_HOME"):
        roots.append(Path(config) / "conda")
    roots += [home / ".config/conda", home / ".conda"]
    yield from (path for root in roots for name in _NAMES for path in _in(root / name))
    yield home / ".condarc"
    if prefix := environ.get("CONDA_PREFIX"):
        yield from (path for name in _NAMES for path in _in(Path(prefix) / name))
    for variable in ("CONDARC", "MAMBARC"):
        if named := environ.get(variable):
            yield Path(named).expanduser()


def _base(environ: Mapping[str, str]) -> str | None:
    """The installation that `conda init` noted: CONDA_EXE is BASE/bin/conda."""
    program = environ.get("CONDA_EXE")
    return str(Path(program).parent.parent) if program else None


def _in(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.suffix in (".yml", ".yaml")) if path.is_dir() else [path]


def _read(path: Path) -> Iterator[Mapping[str, Any]]:
    """A file's settings, its variables put in; nothing for one that conda would not read either."""
    try:
        data = YAML(typ="safe", pure=True).load(os.path.expandvars(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, YAMLError):
        return
    if isinstance(data, dict):
        yield data


def _mapping(value: object) -> dict[str, str]:
    return {str(k): str(v).rstrip("/") for k, v in value.items()} if isinstance(value, dict) else {}


def _strings(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [value] if isinstance(value, str) else []
