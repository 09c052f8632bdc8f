"""Where reports and seals are kept: `$BUILDER_STATE`, else the user's state folder."""

from __future__ import annotations

import fcntl
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from builder.errors import BuilderError, DiskError
from builder.models.base import ImageId, Model
from builder.models.report import Report
from builder.models.seal import Seal
from builder.report.junit import junit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.report.provenance import Provenance

M = TypeVar("M", bound=Model)

_LATEST = "latest"
_LOCK = "lock"
_NAME = r"[0-9a-f]{64}\.json"
_PROVENANCE = "provenance.json"


def state_folder() -> Path:
    """`$BUILDER_STATE`, else what the platform has for a program's state (`~/.local/state/builder`)."""
    if named := os.environ.get("BUILDER_STATE"):
        return Path(named)
    from platformdirs import user_state_path  # noqa: PLC0415 - not on the path of `builder --help`

    return user_state_path("builder")


@dataclass(frozen=True)
class Reports:
    """The reports and seals of every image, by recipe and image ID; the last one of each recipe is known as such."""

    root: Path = field(default_factory=state_folder)

    def write(self, report: Report, provenance: Provenance | None = None) -> tuple[Path, Path]:
        """Keeps the report as JSON, as JUnit XML and as a page; gives the first two paths. Raises DiskError.

        Without a provenance, that of an earlier report on the same image stays.
        """
        data, xml = (self._path("reports", report.name, report.image, suffix) for suffix in ("json", "xml"))
        _write(data, report.model_dump_json(indent=1) + "\n")
        _write(xml, junit(report))
        if provenance:
            path = self._path("reports", report.name, report.image, _PROVENANCE)
            _write(path, provenance.model_dump_json() + "\n")
        _write(data.parent / _LATEST, report.image + "\n")
        self.write_page(report)
        return data, xml

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """As long as the `with` block lasts, no other process that asks for it has the recipe's reports to itself.

        Raises DiskError.
        """
        path = self.root / "reports" / name / _LOCK
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("wb")
        with file:  # which ends the lock, too
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def write_seal(self, seal: Seal) -> Path:
        """Keeps the seal, and says it on the page of its report. Raises DiskError."""
        path = self._path("seals", seal.name, seal.image, "json")
        _write(path, seal.model_dump_json(indent=1) + "\n")
        _write(path.parent / _LATEST, seal.image + "\n")
        if report := self.report(seal.name, seal.image):
            self.write_page(report)
        return path

    def write_page(self, report: Report) -> Path:
        """The page of a report, made anew from all that is kept of its image. Raises DiskError."""
        path = self.page_path(report)
        _write(path, self.page(report, beside=True))
        return path

    def page(self, report: Report, *, beside: bool = False) -> str:
        """The HTML; `beside` says that it will lie beside the report's other forms."""
        from builder.report.page import page  # noqa: PLC0415 - jinja2 is not on the path of a run that does nothing

        provenance = self.provenance(report.name, report.image)
        return page(report, provenance, self.seal(report.name, report.image), beside=beside)

    def provenance(self, name: str, image: ImageId) -> Provenance | None:
        """What an image was made from; None when that was not kept, or not so that this version can read it."""
        from builder.report.provenance import Provenance  # noqa: PLC0415 - only a page needs it

        return _read(self._path("reports", name, image, _PROVENANCE), Provenance)

    def latest(self, name: str) -> Report | None:
        """The last report of a recipe; None when there is none that this version can read."""
        return self._latest("reports", name, Report)

    def latest_seal(self, name: str) -> Seal | None:
        """The last seal of a recipe; None when there is none that this version can read."""
        return self._latest("seals", name, Seal)

    def report(self, name: str, image: ImageId) -> Report | None:
        """The report of one image; None when there is none that this version can read."""
        return _read(self._path("reports", name, image, "json"), Report)

    def seal(self, name: str, image: ImageId) -> Seal | None:
        """The seal of one image; None when there is none that this version can read."""
        return _read(self._path("seals", name, image, "json"), Seal)

    def by_image(self, image: str) -> Report | None:
        """The report of an image by its ID, or by 12 digits of it or more; None when there is none, or several."""
        digits = image.removeprefix("sha256:")
        if not re.fullmatch("[0-9a-f]{12,64}", digits):
            return None
        found = [path for path in self.root.glob(f"reports/*/{digits}*.json") if re.fullmatch(_NAME, path.name)]
        return _read(found[0], Report) if len(found) == 1 else None

    def junit_path(self, report: Report) -> Path:
        """Where the report's JUnit XML is."""
        return self._path("reports", report.name, report.image, "xml")

    def page_path(self, report: Report) -> Path:
        """Where the report's page is."""
        return self._path("reports", report.name, report.image, "html")

    def _latest(self, kind: str, name: str, model: type[M]) -> M | None:
        try:
            image = (self.root / kind / name / _LATEST).read_text().strip()
        except OSError:
            return None
        return _read(self._path(kind, name, image, "json"), model)

    def _path(self, kind: str, name: str, image: str, suffix: str) -> Path:
        return self.root / kind / name / f"{image.removeprefix('sha256:')}.{suffix}"


def read_report(path: Path) -> Report:
    """A report that somebody brought from another host; `-` is standard input. Raises BuilderError when it is none."""
    try:
        return Report.model_validate_json(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes())
    except (OSError, ValidationError) as error:
        seen = f"{error.error_count()} faults in it" if isinstance(error, ValidationError) else error.strerror
        raise BuilderError(
            "this is no report that can be read",
            where=str(path),
            seen=seen,
            remedy="`builder report NAME --json > FILE` writes one; both hosts need the same version of builder",
        ) from error


def _read(path: Path, model: type[M]) -> M | None:
    """What cannot be read is treated as missing: then the checks run again, which is always right."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, text: str) -> None:
    """The whole file or none of it, also after a crash."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            _replace(path, Path(name), handle, text)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raises DiskError for what the disk refuses."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            "cannot keep the report",
            where=str(path),
            seen=error.strerror or str(error),
            remedy="make room, or name another folder with BUILDER_STATE",
        ) from error


def _replace(path: Path, fresh: Path, handle: int, text: str) -> None:
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    fresh.chmod(0o644)
    fresh.replace(path)
