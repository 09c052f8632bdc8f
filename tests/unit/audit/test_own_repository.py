"""`builder audit` on the repository that it comes from."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests_root import ROOT
from typer.testing import CliRunner

from builder.cli.app import app


def test_the_audit_finds_no_error_in_its_own_repository() -> None:
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        done = CliRunner().invoke(app, ["audit", ".", "--json"])
    finally:
        os.chdir(before)
    found = json.loads(done.stdout)
    errors = [f"{f['path']}:{f['line']}: {f['rule']}" for f in found["findings"] if f["severity"] == "error"]
    assert (done.exit_code, errors) == (0, [])
    assert found["files"] > 300, "it did look"


def test_the_probe_that_reads_any_chain_is_allowed_with_its_reason_and_nothing_else_there() -> None:
    text = (ROOT / "builder/adapters/tls/probe.py").read_text(encoding="utf-8")
    allowed = [line for line in text.splitlines() if "builder-audit: allow" in line]
    assert len(allowed) == 2
    assert all(line.strip().startswith("context.") and len(line.rpartition("PY002 ")[2]) > 20 for line in allowed)
