"""A project whose one recipe is locked with a bundle of the test's own, in a store of its own: nothing is fetched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from chains.factory import Made
from tests_root import ROOT

from builder.models.lockfile import dump_lock, parse_lock
from builder.trust.bundle import PemSource, make_bundle

NAME = "site"
RECIPE = """# of the site
name: site
base: debian-bullseye   # which
python: "3.9"

trust:
  roots: mozilla   # and ours

checks: [trust]
"""


@dataclass(frozen=True)
class SiteProject:
    """A folder to run `builder` in."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "recipes" / f"{NAME}.yaml"

    @property
    def environment(self) -> dict[str, str]:
        return {"BUILDER_STORE": str(self.root / "store"), "BUILDER_STATE": str(self.root / "state")}


def site_project(folder: Path, trusted: tuple[Made, ...], pins: str = "") -> SiteProject:
    """The lock is the quickstart's, with this bundle in the place of its own. pins: lines to stand below `trust:`."""
    bundle = make_bundle((PemSource(where="test", text="".join(c.pem for c in trusted)),), at=0)
    data = bundle.pem.encode()
    lock = parse_lock((ROOT / "recipes/quickstart.lock").read_text(encoding="utf-8"), "quickstart.lock")
    file = lock.trust.bundle.model_copy(update={"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})
    trust = lock.trust.model_copy(update={"bundle": file, "certificates": bundle.certificates})
    project = SiteProject(folder / "project")
    project.recipe.parent.mkdir(parents=True)
    project.recipe.write_text(RECIPE.replace("# and ours\n", f"# and ours\n{pins}"))
    project.recipe.with_suffix(".lock").write_text(dump_lock(lock.model_copy(update={"trust": trust})))
    kept = project.root / "store" / file.store_path
    kept.parent.mkdir(parents=True)
    kept.write_bytes(data)
    return project
