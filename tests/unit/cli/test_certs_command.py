"""`builder certs`, as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from certificates import LEAF, MIDDLE, ROOT
from typer.testing import CliRunner, Result

from builder.cli.app import app
from builder.trust.certs import Cert


def run(*argv: str) -> Result:
    return CliRunner().invoke(app, ["certs", *argv])


def file_of(folder: Path, name: str, *certificates: Cert) -> str:
    path = folder / name
    path.write_text("".join(c.pem for c in certificates))
    return str(path)


def test_show_lists_every_certificate_the_first_to_end_in_front(tmp_path: Path) -> None:
    done = run("show", file_of(tmp_path, "chain.pem", ROOT, MIDDLE))
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["fine", "intermediate", "2028-09-27"],
        ["fine", "root", "2045-12-27"],
    ]
    assert lines[-1] == f"2 certificates in {tmp_path}/chain.pem"


def test_diff_names_what_is_gone_and_what_is_new(tmp_path: Path) -> None:
    old, new = file_of(tmp_path, "old.pem", ROOT, LEAF), file_of(tmp_path, "new.pem", ROOT, MIDDLE)
    found = json.loads(run("diff", old, new, "--json").stdout)
    assert [c["sha256"] for c in found["gone"]] == [LEAF.sha256]
    assert [c["sha256"] for c in found["new"]] == [MIDDLE.sha256]
    assert run("diff", old, new).stdout.splitlines()[-1] == "1 gone, 1 new, 1 in both"


def test_expiring_is_silent_about_what_is_fine(tmp_path: Path) -> None:
    done = run("expiring", file_of(tmp_path, "roots.pem", ROOT))
    assert done.exit_code == 0
    assert "none of 1 is due; the first to end is x, in " in done.stdout


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_expiring_fails_with_a_code_of_its_own(tmp_path: Path, form: tuple[str, ...]) -> None:
    done = run("expiring", file_of(tmp_path, "mixed.pem", ROOT, LEAF), *form)
    assert done.exit_code == 15
    if form:
        (due,) = json.loads(done.stdout)["due"].values()
        assert [(c["role"], c["state"], c["why"]) for c in due] == [("leaf", "expired", "ended on 2026-03-06")]


def test_expiring_takes_a_users_own_span(tmp_path: Path) -> None:
    roots = file_of(tmp_path, "roots.pem", ROOT)
    assert run("expiring", roots, "--within", "30y").exit_code == 15
    assert run("expiring", roots, "--within", "tomorrow").exit_code == 2
