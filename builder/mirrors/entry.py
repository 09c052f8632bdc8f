"""What one mirror carries: an entry of `builder/data/mirrors.yaml`, or of the site's own file."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, RootModel

from builder.models.base import Model

PYPI: Final = "pypi"
DEBIAN: Final = ("debian", "debian-security")
INSTALLERS: Final = ("miniconda", "miniforge")
ANY: Final = "*"
"""Among `conda`: the root below which every other channel is, by its name."""
_BLANKS: Final = {"path", "version", "file"}

Kind = Literal["pypi", "debian", "installer", "conda"]


def kind_of(source: str) -> Kind | None:
    """What sort of source a lock names; None for what no mirror carries (`derived`)."""
    if source == PYPI:
        return "pypi"
    if source in DEBIAN:
        return "debian"
    if source in INSTALLERS:
        return "installer"
    return "conda" if "/" in source else None


def is_loopback(url: str) -> bool:
    """Whether a URL names this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(root: str, path: str) -> str:
    """Where a lock's path is: below a root, or in the blanks of a template (`{path}`, `{version}`, `{file}`)."""
    if "{" not in root:
        return f"{root}/{quote(path)}"
    blanks = {"path": path, "version": path.partition("/")[0], "file": path.rpartition("/")[2]}
    return re.sub(r"\{(\w+)\}", lambda found: quote(blanks[found[1]]), root)


def _root(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no http or https address of a folder")
    return url.rstrip("/")


def _secure(url: str) -> str:
    if not url.startswith("https:") and not is_loopback(url):
        raise ValueError(f"{url!r}: an index, a channel and an installer are asked for over https alone")
    return url


def _template(url: str) -> str:
    blanks = set(re.findall(r"\{(.*?)\}", url))
    if not blanks <= _BLANKS:
        raise ValueError(f"{url!r}: what may be left blank is {{path}}, {{version}} and {{file}}")
    return url


Root = Annotated[str, AfterValidator(_root)]
Roots = Annotated[tuple[Root, ...], Field(min_length=1)]
SecureRoot = Annotated[Root, AfterValidator(_secure)]
SecureRoots = Annotated[tuple[SecureRoot, ...], Field(min_length=1)]
Channel = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*)$")]


class Confirmed(Model):
    """When an entry was last found to be so, and by whom."""

    on: Annotated[str, Field(pattern=r"^\d{4}-\d\d(-\d\d)?$")]
    """Month or day."""
    by: str
    """Where it was read, or who asked the mirror itself."""


class Mirror(Model):
    """What one mirror carries: for each source its roots."""

    conda: dict[Channel, SecureRoot] = Field(default_factory=dict)
    """The root of each channel, which holds `SUBDIR/repodata.json`; below that of `*` is every other."""
    installers: dict[Literal["miniconda", "miniforge"], Annotated[SecureRoot, AfterValidator(_template)]] = Field(
        default_factory=dict
    )
    """The folder of an installer's versions, or a template of a file's address."""
    pypi: SecureRoots | None = None
    debian: Roots | None = None
    debian_security: Roots | None = Field(default=None, alias="debian-security")
    behind: dict[str, str] = Field(default_factory=dict)
    """Per channel, installer, `pypi`, ...: the mirror whose servers really answer. Not named: its own do."""
    user_agent: str | None = None
    """What this mirror wants a client to call itself."""
    confirmed: Confirmed | None = None

    def roots(self, source: str) -> tuple[str, ...]:
        """The roots of a source of the lock, to be tried in order; empty when this mirror does not carry it."""
        match kind_of(source):
            case "conda":
                channel, _, subdir = source.rpartition("/")
                return tuple(f"{root}/{subdir}" for root in self.channel_roots(channel))
            case "installer":
                return tuple(root for name, root in self.installers.items() if name == source)
            case _:
                carried = {PYPI: self.pypi, "debian": self.debian, "debian-security": self.debian_security}
                return carried.get(source) or ()

    def channel_roots(self, channel: str) -> tuple[str, ...]:
        """The root of a channel, or nothing. Anaconda's `pkgs/...` are where they are named, never below `*`."""
        if channel in self.conda:
            return (self.conda[channel],)
        if ANY in self.conda and not channel.startswith("pkgs/"):
            return (f"{self.conda[ANY]}/{channel}",)
        return ()

    def sources(self) -> tuple[str, ...]:
        """What it carries, by name: channels, installers, `pypi`, `debian`, `debian-security`."""
        other = (source for source in (PYPI, *DEBIAN) if self.roots(source))
        return (*self.conda, *self.installers, *other)


class Catalogue(RootModel[dict[str, Mirror]]):
    """Every public mirror by name, as `builder/data/mirrors.yaml` has them."""
