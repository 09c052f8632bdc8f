"""Lock's decisions: what is kept, what moves, what is asked of whom. The ports answer from tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from builder.adapters.catalog import load_catalog
from builder.errors import LockError, RecipeError
from builder.models.catalog import ImageEntry, RootfsEntry
from builder.models.lock import Artifact, ImageBase, Lock, Package, RootfsBase
from builder.models.recipe import Recipe
from builder.models.resolved import Moved, Target, Wheel
from builder.progress import Silent
from builder.stages.lock import LockResult, is_stale, lock
from builder.stages.lock_ports import Ports
from builder.trust.bundle import Bundle, PemSource

EPOCH = 1_700_000_000


def package(name: str, version: str, source: str = "pypi") -> Package:
    path = f"{name}-{version}.whl" if source == "pypi" else f"pool/main/{name}_{version}_amd64.deb"
    return Package(name=name, version=version, artifact=derived(path, source))


def derived(path: str, source: str = "derived") -> Artifact:
    return Artifact.model_validate(
        {"source": source, "path": path, "sha256": sha256(path.encode()).hexdigest(), "size": 1}
    )


@dataclass
class World:
    """An index, a distribution and a registry that answer from tables, and remember what they were asked."""

    newest: dict[str, str] = field(
        default_factory=lambda: {"torch": "2.8.0", "numpy": "2.0.2", "uv": "9", "certifi": "26"}
    )
    debian_version: str = "1-1"
    uploaded: int | None = EPOCH + 1000
    asked: list[Any] = field(default_factory=list)

    def ports(self) -> Ports:
        return Ports(index=self, debian=self.lists, registry=self, workshop=Bench(self), channels=self, installers=self)

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
        self.asked.append(("resolve", requirements, target.python, where))
        pairs = (text.partition("==") for text in requirements)
        found = {name: pin or keep.get(name, self.newest[name]) for name, _, pin in pairs if name not in without}
        return tuple(Wheel(package=package(n, v), uploaded=self.uploaded) for n, v in sorted(found.items()))

    @contextmanager
    def lists(self, entry: RootfsEntry | ImageEntry, mirrors: tuple[str, ...]) -> Iterator[World]:
        self.asked.append(("lists", entry.suites[0].suite, mirrors))
        yield self

    def date(self) -> int:
        return EPOCH

    def install(self, names: tuple[str, ...], *, status: str, where: str) -> tuple[Package, ...]:
        self.asked.append(("install", names, status))
        return tuple(package(re.sub(r"\W+", "-", name).strip("-"), self.debian_version, "debian") for name in names)

    def single(self, name: str, *, where: str) -> Package:
        return package(name, self.debian_version, "debian")

    def image(self, entry: ImageEntry) -> ImageBase:
        return ImageBase(reference=entry.reference, digest="sha256:" + "a" * 64, epoch=EPOCH)

    def status(self, base: ImageBase, entry: ImageEntry) -> str:
        return "the image's status"


@dataclass
class Bench:
    world: World

    def rootfs(self, base: RootfsBase) -> Artifact:
        return derived(f"rootfs-of-{len(base.packages)}-{base.packages[0].version}")

    def status(self, base: RootfsBase) -> str:
        return f"the status of {base.rootfs.path}"

    def busybox(self, package: Package) -> Artifact:
        return derived(f"busybox-of-{package.version}")

    def bundle(self, roots: Package, extra: tuple[PemSource, ...], *, at: int) -> tuple[Artifact, Bundle]:
        self.world.asked.append(("bundle", roots.name, extra, at))
        name = "-".join(("bundle-of", roots.name, roots.version, *(s.text for s in extra)))
        return derived(name), Bundle(pem="", certificates=(), notes=("a note",))


def recipe(**changes: Any) -> Recipe:
    data = {"name": "tiny", "base": "debian-bullseye", "checks": ("trust",), "pip": {"packages": ("torch", "numpy")}}
    return Recipe.model_validate({**data, **changes})


def locked(
    world: World,
    asked: Recipe | None = None,
    *,
    previous: Lock | None = None,
    upgrade: set[str] | None = None,
    extra: tuple[str, ...] = (),
) -> LockResult:
    return lock(
        asked or recipe(),
        extra=extra,
        catalog=load_catalog(),
        ports=world.ports(),
        previous=previous,
        upgrade=frozenset(upgrade or ()),
        progress=Silent(),
    )


def test_a_first_lock_holds_every_input_and_says_that_nothing_moved() -> None:
    result = locked(World())
    new = result.lock
    assert [p.name for p in new.pip] == ["numpy", "torch"]
    assert new.apt_asked == ("python3", "python3.9", "python3-distutils")
    assert isinstance(new.base, RootfsBase)
    assert new.base.rootfs.path == "rootfs-of-3-1-1"
    assert new.busybox is not None
    assert new.busybox_binary is not None
    assert (new.epoch, new.created) == (EPOCH, EPOCH + 1000)
    assert (result.moved, result.notes) == ((), ("a note",))


def test_two_first_locks_are_equal() -> None:
    assert locked(World()).lock == locked(World()).lock


def test_the_distributions_packages_are_asked_on_top_of_what_the_base_has_installed() -> None:
    world = World()
    locked(world, recipe(apt=("git", "python3")))
    early, base, apt = (entry for entry in world.asked if entry[0] == "install")
    bootstrap, asked = (
        ("?essential", "?priority(required)", "apt"),
        ("python3", "python3.9", "python3-distutils", "git"),
    )
    assert early == ("install", (*bootstrap, *asked), "")  # tells a misspelt package before the bootstrap
    assert base == ("install", bootstrap, "")
    assert apt == ("install", asked, "the status of rootfs-of-3-1-1")


def test_an_unchanged_recipe_keeps_its_lock_and_asks_nobody() -> None:
    first = locked(World()).lock
    later = World(newest={})
    assert locked(later, previous=first) == LockResult(lock=first, moved=())
    assert later.asked == []


def test_a_changed_recipe_keeps_every_version_that_it_can() -> None:
    first = locked(World()).lock
    later = World(newest={"torch": "3", "numpy": "3", "uv": "10", "certifi": "27", "onnx": "1"}, debian_version="2-2")
    result = locked(later, recipe(pip={"packages": ("torch", "numpy", "onnx")}), previous=first)
    assert result.moved == (Moved(name="onnx", old=None, new="1"),)
    assert result.lock.base == first.base
    assert not [entry for entry in later.asked if entry[0] == "lists"]


def test_upgrading_one_package_moves_that_one_alone() -> None:
    first = locked(World()).lock
    later = World(newest={"torch": "3", "numpy": "3", "uv": "10", "certifi": "27"}, debian_version="2-2")
    result = locked(later, previous=first, upgrade={"numpy"})
    assert result.moved == (Moved(name="numpy", old="2.0.2", new="3"),)


def test_upgrading_certifi_moves_the_ca_bundle_alone() -> None:
    first = locked(World()).lock
    result = locked(World(newest={**World().newest, "certifi": "27"}), previous=first, upgrade={"certifi"})
    assert result.moved == (Moved(name="certifi", old="26", new="27"),)
    assert result.lock.trust.bundle != first.trust.bundle
    assert result.lock.model_copy(update={"trust": first.trust}) == first


def test_upgrading_the_base_moves_the_distributions_packages_together() -> None:
    first = locked(World()).lock
    result = locked(World(debian_version="2-2"), previous=first, upgrade={"base"})
    assert isinstance(first.base, RootfsBase)
    assert {m.name for m in result.moved} == {p.name for p in (*first.apt, *first.base.packages)} | {"busybox-static"}
    assert {m.new for m in result.moved} == {"2-2"}
    assert result.lock.pip == first.pip


def test_upgrading_all_keeps_nothing_and_says_what_moved() -> None:
    first = locked(World()).lock
    later = World(newest={"torch": "3", "numpy": "2.0.2", "uv": "10", "certifi": "27"})
    result = locked(later, previous=first, upgrade={"all"})
    assert [m.name for m in result.moved] == ["torch", "certifi", "uv"]


@pytest.mark.parametrize(
    ("name", "what", "remedy"),
    [
        ("nunpy", "nunpy is not in the lock", "did you mean numpy?"),
        ("zzz", "zzz is not in the lock", "name a package of the lock, `base` or `all`"),
        ("python3", "python3 is the distribution's, whose packages move together", "upgrade `base`"),
    ],
)
def test_upgrading_what_cannot_move_alone_is_refused(name: str, what: str, remedy: str) -> None:
    first = locked(World()).lock
    with pytest.raises(LockError) as caught:
        locked(World(), previous=first, upgrade={name})
    assert (caught.value.what, caught.value.where, caught.value.remedy) == (what, "recipes/tiny.lock", remedy)


def test_a_change_of_apt_packages_keeps_the_base() -> None:
    first = locked(World()).lock
    result = locked(World(debian_version="2-2"), recipe(apt=("git",)), previous=first)
    assert result.lock.base == first.base
    assert Moved(name="git", old=None, new="2-2") in result.moved


def test_another_base_is_made_anew() -> None:
    first = locked(World()).lock
    result = locked(World(debian_version="2-2"), recipe(base="debian-bookworm", python="3.11"), previous=first)
    assert isinstance(result.lock.base, RootfsBase)
    assert result.lock.base.suite == "bookworm"
    assert result.lock.busybox == package("busybox-static", "2-2", "debian")


def test_an_image_base_needs_no_busybox_and_its_own_status_is_asked() -> None:
    world = World()
    result = locked(world, recipe(base="debian-bookworm-slim", python="3.11"))
    assert isinstance(result.lock.base, ImageBase)
    assert (result.lock.busybox, result.lock.busybox_binary) == (None, None)
    assert [e[2] for e in world.asked if e[0] == "install"] == ["the image's status"]


def test_the_distributions_own_roots_come_from_its_package_and_certifi_is_not_asked() -> None:
    world = World()
    result = locked(world, recipe(trust={"roots": "distribution"}))
    assert result.lock.trust.roots == package("ca-certificates", "1-1", "debian")
    assert [entry[1] for entry in world.asked if entry[0] == "resolve"] == [("torch", "numpy"), ("uv",)]


def test_from_mozillas_roots_to_the_distributions_the_base_stays() -> None:
    first = locked(World()).lock
    result = locked(World(debian_version="2-2"), recipe(trust={"roots": "distribution"}), previous=first)
    assert result.lock.base == first.base
    assert result.moved == (
        Moved(name="ca-certificates", old=None, new="2-2"),
        Moved(name="certifi", old="26", new=None),
    )


def test_extra_certificates_reach_the_bundle_with_their_names_and_the_locks_own_time() -> None:
    world = World()
    asked = recipe(trust={"extra": ("site/corp.pem",)})
    result = locked(world, asked, extra=("PEM",))
    source = PemSource(where="recipes/site/corp.pem", text="PEM")
    assert world.asked[-1] == ("bundle", "certifi", (source,), result.lock.created)
    assert not is_stale(result.lock, asked, ("PEM",))
    assert is_stale(result.lock, asked, ("another",))


def test_a_new_root_of_the_site_asks_no_index_and_no_distribution() -> None:
    first = locked(World()).lock
    later = World(newest={})
    result = locked(later, recipe(trust={"extra": ("site/corp.pem",)}), previous=first, extra=("PEM",))
    assert [entry[0] for entry in later.asked] == ["bundle"]
    assert (result.lock.pip, result.lock.uv, result.lock.created) == (first.pip, first.uv, first.created)


def test_an_index_without_upload_times_leaves_the_bases_time() -> None:
    assert locked(World(uploaded=None)).lock.created == EPOCH


def test_an_unknown_base_names_the_nearest() -> None:
    with pytest.raises(RecipeError) as caught:
        locked(World(), recipe(base="debian-bullsye"))
    assert caught.value.what == "there is no base debian-bullsye"
    assert (caught.value.where, caught.value.remedy) == ("recipes/tiny.yaml: base", "did you mean debian-bullseye?")


def test_a_python_that_the_base_does_not_bring_names_the_base_that_does() -> None:
    with pytest.raises(RecipeError) as caught:
        locked(World(), recipe(base="debian-trixie", python="3.9"))
    assert caught.value.what == "debian-trixie brings no Python 3.9"
    assert caught.value.remedy == "choose base debian-bullseye, or let conda bring it: add `conda: {}`"
