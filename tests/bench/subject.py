"""What is built: a recipe's copy in a project of its own, its lock, and the same lock with one thing changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from builder.adapters.lock.world import MirroredIndex
from builder.adapters.mirrors import load_mirrors
from builder.adapters.project import Loaded, Project
from builder.models.lock import Lock, Package
from builder.models.recipe import Recipe
from builder.models.resolved import Target
from builder.pipeline import Described, Workplace, describe
from builder.progress import Silent

from .engine import OURS
from .scenarios import Scenario

NAME = OURS
"""Of the recipe's copy, so that nobody's images, locks and seals are touched."""

SMALL = ("jinja2", "markupsafe", "networkx", "numpy", "packaging", "pip", "typing-extensions", "zipp")
"""Of the recipe's wheels, those that `--small` keeps."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One recipe with its lock as it is at each scenario; all that they need is in the store."""

    place: Workplace
    loaded: Loaded
    locks: dict[Scenario, Lock]

    def described(self, scenario: Scenario) -> Described:
        """What follows from the lock of that scenario."""
        return describe(self.place, self.loaded, self.locks[scenario])

    def put(self, scenario: Scenario) -> None:
        """Lets the project have the lock of that scenario, as `builder lock` would."""
        self.place.project.write_lock(NAME, self.locks[scenario])


def prepare(name: str, folder: Path, *, small: bool, wheel: str) -> Subject:
    """Copies the recipe `name` of this project into `folder` and fetches what any scenario needs.

    wheel: the changed package, as `typing-extensions==4.15.0`, or a wheel file.
    """
    here, place = Workplace(), Workplace(Project(folder))
    original, lock = here.load(name), here.project.read_lock(name)
    if lock is None:
        raise SystemExit(f"{name} is not locked: run `builder lock {name}`")
    recipe = _copied(original.recipe, lock, small=small)
    _write(folder, recipe, dict(zip(original.recipe.trust.extra, original.extra, strict=True)))
    loaded = place.load(NAME)
    pip = tuple(p for p in lock.pip if not small or p.name in SMALL)
    locked = lock.model_copy(update={"pip": pip, "inputs": loaded.recipe.inputs_digest(loaded.extra)})
    _bring(place, loaded, locked)
    bundle = _without_a_root(place, locked)
    changed = _with_package(bundle, _package(wheel, place, loaded.recipe, locked))
    _bring(place, loaded, changed)
    locks = {Scenario.EMPTY: locked, Scenario.NOTHING: locked, Scenario.BUNDLE: bundle, Scenario.WHEEL: changed}
    return Subject(place=place, loaded=loaded, locks=locks)


def _copied(recipe: Recipe, lock: Lock, *, small: bool) -> Recipe:
    update: dict[str, object] = {"name": NAME, "tags": ("{name}:{version}",), "allow_unproven": True}
    if small:
        pins = tuple(f"{p.name}=={p.version}" for p in lock.pip if p.name in SMALL)
        checks = tuple(c for c in recipe.checks if c.check in ("python", "trust"))
        update |= {"pip": recipe.pip.model_copy(update={"packages": pins}), "cuda": None, "checks": checks}
    return recipe.model_copy(update=update)


def _write(folder: Path, recipe: Recipe, extra: dict[str, str]) -> None:
    """JSON is YAML, too."""
    recipes = folder / "recipes"
    for path, text in extra.items():
        (recipes / path).parent.mkdir(parents=True, exist_ok=True)
        (recipes / path).write_text(text, encoding="utf-8")
    recipes.mkdir(parents=True, exist_ok=True)
    data = json.loads(recipe.model_dump_json(by_alias=True, exclude_none=True))
    (recipes / f"{NAME}.yaml").write_text(json.dumps(data, indent=1), encoding="utf-8")


def _bring(place: Workplace, loaded: Loaded, lock: Lock) -> None:
    place.bring(loaded, lock, describe(place, loaded, lock).plan.artifacts(), Silent(), jobs=4)


def _without_a_root(place: Workplace, lock: Lock) -> Lock:
    """The lock whose CA bundle has one root less: somebody distrusted it."""
    text = place.store.path(lock.trust.bundle).read_text(encoding="ascii")
    fewer = text.rstrip().rsplit("\n\n", 1)[0] + "\n"
    file = place.project.root / "ca-bundle.pem"
    file.write_text(fewer, encoding="ascii")
    bundle = place.store.add("derived", lock.trust.bundle.path, file)
    trust = lock.trust.model_copy(update={"bundle": bundle, "certificates": lock.trust.certificates[:-1]})
    return lock.model_copy(update={"trust": trust})


def _with_package(lock: Lock, package: Package) -> Lock:
    """The lock with that version of the package instead of its own."""
    old = next((p for p in lock.pip if p.name == package.name), None)
    if old is None or old.version == package.version:
        seen = f"{package.name} {package.version} already" if old else f"no {package.name} to change"
        raise SystemExit(f"the lock has {seen}: name another one with --wheel")
    return lock.model_copy(update={"pip": tuple(package if p is old else p for p in lock.pip)})


def _package(wheel: str, place: Workplace, recipe: Recipe, lock: Lock) -> Package:
    """A wheel file goes into the store; what an index has is only named."""
    if not wheel.endswith(".whl"):
        return _resolved(wheel, recipe, lock)
    name, version, _, _ = parse_wheel_filename(Path(wheel).name)
    copy = Path(shutil.copy(wheel, place.project.root))
    return Package(name=name, version=str(version), artifact=place.store.add("pypi", copy.name, copy))


def _resolved(wheel: str, recipe: Recipe, lock: Lock) -> Package:
    name = canonicalize_name(Requirement(wheel).name)
    target = Target(python=recipe.python, glibc="2.17", arch=lock.platform.rsplit("/", 1)[-1])
    index = MirroredIndex(load_mirrors())
    found = index.resolve((wheel,), target=target, keep={}, mirrors=recipe.pip.mirrors, where="--wheel")
    return next(w.package for w in found if canonicalize_name(w.package.name) == name)
