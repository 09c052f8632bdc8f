"""The installers that are part of the package and those of the site; learns the size of the one that is wanted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from builder.adapters.http import Http
from builder.errors import BuilderError, Fault, NetworkError, RecipeError
from builder.mirrors.entry import address
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
        causes: list[Fault] = []
        failed: BuilderError | None = None
        tried: set[int] = set()
        for name in dict.fromkeys(mirrors):
            size = self._size(entry, name, causes)
            if size is None or size in tried:
                continue
            tried.add(size)
            artifact = Artifact(source=entry.family, path=entry.path, sha256=entry.sha256, size=size)
            try:
                self._fetch((artifact,))
                return artifact
            except BuilderError as error:
                failed = error
        raise failed or NetworkError(
            f"no mirror has {entry.path}",
            where=entry.family,
            faults=tuple(causes),
            remedy="check the network, or name a mirror that carries the installer in `conda.mirrors`",
        )

    def _size(self, entry: InstallerEntry, name: str, causes: list[Fault]) -> int | None:
        """The bytes that a mirror announces, by a GET that ends after the headers: answers to HEAD are often wrong."""
        transport = Http()
        try:
            for url in self._addresses(entry, name):
                answer = transport.open(url)
                answer.close()
                if answer.size:
                    return answer.size
            causes.append(Fault(what=f"{name}: does not tell how large the file is"))
        except Unavailable as said:
            causes.append(Fault(what=f"{name}: {said.cause}", where=said.host))
        except BuilderError as error:
            causes.append(Fault(what=f"{name}: {error.what}", seen=error.seen, remedy=error.remedy))
        finally:
            transport.close()
        return None

    def _addresses(self, entry: InstallerEntry, name: str) -> Iterator[str]:
        for root in self._mirrors.roots(name, entry.family):
            yield address(root, entry.path)


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
            where=where.replace("installer", "version") if wanted.version else where,
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
