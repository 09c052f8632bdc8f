"""`builder audit` and `builder debug` as processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builder.adapters.audit.once import CACHES
from builder.adapters.audit.run import Asked, run_audit
from builder.cli.app import app
from builder.progress import Silent

CONDARC = "channels: [conda-forge]\nssl_verify: false  # slow\n"


def builder(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONDA", "PIP", "UV")) and k != "CI"}
    command = [sys.executable, "-m", "builder", *args]
    return subprocess.run(
        command, capture_output=True, text=True, env={**kept, **env}, check=False, timeout=60, cwd=folder
    )


def audit(folder: Path, *args: str, **env: str) -> Result:
    """The command within this process: one that starts takes half a second."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(app, ["audit", *args], env=env)
    finally:
        os.chdir(before)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".condarc").write_text(CONDARC)
    (tmp_path / "sound.sh").write_text("echo curl -k\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "hook.sh").write_text("curl -k x\n")
    (tmp_path / "binary.sh").write_bytes(b"curl -k x\n\0")
    (tmp_path / "tool").write_text("#!/bin/sh\nwget --no-check-certificate x\n")
    os.mkfifo(tmp_path / "pipe.sh")
    return tmp_path


def test_findings_have_their_place_and_an_exit_code_of_their_own(tree):
    done = audit(tree)
    assert done.exit_code == 16
    assert "home/.condarc:2:1: error CONDA001: conda does not verify TLS certificates\n" in done.stdout
    assert "tool:2:6: error WGET001" in done.stdout
    assert done.stdout.endswith("2 errors in 3 files\n")


def test_it_is_a_command(tree):
    done = builder(tree, "audit", "home")
    assert (done.returncode, done.stdout.endswith("1 error in 1 file\n")) == (16, True)


def test_a_sound_tree_is_said_to_be_one(tree):
    done = audit(tree, "sound.sh")
    assert (done.exit_code, done.stdout) == (0, "nothing found in 1 file\n")


def test_nothing_to_read_is_not_said_to_be_sound(tree):
    (tree / "notes.md").write_text("curl -k\n")
    assert "nothing was read" in audit(tree, "notes.md").stdout


def test_a_path_that_is_not_there_is_an_error(tree):
    done = audit(tree, "gone")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is nothing to audit" in done.stderr


def test_json_names_every_field(tree):
    document = json.loads(audit(tree, "home", "--json").stdout)
    (finding,) = document["findings"]
    assert (finding["rule"], finding["line"], finding["fixable"]) == ("CONDA001", 2, True)
    assert document["files"] == 1


@pytest.mark.parametrize(("form", "begins"), [("sarif", "{"), ("junit", "<?xml")])
def test_other_formats_stand_alone_on_standard_output(tree, form, begins):
    done = audit(tree, "--format", form)
    assert done.exit_code == 16
    assert done.stdout.startswith(begins)


def test_fail_on_decides_the_exit_code_alone(tree):
    (tree / "home" / ".condarc").write_text("channels: [defaults]\n")
    assert audit(tree, "home").exit_code == 0
    assert audit(tree, "home", "--fail-on", "note").exit_code == 16


def test_fix_shows_what_it_does_keeps_the_mode_and_does_nothing_more_the_second_time(tree):
    file = tree / "home" / ".condarc"
    file.chmod(0o640)
    shown = audit(tree, "home", "--fix", "--dry-run")
    assert "-ssl_verify: false  # slow" in shown.stdout
    assert file.read_text() == CONDARC
    done = audit(tree, "home", "--fix")
    assert "mended 1 finding in 1 file" in done.stdout
    assert (done.exit_code, file.read_text()) == (0, "channels: [conda-forge]\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert audit(tree, "home", "--fix").stdout == "nothing found in 1 file\n"


def test_options_that_would_be_passed_by_are_refused(tree):
    two = audit(tree, "--json", "--format", "sarif")
    assert (two.exit_code, "--format sarif is asked for as well" in two.stdout) == (2, True)
    alone = audit(tree, "--dry-run")
    assert (alone.exit_code, "it goes with --fix" in alone.stderr) == (2, True)


def test_a_baseline_is_written_and_then_passes_what_it_knows_by(tree):
    assert audit(tree, "--write-baseline", "b.json").exit_code == 0
    done = audit(tree, "--baseline", "b.json")
    assert (done.exit_code, done.stdout) == (0, "nothing found in 3 files; 2 known from the baseline\n")


def test_a_baseline_knows_a_file_however_its_path_is_spelled(tree):
    audit(tree, "--write-baseline", "b.json")
    whole = audit(tree, str(tree), "--baseline", "b.json")
    above = audit(tree.parent, tree.name, "--baseline", f"{tree.name}/b.json")
    assert [done.stdout for done in (whole, above)] == ["nothing found in 3 files; 2 known from the baseline\n"] * 2


def test_rules_are_listed():
    shown = audit(Path.cwd(), "--rules").stdout
    assert "CONDA001" in shown
    assert "MAVEN001" in shown


def test_the_host_is_its_environment_and_the_files_of_its_home(tree):
    done = audit(tree, "--host", "--json", HOME=str(tree / "home"), CONDA_SSL_VERIFY="0")
    document = json.loads(done.stdout)
    assert "environment: CONDA_SSL_VERIFY" in [f["path"] for f in document["findings"]]
    conda = document["conda"]["this host"]
    assert (conda["verdict"], conda["winner"]) == ("off", "CONDA_SSL_VERIFY")
    assert f"{tree}/home/.condarc:2" in [p["where"] for p in conda["participants"]]


def test_what_a_dockerfile_copies_into_place_is_read_as_what_it_becomes(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM x\nCOPY --chown=0 conda.cfg /opt/conda/.condarc\nCOPY site.txt /etc/\n")
    (tmp_path / "conda.cfg").write_text(CONDARC)
    (tmp_path / "site.txt").write_text(CONDARC)
    done = audit(tmp_path)
    assert "conda.cfg:2:1: error CONDA001" in done.stdout
    assert done.stdout.endswith("1 error in 2 files\n")
    audit(tmp_path, "--fix")
    assert (tmp_path / "conda.cfg").read_text() == "channels: [conda-forge]\n"


def test_fix_mends_the_files_of_the_host_and_names_its_bundle(tree):
    (tree / "all.pem").write_text("x")
    file = tree / "home" / ".condarc"
    env = {"HOME": str(tree / "home"), "SSL_CERT_FILE": str(tree / "all.pem"), "REQUESTS_CA_BUNDLE": ""}
    assert audit(tree, "--host", "--fix", **env).exit_code == 0
    assert file.read_text() == f"channels: [conda-forge]\nssl_verify: {tree}/all.pem  # slow\n"


def test_a_thousand_files_take_two_seconds_at_most(tmp_path):
    """5,000 files in 10 s is the bar; 1,000 of them here, with a tree's usual mixture."""
    kinds = {
        "Dockerfile": "FROM x\nRUN curl -fsSL https://x | sh && pip install numpy\n" * 5,
        "x.sh": 'if [ "$1" ]; then curl -fsSL "https://x/$1" -o y; fi\n' * 50,
        "m.py": "import ssl\n\ndef f(x):\n    return requests.get(x, verify=x)\n" * 50,
        "ci.yml": "steps:\n" + "  - run: |\n      pip install x\n" * 20,
        ".condarc": "channels: [conda-forge]\nssl_verify: /etc/ssl/certs/ca-certificates.crt\n",
    }
    for number in range(200):
        (tmp_path / str(number)).mkdir()
        for name, text in kinds.items():
            (tmp_path / str(number) / name).write_text(text)
    start = time.process_time()
    outcome = run_audit(Asked(paths=(tmp_path,)), Silent())
    assert (outcome.files, outcome.findings) == (1000, ())
    assert time.process_time() - start < 2.0


OFF = "CONDA_SSL_VERIFY=false"


def test_debug_switches_off_for_one_child_warns_and_passes_its_exit_code_on(tmp_path):
    script = "env; exit 7"
    done = builder(tmp_path, "debug", "--insecure-once", "--", "sh", "-c", script, REQUESTS_CA_BUNDLE="/x.pem")
    assert done.returncode == 7
    assert {OFF, "GIT_SSL_NO_VERIFY=1", "NODE_TLS_REJECT_UNAUTHORIZED=0"} <= set(done.stdout.split("\n"))
    assert "REQUESTS_CA_BUNDLE" not in done.stdout
    assert done.stderr.startswith("WARNING: TLS verification is OFF for this one command.")
    assert list(tmp_path.iterdir()) == []


def test_debug_names_hosts_to_pip_and_uv(tmp_path):
    done = builder(tmp_path, "debug", "--insecure-once", "--host", "p.example", "--", "env")
    assert {"PIP_TRUSTED_HOST=p.example", "UV_INSECURE_HOST=p.example"} <= set(done.stdout.split("\n"))


def test_debug_gives_the_child_caches_of_its_own_that_are_gone_afterwards(tmp_path):
    script = 'mkdir -p "$npm_config_cache" && echo x > "$npm_config_cache/x" && env'
    done = builder(
        tmp_path, "debug", "--insecure-once", "--", "sh", "-c", script, NPM_CONFIG_CACHE="/mine", PIP_CACHE_DIR="/mine"
    )
    given = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    folder = Path(given["XDG_CACHE_HOME"])
    assert {Path(given[name]) for name in CACHES} == {folder / sub for sub in CACHES.values()}
    assert "NPM_CONFIG_CACHE" not in given
    assert not folder.exists()


def test_debug_refuses_without_the_word(tmp_path):
    done = builder(tmp_path, "debug", "--", "touch", "made")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "--insecure-once" in done.stderr


def test_debug_refuses_in_ci(tmp_path):
    done = builder(tmp_path, "debug", "--insecure-once", "--", "touch", "made", CI="true")
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "verification is not switched off in CI" in done.stderr


def test_debug_ends_as_its_child_ends_by_a_signal(tmp_path):
    assert builder(tmp_path, "debug", "--insecure-once", "--", "sh", "-c", "kill -TERM $$").returncode == 143


def test_debug_says_what_cannot_be_started(tmp_path):
    done = builder(tmp_path, "debug", "--insecure-once", "--", "./gone")
    assert done.returncode == 14
    assert "the command cannot be started" in done.stderr
