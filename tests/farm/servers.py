"""Mirrors of a channel on loopback, over HTTPS, under names and certificates of their own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from farm.certificates import Authority
from farm.channel import Channel
from farm.mirror import Mirror, Site

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


class Farm:
    """Mirrors that serve the same, under names and certificates of their own; a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        channel: Channel | None = None,
        channels: Mapping[str, Channel] | None = None,
        installers: Path | None = None,
        wheels: Path | None = None,
        mirrors: int = 3,
    ) -> None:
        """`channel` is conda-forge; `channels` are by name. `folder` is for the authority's certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        self.channels = {**({"conda-forge": channel} if channel else {}), **(channels or {})}
        mounts = {name: found.folder for name, found in self.channels.items()}
        mounts |= {"miniconda": installers, "miniforge": installers} if installers else {}
        mounts |= {"files": wheels} if wheels else {}
        self._site = Site(mounts=mounts, channels=self.channels)
        self._authority, self._count, self._stack = Authority(folder), mirrors, ExitStack()
        self.ca_pem = self._authority.pem
        """The certificate to trust, as a PEM file."""
        self.mirrors: tuple[Mirror, ...] = ()

    def __enter__(self) -> Farm:
        self.plain = self._started("farm-plain", contexts=None)
        """Where redirect_to_http leads: it serves the same without TLS, and must see no request."""
        names = [f"farm-{_LETTERS[number]}" for number in range(self._count)]
        self.mirrors = tuple(self._started(name, contexts=self._authority.contexts()) for name in names)
        for mirror in self.mirrors:
            mirror.plain_url = self.plain.url
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _started(self, name: str, *, contexts: Mapping[str, ssl.SSLContext] | None) -> Mirror:
        mirror = Mirror(name, self._site, contexts=contexts)
        self._stack.callback(mirror.stop)
        return mirror

    def __getitem__(self, name: str) -> Mirror:
        """A mirror by its name."""
        return next(mirror for mirror in self.mirrors if mirror.name == name)

    def entries(self) -> dict[str, dict[str, object]]:
        """What the site's mirrors file says of them."""
        return {mirror.name: self._entry(mirror.url) for mirror in self.mirrors}

    def _entry(self, url: str) -> dict[str, object]:
        entry: dict[str, object] = {"conda": {name: f"{url}/{name}" for name in self.channels}}
        if "miniconda" in self._site.mounts:
            entry["installers"] = {kind: f"{url}/{kind}" for kind in ("miniconda", "miniforge")}
        if "files" in self._site.mounts:
            entry["pypi"] = [f"{url}/simple"]
        return entry

    def mirrors_yaml(self, path: Path) -> Path:
        """Writes the file that BUILDER_MIRRORS names."""
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(self.entries(), file)
        return path

    @contextmanager
    def faulty(self, faults: Mapping[int, str | Mapping[str, str]]) -> Iterator[Farm]:
        """Faults by the mirror's number, for the time of the `with` block."""
        for number, fault in faults.items():
            self.mirrors[number].fault = fault
        try:
            yield self
        finally:
            for number in faults:
                self.mirrors[number].fault = ""
