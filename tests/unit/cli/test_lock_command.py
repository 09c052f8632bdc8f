"""What `builder lock` says. Only the locking itself is made up: it would ask the registries."""

from __future__ import annotations

from pathlib import Path

import page_examples as examples
import pytest
from typer.testing import CliRunner

from builder.cli.app import app
from builder.models.resolved import Moved
from builder.stages.lock import LockResult

MOVED = Moved(name="six", old="1.16.0", new="1.17.0")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["new", "mine"]).exit_code == 0
    return tmp_path


@pytest.mark.parametrize(
    ("before", "made", "moved", "said"),
    [
        (False, True, (), "recipes/mine.lock: made\n"),
        (True, True, (), "recipes/mine.lock: nothing moved\n"),
        (True, False, (), "recipes/mine.lock: as it was\n"),
        (True, True, (MOVED,), f"  {'six':<32} 1.16.0 -> 1.17.0\nrecipes/mine.lock: 1 moved\n"),
    ],
)
def test_what_became_of_a_lock_is_said(
    *, project: Path, monkeypatch: pytest.MonkeyPatch, before: bool, made: bool, moved: tuple[Moved, ...], said: str
) -> None:
    path = project / "recipes/mine.lock"
    if before:
        path.touch()
    else:
        path.unlink(missing_ok=True)
    result = LockResult(lock=examples.lock(), moved=moved, made=made)
    monkeypatch.setattr("builder.pipeline.locked", lambda *_, **__: result)
    done = CliRunner().invoke(app, ["lock", "mine"])
    assert done.exit_code == 0, done.output
    assert done.stdout.replace(f"{project}/", "") == said
