"""The `builder` command as a process, and its table of commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from typer.testing import CliRunner

from builder.cli.app import MOUNTS, SECTIONS, app, load
from builder.cli.errors import exit_codes

HEAVY = ("docker", "httpx", "torch", "cryptography", "pydantic", "rich", "ruamel", "jinja2", "asyncio")


def builder(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "builder", *args]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=False, timeout=60)


def modules_after(code: str) -> set[str]:
    script = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_help_imports_nothing_heavy_and_no_command():
    loaded = modules_after("from builder.cli import main; sys.argv = ['builder', '--help']; main()")
    assert "typer" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_help_answers_quickly():
    def once() -> float:
        start = time.perf_counter()
        assert builder("--help").returncode == 0
        return time.perf_counter() - start

    assert min(once() for _ in range(3)) < 1.0  # 0.09 s on an idle core; the bar is 0.25 s


def test_help_lists_every_command_and_every_exit_code():
    shown = " ".join(builder("--help").stdout.split())
    assert [m.name for m in MOUNTS.values() if f" {m.name} {m.summary} " not in f"{shown} "] == []
    assert [code for code, meaning in exit_codes() if f" {code} {meaning} " not in f"{shown} "] == []


@pytest.mark.parametrize("name", MOUNTS)
def test_every_mounted_command_exists(name):
    assert load(MOUNTS[name]).get_short_help_str(200)


def test_no_command_is_named_twice():
    names = [m.name for section in SECTIONS.values() for m in section]
    assert len(names) == len(set(names))


def test_version():
    done = builder("--version")
    assert (done.returncode, done.stdout) == (0, "builder 0.1.0\n")


def test_a_wrong_command_names_the_nearest_and_exits_with_2():
    done = builder("scheme")
    assert done.returncode == 2
    assert done.stderr.endswith("Error: No such command 'scheme'. Did you mean 'schema'?\n")


def test_a_wrong_command_line_is_json_when_json_was_asked_for():
    done = builder("scheme", "--json")
    assert done.returncode == 2
    assert done.stderr == ""
    assert json.loads(done.stdout)["error"]["what"] == "No such command 'scheme'. Did you mean 'schema'?"


def test_an_error_of_a_command_gives_its_exit_code(tmp_path):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "a.yaml").write_text("mine")
    result = CliRunner().invoke(app, ["new", "a b"])
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")


def test_a_reader_that_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "builder", "schema"], stdout=out, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")


SLEEPER = textwrap.dedent("""
    import sys, time, types, typer
    import builder.cli.app as cli
    from builder.cli import main

    module = types.ModuleType("sleeper")
    module.app = typer.Typer()

    @module.app.command("sleep")
    def sleep() -> None:
        try:
            print("asleep", flush=True)
            time.sleep(60)
        finally:
            print("cleaned up", flush=True)

    sys.modules["sleeper"] = module
    cli.MOUNTS["sleep"] = cli.Mount("sleep", "sleeper", "")
    sys.argv = ["builder", "sleep"]
    main()
""")


@pytest.mark.parametrize(
    ("number", "code", "seen"),
    [(signal.SIGINT, 130, ""), (signal.SIGTERM, 143, "  seen: SIGTERM\n"), (signal.SIGHUP, 129, "  seen: SIGHUP\n")],
)
def test_a_signal_unwinds_and_exits_with_its_code(number, code, seen):
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "asleep\n"
        child.send_signal(number)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (code, "cleaned up\n", f"error: interrupted; nothing half-written\n{seen}")


def test_completion_of_a_command_name_imports_no_command():
    done = builder(_BUILDER_COMPLETE="complete_bash", COMP_WORDS="builder sch", COMP_CWORD="1")
    assert done.stdout.split() == ["schema"]


def test_a_tab_completes_recipes(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    for name in ("alpha", "beta"):
        (tmp_path / "recipes" / f"{name}.yaml").touch()
    monkeypatch.chdir(tmp_path)
    done = builder(_BUILDER_COMPLETE="complete_bash", COMP_WORDS="builder build al", COMP_CWORD="2")
    assert done.stdout.split() == ["alpha"]


@pytest.mark.parametrize("words", [("-h",), ("certs", "-h"), ("build", "-h")])
def test_help_has_its_short_name(words):
    assert builder(*words).stdout.startswith("Usage: builder")
