from __future__ import annotations

from pathlib import Path

import page_examples as examples
import pytest

from builder.adapters.reports import Reports, read_report, state_folder
from builder.errors import BuilderError, DiskError
from builder.models.base import sha256_of
from builder.models.report import Report
from builder.models.seal import Seal
from builder.report.provenance import Provenance

DIGEST = sha256_of("x")
FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def report(image: str, name: str = "demo") -> Report:
    return Report(name=name, image=image, recipe=DIGEST, lock=DIGEST, rendering=DIGEST, engine="Engine 1", results=())


def seal(image: str) -> Seal:
    given = dict.fromkeys(("recipe", "lock", "rendering", "report"), DIGEST)
    return Seal(name="demo", image=image, unproven=(), names=("demo:1",), **given)


def test_reports_are_kept_by_recipe_and_image(tmp_path: Path) -> None:
    data, xml = Reports(tmp_path).write(report(FIRST))
    assert data == tmp_path / "reports" / "demo" / f"{'1' * 64}.json"
    assert xml == data.with_suffix(".xml")
    assert Report.model_validate_json(data.read_text()) == report(FIRST)
    assert xml.read_text().startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="0"')


def test_latest_is_the_one_written_last_also_when_it_was_written_before(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    for image in (FIRST, SECOND, FIRST):
        reports.write(report(image))
    latest = reports.latest("demo")
    assert latest is not None
    assert latest.image == FIRST
    assert reports.report("demo", SECOND) == report(SECOND)


def test_another_recipes_report_is_not_the_latest(tmp_path: Path) -> None:
    Reports(tmp_path).write(report(FIRST, "other"))
    assert Reports(tmp_path).latest("demo") is None


def test_seals_are_kept_apart_from_reports(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    assert reports.write_seal(seal(FIRST)) == tmp_path / "seals" / "demo" / f"{'1' * 64}.json"
    assert (reports.latest_seal("demo"), reports.latest("demo")) == (seal(FIRST), None)
    assert (reports.seal("demo", FIRST), reports.seal("demo", SECOND)) == (seal(FIRST), None)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"version": 1, "name": "demo", "later": true}'])
def test_report_that_cannot_be_read_counts_as_missing(tmp_path: Path, text: str) -> None:
    data, _ = Reports(tmp_path).write(report(FIRST))
    data.write_text(text)
    assert Reports(tmp_path).latest("demo") is None


def test_report_is_found_by_its_image(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    for about in (report(FIRST), report(SECOND), report(SECOND, "other")):
        reports.write(about)
    assert reports.by_image(FIRST) == reports.by_image("1" * 12) == report(FIRST)
    assert reports.by_image(SECOND) is None  # two recipes have it
    assert [reports.by_image(text) for text in ("1" * 11, "demo", "../demo", "*", "3" * 64)] == [None] * 5


def test_report_that_was_brought_is_read_or_refused(tmp_path: Path) -> None:
    data, _ = Reports(tmp_path).write(report(FIRST))
    assert read_report(data) == report(FIRST)
    data.write_text('{"name": "demo"}')
    with pytest.raises(BuilderError) as caught:
        read_report(data)
    assert (caught.value.what, caught.value.seen) == ("this is no report that can be read", "6 faults in it")
    with pytest.raises(BuilderError) as caught:
        read_report(tmp_path / "missing")
    assert caught.value.seen == "No such file or directory"


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    data, _ = Reports(tmp_path).write(report(FIRST))
    kept = [f"{'1' * 64}.{suffix}" for suffix in ("html", "json", "xml")]
    assert sorted(p.name for p in data.parent.iterdir()) == [*kept, "latest"]
    assert data.stat().st_mode & 0o777 == 0o644


def test_folder_that_cannot_be_written_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where a folder should be")
    with pytest.raises(DiskError) as caught:
        Reports(tmp_path).write(report(FIRST))
    assert caught.value.what == "cannot keep the report"
    assert caught.value.remedy == "make room, or name another folder with BUILDER_STATE"


def test_failed_write_leaves_the_old_report_and_no_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = Reports(tmp_path)
    data, _ = reports.write(report(FIRST))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builder.adapters.reports.os.fsync", full)
    with pytest.raises(DiskError) as caught:
        reports.write(report(FIRST))
    assert caught.value.seen == "No space left on device"
    assert reports.latest("demo") == report(FIRST)
    assert not list(data.parent.glob(".*"))


def test_state_folder_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BUILDER_STATE", str(tmp_path))
    assert state_folder() == tmp_path
    monkeypatch.delenv("BUILDER_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert state_folder() == Path("/somewhere/builder")


def test_page_lies_beside_the_report_and_links_to_it(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    data, _ = reports.write(report(FIRST))
    assert reports.page_path(report(FIRST)) == data.with_suffix(".html")
    assert f'href="{data.name}"' in data.with_suffix(".html").read_text()
    assert f'href="{data.name}"' not in reports.page(report(FIRST))


def test_seal_is_said_on_the_page_of_its_report(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    data, _ = reports.write(report(FIRST))
    page = data.with_suffix(".html")
    assert "was given no tag by this report" in page.read_text()
    reports.write_seal(seal(FIRST).model_copy(update={"report": report(FIRST).content_digest()}))
    assert "is tagged." in page.read_text()
    assert "demo:1" in page.read_text()


def test_seal_without_a_report_is_kept_too(tmp_path: Path) -> None:
    assert Reports(tmp_path).write_seal(seal(FIRST)).exists()


def test_provenance_stays_when_the_report_is_written_again_without_one(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    kept = Provenance(lock=examples.lock(), layers=(), size=7, previous=None)
    reports.write(report(FIRST), kept)
    reports.write(report(FIRST))
    assert reports.provenance("demo", FIRST) == kept


def test_page_of_an_older_version_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    reports.write(report(FIRST))
    reports.page_path(report(FIRST)).unlink()
    assert reports.write_page(report(FIRST)).read_text().startswith("<!DOCTYPE html>")
