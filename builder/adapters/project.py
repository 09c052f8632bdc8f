"""The user's project as files: `recipes/NAME.yaml`, `recipes/NAME.lock`, `images/NAME/`."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from builder.adapters.store.partial import hash_file
from builder.errors import DiskError, LockError, RecipeError
from builder.models.lock import RECIPE, Artifact
from builder.models.lockfile import dump_lock, parse_lock
from builder.stages.load import parse_recipe
from builder.trust.reading import as_pem

if TYPE_CHECKING:
    from collections.abc import Collection

    from builder.adapters.store.content import Store
    from builder.models.base import Sha256
    from builder.models.lock import Lock
    from builder.models.recipe import Recipe
    from builder.models.rendered import Rendered
    from builder.stages.load import KnownChecks


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A recipe with the files that it names."""

    recipe: Recipe
    extra: tuple[str, ...]
    """The contents of `trust.extra`, in the recipe's order."""
    files: tuple[Artifact, ...] = ()
    """The model's own files, by hash."""


@dataclass(frozen=True)
class Project:
    """A folder with `recipes/` in it; relative, so that messages and logs name no path of this machine."""

    root: Path = field(default_factory=Path)

    def names(self) -> tuple[str, ...]:
        """Every recipe's name, sorted."""
        return tuple(sorted(path.stem for path in (self.root / "recipes").glob("*.yaml")))

    def some_names(self) -> tuple[str, ...]:
        """As `names`. Raises RecipeError when there is none: a job in the wrong folder has to fail."""
        if found := self.names():
            return found
        raise RecipeError(
            "there is no recipe here",
            where=str(self.root / "recipes"),
            seen=f"in {self.root.absolute()}",
            remedy=self._elsewhere() or "run it in the folder that has recipes/; `builder new NAME` writes a first one",
        )

    def locked_names(self) -> tuple[str, ...]:
        """Those of them that are locked. Raises RecipeError without a recipe, LockError without a lock."""
        if found := tuple(name for name in self.some_names() if self.lock_path(name).exists()):
            return found
        raise LockError("no recipe here is locked", where=str(self.root / "recipes"), remedy="run `builder lock --all`")

    def recipe_path(self, name: str) -> Path:
        """Where the recipe of that name is."""
        return self.root / "recipes" / f"{name}.yaml"

    def lock_path(self, name: str) -> Path:
        """Where its lock is."""
        return self.root / "recipes" / f"{name}.lock"

    def rendering_path(self, name: str) -> Path:
        """The folder of its rendering."""
        return self.root / "images" / name

    def load(self, name: str, *, bases: Collection[str], checks: KnownChecks) -> Loaded:
        """The recipe of that name. Raises RecipeError: not there, not readable, or with faults."""
        path = self.recipe_path(name)
        recipe = parse_recipe(self._read_recipe(name), str(path), bases=bases, checks=checks)
        if recipe.name != name:
            raise RecipeError(
                f"the recipe is named {recipe.name!r}, its file {path.name!r}",
                where=f"{path}: name",
                remedy="let both say the same",
            )
        extra = tuple(self._read_extra(path, part) for part in recipe.trust.extra)
        return Loaded(recipe=recipe, extra=extra, files=self._model_files(path, recipe))

    def put(self, artifact: Artifact, store: Store) -> None:
        """Puts a copy of a model's file into the store. Raises RecipeError when it cannot be read."""
        store.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=store.root) as folder:
            copy = Path(folder, artifact.filename)
            try:
                shutil.copyfile(self.root / "recipes" / artifact.path, copy)
            except OSError as error:
                raise RecipeError("a file of the model cannot be read", where=artifact.path, seen=str(error)) from None
            store.add(artifact.source, artifact.path, copy)

    def read_lock(self, name: str) -> Lock | None:
        """The lock; None when there is none. Raises LockError."""
        path = self.lock_path(name)
        try:
            return parse_lock(path.read_text(encoding="utf-8"), str(path))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise LockError("the lock cannot be read", where=str(path), seen=str(error)) from None

    def write_lock(self, name: str, lock: Lock) -> Path:
        """Writes the lock, whole or not at all."""
        path = self.lock_path(name)
        _write_whole(path, dump_lock(lock))
        return path

    def differences(self, rendered: Rendered) -> tuple[str, ...]:
        """Paths in `images/NAME/` that are missing, differ or do not belong there; sorted."""
        folder = self.rendering_path(rendered.name)
        wanted = {file.path: file.content for file in rendered.files}
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        differing = {path for path, content in wanted.items() if path in there and _differs(folder / path, content)}
        return tuple(sorted(differing | (wanted.keys() ^ there)))

    def write_rendering(self, rendered: Rendered) -> tuple[str, ...]:
        """Makes `images/NAME/` hold the rendering and nothing else; gives the paths that changed."""
        changed = self.differences(rendered)
        folder = self.rendering_path(rendered.name)
        wanted = {file.path: file.content for file in rendered.files}
        for path in changed:
            if path in wanted:
                _write_whole(folder / path, wanted[path])
            else:
                (folder / path).unlink()
        for empty in sorted(folder.rglob("*"), reverse=True):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
        return changed

    def _read_recipe(self, name: str) -> bytes:
        path = self.recipe_path(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            near = difflib.get_close_matches(name, [n for n in self.names() if n != name], n=1)
            remedy = f"did you mean {near[0]}?" if near else self._elsewhere()
            remedy = remedy or f"`builder new {name}` writes one to start from"
            raise RecipeError(f"there is no recipe {name!r}", where=str(path), remedy=remedy) from None
        except OSError as error:
            raise RecipeError("the recipe cannot be read", where=str(path), seen=error.strerror) from None

    def _elsewhere(self) -> str:
        """What to do where the project is a folder further up; empty where it is not."""
        if not self.names():
            for parent in self.root.absolute().parents:
                if any((parent / "recipes").glob("*.yaml")):
                    return f"run it in {parent}, where recipes/ is"
        return ""

    def _model_files(self, recipe: Path, read: Recipe) -> tuple[Artifact, ...]:
        files = tuple(_model_file(recipe, part) for part in (read.model.paths() if read.model else ()))
        names: dict[Sha256, Artifact] = {}
        for file in files:
            if (twin := names.setdefault(file.sha256, file)).filename != file.filename:
                raise RecipeError(
                    f"{twin.path} and {file.path} hold the same bytes under two names",
                    where=f"{recipe}: model",
                    remedy="let them differ, or take one away: a file is known by its hash",
                )
        return files

    def _read_extra(self, recipe: Path, part: str) -> str:
        path = recipe.parent / part
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RecipeError(
                "a certificate file cannot be read", where=f"{recipe}: trust.extra", seen=str(error)
            ) from None
        return as_pem(data, str(path))


def _model_file(recipe: Path, part: str) -> Artifact:
    try:
        digest, size = hash_file(recipe.parent / part)
    except OSError as error:
        raise RecipeError(
            f"the model's file {part} cannot be read",
            where=f"{recipe}: model",
            seen=error.strerror,
            remedy="its files are named as they lie below the recipe's folder",
        ) from None
    return Artifact(source=RECIPE, path=part, sha256=digest, size=size)


def _differs(path: Path, content: str) -> bool:
    return path.read_bytes() != content.encode()


def _write_whole(path: Path, text: str) -> None:
    """The whole file or none of it. Raises DiskError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}-", delete=False, encoding="utf-8"
        ) as file:
            temporary = Path(file.name)
            try:
                file.write(text)
                file.flush()
                temporary.chmod(0o666 & ~_umask())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        free = shutil.disk_usage(path.parent).free if path.parent.exists() else 0
        raise DiskError("cannot write", where=str(path), seen=f"{error.strerror}; {free:,} bytes free") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
