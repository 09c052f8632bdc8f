"""What locking needs of the world; `builder.adapters.lock.world` wires the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from builder.models.catalog import ImageEntry, RootfsEntry
from builder.models.lock import Artifact, CondaPackage, ImageBase, Package, RootfsBase
from builder.models.recipe import Conda as Wanted
from builder.models.resolved import CondaAsked, CondaSolved, Installer, Target, Wheel
from builder.trust.bundle import Bundle, PemSource


class Index(Protocol):
    """Package indexes by mirror name; the first one that answers is asked."""

    def resolve(
        self,
        requirements: tuple[str, ...],
        *,
        target: Target,
        keep: Mapping[str, str],
        mirrors: tuple[str, ...],
        where: str,
        without: tuple[str, ...] = (),
    ) -> tuple[Wheel, ...]:
        """One wheel for each package needed, sorted by name. Raises LockError, NetworkError, HostError.

        without: packages that are left out although others depend on them.
        """


class Lists(Protocol):
    """A distribution's package lists, signatures checked."""

    def date(self) -> int:
        """The Date of its main Release file, seconds since 1970."""

    def install(self, names: tuple[str, ...], *, status: str, where: str) -> tuple[Package, ...]:
        """What `names` needs on top of a dpkg status (its text), sorted by name. Raises LockError."""

    def single(self, name: str, *, where: str) -> Package:
        """One package alone. Raises LockError."""


class Debian(Protocol):
    """Opens a distribution's lists from the first mirror that gives them."""

    def __call__(self, entry: RootfsEntry | ImageEntry, mirrors: tuple[str, ...]) -> AbstractContextManager[Lists]:
        """Raises NetworkError when none does, HostError when apt or the keyring is missing."""


class Registry(Protocol):
    """Container registries."""

    def image(self, entry: ImageEntry) -> ImageBase:
        """The image that the tag names now. Raises NetworkError when no registry answers."""

    def status(self, base: ImageBase, entry: ImageEntry) -> str:
        """The dpkg status inside an image. Raises NetworkError, LockError."""


class Workshop(Protocol):
    """Makes derived files in the store from locked ones, which it fetches first."""

    def rootfs(self, base: RootfsBase) -> Artifact:
        """The root file system made of the base's packages; `base.rootfs` is not looked at."""

    def status(self, base: RootfsBase) -> str:
        """The dpkg status inside a root file system, which is made if it is not there."""

    def busybox(self, package: Package) -> Artifact:
        """The static busybox of its .deb."""

    def bundle(self, roots: Package, extra: tuple[PemSource, ...], *, at: int) -> tuple[Artifact, Bundle]:
        """The CA bundle of a certifi wheel or a ca-certificates .deb and more certificates."""


class Channels(Protocol):
    """Conda's channels, on all the mirrors of a recipe at once."""

    def solve(
        self,
        asked: CondaAsked,
        *,
        keep: tuple[CondaPackage, ...],
        mirrors: tuple[str, ...],
        where: str,
        tell: Callable[[str], None],
    ) -> CondaSolved:
        """The environment, from the newest repodata that the mirrors have.

        keep: packages that stay unless a spec speaks against them. where: the place of `conda`, for messages.
        tell: hears what is going on.

        Raises LockError, NetworkError (a subdir that no mirror has), IntegrityError (one file name, two hashes).
        """


class Installers(Protocol):
    """The installers that are known by hash."""

    def installer(self, wanted: Wanted, *, arch: str, where: str) -> Installer:
        """The newest of the recipe's family, or the version that it names; fetched, so that its size is known.

        where: the place of `conda`, for messages.
        Raises RecipeError, NetworkError, IntegrityError.
        """


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What locking needs of the world."""

    index: Index
    debian: Debian
    registry: Registry
    workshop: Workshop
    channels: Channels
    installers: Installers
