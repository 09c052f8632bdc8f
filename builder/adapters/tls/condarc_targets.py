"""The hosts that a conda configuration asks: every channel of a `.condarc`, or of the ones in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from builder.adapters.http.host import environment_names, usable
from builder.errors import RecipeError
from builder.trust.reached import Target

_NAMES: Final = (".condarc", "condarc", "*.condarc", "*condarc*.y*ml", "condarc.d/*.y*ml")
_ALIAS: Final = "https://conda.anaconda.org"
_DEFAULTS: Final = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
_LARGEST: Final = 1_000_000


@dataclass(frozen=True)
class Channel:
    """A channel's URL, and the file that has it."""

    url: str
    where: str


def is_condarc(text: str) -> bool:
    """True for an existing file or folder: whoever means a host of that name writes a URL."""
    return Path(text).exists()


def files_of(path: Path) -> list[Path]:
    """The file itself, or those of a folder that conda would read."""
    return sorted({f for name in _NAMES for f in path.glob(name) if f.is_file()}) if path.is_dir() else [path]


def channels_of(path: Path) -> tuple[Channel, ...]:
    """Every https channel in the file, or in the folder's files. Raises RecipeError when none can be read."""
    found = [Channel(url, str(file)) for file in files_of(path) for url in _urls(_document(file))]
    if not found:
        remedy = "conda's own configuration is shown by `conda config --show-sources`"
        raise RecipeError("no channel in there", where=str(path), remedy=remedy)
    return tuple({c.url: c for c in found}.values())


def targets_of(channels: tuple[Channel, ...]) -> tuple[Target, ...]:
    """Each host once. Plain http channels have no TLS to diagnose."""
    return tuple(dict.fromkeys(Target.of(c.url) for c in channels if c.url.startswith("https://")))


def bundles_of(path: Path) -> tuple[Path, ...]:
    """The files that `ssl_verify` names; conda trusts what is in them, and nothing else."""
    named = [_document(file).get("ssl_verify") for file in files_of(path)]
    places = [Path(value).expanduser() for value in named if isinstance(value, str) and "/" in value]
    return tuple(dict.fromkeys(p for p in places if p.exists()))


def proxies_of(path: Path) -> dict[Target, str]:
    """The proxy of each channel's host by `proxy_servers`; empty for none. Those of the environment are not here.

    As conda has it, which hands them to requests: a key of the file goes before the environment's of the same name,
    NO_PROXY is for the environment's alone, and a scheme goes before `all` [S, requests' select_proxy].
    Raises HostError for a proxy that cannot be used.
    """
    servers = {key: value for file in files_of(path) for key, value in _servers(_document(file)).items()}
    found = ((target, _proxy(target, servers)) for target in targets_of(channels_of(path)))
    return {target: proxy and usable(proxy, f"{path}: proxy_servers") for target, proxy in found if proxy is not None}


def _servers(document: dict[str, Any]) -> dict[str, str | None]:
    return {key: None if v is None else str(v) for key, v in _mapping(document.get("proxy_servers")).items()}


def _proxy(target: Target, servers: dict[str, str | None]) -> str | None:
    """Empty to go there directly, None for what the environment says."""
    own, every = (_first(servers, f"{kind}://{target.host}", kind) for kind in ("https", "all"))
    if own is not None:
        return own
    if "https" in servers:  # and is null, which hides the environment's
        return every or ""
    return every if every is not None and not environment_names(f"https://{target}") else None


def _first(servers: dict[str, str | None], *keys: str) -> str | None:
    return next((value for key in keys if (value := servers.get(key)) is not None), None)


def _document(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - not on the path of `builder --help`
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        text = file.read_bytes()[:_LARGEST].decode("utf-8", "replace")
        found = YAML(typ="safe", pure=True).load(text)  # as conda does: libyaml refuses a URL in [ ]
    except (OSError, YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise RecipeError(
            "the file cannot be read",
            where=f"{file}: line {mark.line + 1}" if mark else str(file),
            seen=getattr(error, "problem", None) or str(error).partition("\n")[0],
            remedy=f"conda ignores such a file as a whole; `builder audit {file}` says what to mend",
        ) from None
    return found if isinstance(found, dict) else {}


def _urls(document: dict[str, Any]) -> Iterator[str]:
    """In the order of the file; a name is a channel of the alias, as conda has it."""
    alias = str(document.get("channel_alias") or _ALIAS).rstrip("/")
    custom = _mapping(document.get("custom_channels"))
    groups = _mapping(document.get("custom_multichannels"))
    groups.setdefault("defaults", document.get("default_channels") or list(_DEFAULTS))
    names = _texts(document.get("channels")) or _texts(document.get("default_channels"))
    for name in [*names, *(n for n in custom if n not in names)]:
        for one in _texts(groups.get(name)) or [name]:
            yield _url(one, alias, custom)
    for group in (groups[name] for name in groups if name != "defaults" or "default_channels" in document):
        yield from (_url(one, alias, custom) for one in _texts(group))


def _url(name: str, alias: str, custom: dict[str, Any]) -> str:
    if "://" in name:
        return name
    first = name.split("/", maxsplit=1)[0]
    base = str(custom.get(name) or custom.get(first) or alias).rstrip("/")
    return f"{base}/{name}"


def _mapping(value: Any) -> dict[str, Any]:
    return {str(k): v for k, v in value.items()} if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [str(v) for v in value if isinstance(v, str)] if isinstance(value, list) else []
