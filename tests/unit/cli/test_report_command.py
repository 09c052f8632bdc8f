"""`builder report`: the table, the page as a file, on standard output and in a browser; and how runs name it."""

from __future__ import annotations

import json
import re
import sys
import webbrowser
from pathlib import Path

import page_examples as examples
import pytest

from builder.adapters.reports import Reports
from builder.cli import display, main, show
from builder.models.report import Report
from builder.pipeline import Outcomes, Workplace


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """A report on the quickstart, in a state folder of the test's own."""
    monkeypatch.setenv("BUILDER_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)  # no recipe is asked for: it may have changed since, or be gone
    report = examples.usual().model_copy(update={"name": "quickstart"})
    Reports().write(report, examples.provenance())
    return report


def builder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["builder", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("kept")
def test_page_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert builder(monkeypatch, "report", "quickstart", "--html", "-") == 0
    out = capsys.readouterr().out
    assert out.startswith("<!DOCTYPE html>")
    assert out.endswith("</html>\n")
    assert ".json" not in out


@pytest.mark.usefixtures("kept")
def test_page_is_written_to_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    assert builder(monkeypatch, "report", "quickstart", "--html", str(target)) == 0
    assert capsys.readouterr().out == f"page: {target}\n"
    assert "quickstart: failed" in target.read_text()


@pytest.mark.usefixtures("kept")
def test_file_that_cannot_be_written_is_a_disk_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert builder(monkeypatch, "report", "quickstart", "--html", str(tmp_path)) != 0
    assert "cannot write the page" in capsys.readouterr().err


@pytest.mark.parametrize("starts", [True, False])
def test_page_is_shown_in_the_browser(
    kept: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], starts: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or starts)  # there is no desktop here
    assert builder(monkeypatch, "report", "quickstart", "--open") == 0
    path = Reports().page_path(kept)
    assert opened == [path.as_uri()]
    captured = capsys.readouterr()
    assert captured.out == f"page: {path}\n"
    assert captured.err == ("" if starts else "no browser could be started; open that file in one\n")


def test_table_names_the_evidence_and_the_page(
    kept: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builder(monkeypatch, "report", "quickstart") == 0
    path = Reports().page_path(kept)
    assert capsys.readouterr().out.splitlines()[-2:] == [f"evidence: {path.with_suffix('.json')}", f"page: {path}"]


def ran(report: Report | None) -> Outcomes:
    """A run that found nothing to do."""
    done = Outcomes(name="quickstart", report=report)
    done.reuse("build", "image aaaaaaaaaaaa")
    done.reuse("check", "3 PASS, 1 FAIL")
    return done


def test_run_that_does_nothing_names_the_page_and_ends_with_its_table(
    kept: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    show.run(Workplace(), ran(kept))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"page: {Reports().page_path(kept)}"
    assert lines[-1].split()[:2] == ["check", "reused"]


def test_terminal_links_the_checks_to_the_page(
    kept: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display, "is_live", lambda _: True)
    show.run(Workplace(), ran(kept))
    out = capsys.readouterr().out
    assert re.search(re.escape(f";{Reports().page_path(kept).as_uri()}\x1b\\3 PASS, 1 FAIL") + r" *\x1b]8;;\x1b\\", out)
    assert out.count("\x1b]8;;") == 1


def test_log_has_no_links(kept: Report, capsys: pytest.CaptureFixture[str]) -> None:
    show.run(Workplace(), ran(kept))
    assert "\x1b" not in capsys.readouterr().out


def test_document_has_the_page(kept: Report) -> None:
    path = Reports().page_path(kept)
    assert json.loads(json.dumps(show.document(Workplace(), ran(kept))))["page"] == str(path)
    path.unlink()
    assert show.document(Workplace(), ran(kept))["page"] is None
    assert show.document(Workplace(), ran(None))["page"] is None


@pytest.mark.usefixtures("kept")
def test_recipe_without_a_report_is_told_what_makes_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builder(monkeypatch, "report", "other", "--open") != 0
    err = capsys.readouterr().err
    assert "there is no report on other yet" in err
    assert "builder build other --until check" in err
