"""The adapters of one run, wired: each is made when it is first needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from builder.adapters.project import Loaded, Project
from builder.checks import CHECKS
from builder.errors import Fault, RecipeError
from builder.models.lock import RECIPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.adapters.engine.client import Engine
    from builder.adapters.reports import Reports
    from builder.adapters.store.content import Store
    from builder.models.catalog import Catalog
    from builder.models.lock import Artifact, Lock
    from builder.progress import Progress
    from builder.stages.fetch import FetchSummary


class Workplace:
    """The adapters of one run, each made when it is first needed: their imports are what a run that does nothing
    would spend its time on."""

    def __init__(self, project: Project | None = None) -> None:
        self.project = project or Project()

    @cached_property
    def catalog(self) -> Catalog:
        """What images can start from."""
        from builder.adapters.catalog import load_catalog

        return load_catalog()

    @cached_property
    def store(self) -> Store:
        """Where artifacts are."""
        from builder.adapters.store.content import Store

        return Store()

    @cached_property
    def engine(self) -> Engine:
        """The engine that holds images and runs checks."""
        from builder.adapters.engine.client import Engine

        return Engine()

    @cached_property
    def reports(self) -> Reports:
        """Where reports and seals are."""
        from builder.adapters.reports import Reports

        return Reports()

    def load(self, name: str) -> Loaded:
        """The recipe, with every fault of it at once."""
        checks = {name: script.arguments for name, script in CHECKS.items()}
        return self.project.load(name, bases=self.catalog.bases.keys(), checks=checks)

    def load_all(self, names: Sequence[str]) -> None:
        """Raises RecipeError with the faults of all of them at once, before anything is done for one."""
        faults: list[Fault] = []
        for name in names if len(names) > 1 else ():
            try:
                self.load(name)
            except RecipeError as error:
                own = Fault(what=error.what, where=error.where, seen=error.seen, remedy=error.remedy)
                faults += error.faults or (own,)
        if faults:
            raise RecipeError("not all of the recipes can be used", where="recipes/", faults=tuple(faults))

    def bring(
        self, loaded: Loaded, lock: Lock | None, artifacts: Sequence[Artifact], progress: Progress, jobs: int
    ) -> FetchSummary:
        """Brings artifacts into the store: copies the recipe's own, makes those that are derived from others again."""
        from builder.adapters.http.client import Http
        from builder.adapters.mirrors import load_mirrors
        from builder.adapters.store.derive import derive
        from builder.mirrors.sources import Sources
        from builder.stages.fetch import fetch

        transport = Http(jobs=2 * jobs)
        recipe = loaded.recipe
        sources = Sources(
            load_mirrors(),
            transport=transport,
            pip=recipe.pip.mirrors,
            apt=recipe.apt.mirrors,
            conda=recipe.conda.mirrors if recipe.conda else (),
        )

        def more(wanted: Sequence[Artifact]) -> FetchSummary:
            return fetch(
                wanted,
                store=self.store,
                sources=sources,
                transport=transport,
                progress=progress,
                jobs=jobs,
                derive=make,
            )

        def make(artifact: Artifact) -> None:
            if artifact.source == RECIPE:
                self.project.put(artifact, self.store)
            elif lock is not None:
                derive(lock, artifact, store=self.store, fetch=more, extra=loaded.extra)

        try:
            return more(artifacts)
        finally:
            transport.close()
