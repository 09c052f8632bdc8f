"""The installers that are part of the package and those of the site; learns the size of the one that is wanted."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from builder.adapters.http.client import Body, Http
from builder.errors import BuilderError, Fault, IntegrityError, NetworkError, RecipeError
from builder.mirrors.entry import address
from builder.mirrors.health import Health
from builder.mirrors.race import Race
from builder.mirrors.transport import Unavailable
from builder.models.installer import InstallerEntry, InstallerTable
from builder.models.lock import Artifact, Package
from builder.models.resolved import Installer

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.models.recipe import Conda

SITE = "BUILDER_INSTALLERS"
"""The variable that names the site's own list, a YAML file like `builder/data/installers.yaml`."""


class Roots(Protocol):
    """Where a mirror has its things; `builder.mirrors` knows."""

    def roots(self, name: str, source: str) -> tuple[str, ...]:
        """The roots of a source on a mirror. Raises RecipeError, HostError."""

    def agent(self, name: str, source: str) -> str | None:
        """What to be called there."""

    def carries(self, name: str, source: str) -> bool:
        """Whether a mirror has a source. Raises RecipeError for a mirror that does not exist."""


def load_installers() -> tuple[InstallerEntry, ...]:
    """The site's installers, then those of `builder/data/installers.yaml`. Raises RecipeError."""
    ours = _parse(files("builder.data").joinpath("installers.yaml").read_text(encoding="utf-8"), "installers.yaml")
    named = os.environ.get(SITE)
    return (*(_parse(_read(Path(named).expanduser()), named) if named else ()), *ours)


class MirroredInstallers:
    """The known installers, fetched from any mirror that carries their family."""

    def __init__(
        self, mirrors: Roots, *, fetch: Callable[[tuple[Artifact, ...]], object], known: Sequence[InstallerEntry] = ()
    ) -> None:
        """known: instead of those that are part of the package and the site's."""
        self._mirrors, self._fetch, self._known = mirrors, fetch, tuple(known)

    def installer(self, wanted: Conda, *, arch: str, where: str) -> Installer:
        """See `builder.stages.lock_ports.Installers`."""
        entry = chosen(self._known or load_installers(), wanted, arch=arch, where=where)
        artifact = self._fetched(entry, wanted.mirrors)
        package = Package(name=entry.family, version=entry.version, artifact=artifact)
        return Installer(package=package, python=entry.python)

    def _fetched(self, entry: InstallerEntry, mirrors: tuple[str, ...]) -> Artifact:
        """The installer in the store: a size is believed when the file that has it has the hash as well."""
        names = [name for name in dict.fromkeys(mirrors) if self._mirrors.carries(name, entry.family)]
        causes: dict[str, Unavailable] = {}
        failed: BuilderError | None = None
        for size in self._sizes(entry, names, causes):
            artifact = Artifact(source=entry.family, path=entry.path, sha256=entry.sha256, size=size)
            try:
                self._fetch((artifact,))
                return artifact
            except (NetworkError, IntegrityError) as error:
                failed = error
        raise failed or NetworkError(
            f"no mirror has {entry.path}",
            where=entry.family,
            seen=None if names else f"mirrors: {', '.join(mirrors)}; none of them carries {entry.family}",
            faults=tuple(Fault(what=f"{name}: {causes[name].cause}", where=causes[name].host) for name in names),
            remedy=f"check the network, or name a mirror that carries {entry.family} in `conda.mirrors`",
        )

    def _sizes(self, entry: InstallerEntry, names: Sequence[str], causes: dict[str, Unavailable]) -> Iterator[int]:
        """What the mirrors announce, each size once, by GETs that end after the headers: answers to HEAD often lie.

        Who does not answer soon is overtaken by the next one.
        """
        transport, health, told = Http(), Health(), set[int]()
        left = list(names)
        try:
            while left:
                race = Race(lambda name: self._opened(transport, entry, name), health=health, stop=threading.Event())
                won = race.run(left, causes.__setitem__)
                if won is None:
                    return
                name, answer = won
                answer.close()
                causes[name] = Unavailable(cause="does not tell how large the file is", host=answer.host)
                left = [other for other in left if other not in causes]
                if answer.size and answer.size not in told:
                    told.add(answer.size)
                    yield answer.size
        finally:
            transport.close()

    def _opened(self, transport: Http, entry: InstallerEntry, name: str) -> Body:
        (root, *_) = self._mirrors.roots(name, entry.family)
        return transport.open(address(root, entry.path), agent=self._mirrors.agent(name, entry.family))


def chosen(known: Sequence[InstallerEntry], wanted: Conda, *, arch: str, where: str) -> InstallerEntry:
    """The newest installer of the recipe's family, or the version that it names. Raises RecipeError."""
    family = [entry for entry in known if (entry.family, entry.arch) == (wanted.installer, arch)]
    fitting = [entry for entry in family if wanted.version in (None, entry.version)]
    if not fitting:
        versions = ", ".join(
            dict.fromkeys(entry.version for entry in sorted(family, key=lambda e: e.age, reverse=True))
        )
        raise RecipeError(
            f"no {wanted.installer} {wanted.version or ''} for {arch} is known".replace("  ", " "),
            where=f"{where}.version" if wanted.version else f"{where}.installer",
            seen=f"known: {versions or 'none'}",
            remedy=f"choose one of those, or add it with its hash to a list of your own that {SITE} names",
        )
    return max(fitting, key=lambda entry: entry.age)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"the file that {SITE} names cannot be read",
            where=str(path),
            seen=str(error),
            remedy=f"unset {SITE}, or name a readable YAML file",
        ) from None


def _parse(text: str, where: str) -> tuple[InstallerEntry, ...]:
    try:
        data = YAML(typ="safe", pure=True).load(text) or []
        return InstallerTable.model_validate_json(json.dumps(data)).root
    except ValidationError as error:
        faults = tuple(
            Fault(what=d["msg"], where=f"{where}: {'.'.join(map(str, d['loc']))}", seen=repr(d["input"])[:80])
            for d in error.errors(include_url=False)
        )
        raise RecipeError("the list of installers cannot be used", where=where, faults=faults) from None
    except (YAMLError, TypeError) as error:
        raise RecipeError("the list of installers is not YAML", where=where, seen=str(error)) from None
