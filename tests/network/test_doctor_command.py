"""`builder doctor HOST` and `builder doctor clock` as a user has them: words, JSON, exit codes, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from chains import servers
from chains.presented import HERE, NOBODY, presented
from chains.scenarios import (
    expired_leaf,
    good,
    missing_intermediate,
    root_sent_along,
)

pytestmark = pytest.mark.network


def doctor(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "builder", "doctor", *words]
    return subprocess.run(
        argv, cwd=cwd, env=os.environ | {"COLUMNS": "100"}, capture_output=True, text=True, check=False
    )


def asked(port: int, bundle: Path, *more: str, name: str = "app.site.test") -> subprocess.CompletedProcess[str]:
    fixed = ("--address", HERE, "--bundle", str(bundle), "--against", f"https://{HERE}:{NOBODY}")
    return doctor(f"{name}:{port}", *fixed, *more)


def test_good_host_is_exit_code_0(tmp_path: Path) -> None:
    with presented(good, tmp_path) as shown:
        done = asked(shown.server.port, shown.bundle)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The certificate of app.site.test verifies.\n")


def test_failing_host_is_exit_code_17_with_the_cause_in_the_first_line(tmp_path: Path) -> None:
    with presented(missing_intermediate, tmp_path) as shown:
        done = asked(shown.server.port, shown.bundle)
        as_url = doctor(
            f"https://app.site.test:{shown.server.port}/x", "--address", HERE, "--bundle", str(shown.bundle)
        )
    assert (done.returncode, done.stderr) == (17, "")
    first, *lines = done.stdout.splitlines()
    assert first == (
        "app.site.test does not send the intermediate certificate CN=Test Intermediate, which leads to a trusted root."
    )
    assert "  tried: with it, the same connection verifies" in lines
    assert "Refused by: every client" in lines
    assert as_url.stdout.splitlines()[0] == first


def test_host_that_cannot_be_asked_is_exit_code_5() -> None:
    done = doctor("no.such.invalid", "--against", "no.such.invalid")
    assert done.returncode == 5
    assert done.stdout.startswith("The name no.such.invalid does not resolve")


@pytest.mark.parametrize("option", ["--bundle", "--try"])
def test_file_without_certificates_is_a_fault_of_the_command(option: str, tmp_path: Path) -> None:
    for path, seen in ((tmp_path / "none.pem", "no such file"), (Path(__file__), "no certificate in it")):
        done = doctor("app.site.test", option, str(path))
        assert done.returncode == 3
        assert f"  seen: {seen}\n" in done.stderr


def test_word_that_is_no_host_is_a_fault_of_the_command() -> None:
    done = doctor("a b")
    assert done.returncode == 3
    assert "error: this is no host, no URL and no file that is there\n" in done.stderr


@pytest.mark.parametrize("word", ["./ci/.condarc", "/no/such/file", ".condarc", "site.yaml", "my.condarc"])
def test_word_that_can_only_be_a_file_and_is_none_is_a_fault_of_the_command(word: str) -> None:
    done = doctor(word)
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: this is no host, no URL and no file that is there\n  seen: {word}\n")


def test_json_has_cause_chain_stores_checks_and_the_certificate_to_add(tmp_path: Path) -> None:
    with presented(root_sent_along, tmp_path) as shown:
        done = asked(shown.server.port, shown.bundle, "--json")
    (found,) = json.loads(done.stdout)["hosts"]
    assert done.returncode == 17
    assert (found["cause"], found["verifies"], found["answered"]) == ("root-sent-along", False, True)
    assert [row["place"] for row in found["chain"]] == ["sent 1", "sent 2"]
    assert [check["agrees"] for check in found["cross_checks"]] == [True, True, True]
    assert found["remedies"][0]["pem"] == shown.scenario.add[0].pem


def test_pem_is_the_certificate_to_trust_and_nothing_else(tmp_path: Path) -> None:
    with presented(root_sent_along, tmp_path) as shown:
        done = asked(shown.server.port, shown.bundle, "--pem")
    assert done.stdout == shown.scenario.add[0].pem


def test_condarc_is_a_table_and_each_cause_once(tmp_path: Path) -> None:
    with presented(good, tmp_path) as shown, presented(expired_leaf, tmp_path / ".") as other:
        ports = (shown.server.port, other.server.port)
        (tmp_path / ".condarc").write_text(
            f"channels: [https://app.site.test:{ports[0]}/a, https://app.site.test:{ports[1]}/b, http://plain.test/c]\n"
        )
        done = doctor(".condarc", "--address", HERE, "--bundle", str(shown.bundle), cwd=tmp_path)
    assert done.returncode == 17
    lines = done.stdout.splitlines()
    assert lines[1].split() == [f"app.site.test:{ports[0]}", "verifies"]
    assert lines[2].split() == [f"app.site.test:{ports[1]}", "expired-leaf"]
    assert done.stdout.count("The certificate of app.site.test expired on") == 1
    assert "plain http, without TLS to diagnose: http://plain.test/c" in done.stderr


def test_condarc_whose_verification_is_off_is_told_so_and_no_login_is_shown(tmp_path: Path) -> None:
    with presented(good, tmp_path) as shown:
        channels = f"[https://app.site.test:{shown.server.port}/a, http://me:S3CRET@plain.test/t/tk-12345678/c]"
        (tmp_path / ".condarc").write_text(f"channels: {channels}\nssl_verify: false\n")
        done = doctor(".condarc", "--address", HERE, "--bundle", str(shown.bundle), cwd=tmp_path)
    assert done.returncode == 0
    assert ".condarc:2: conda does not verify TLS certificates (ssl_verify: false)" in done.stderr
    assert "http://me:***@plain.test/t/***/c" in done.stderr
    assert "S3CRET" not in done.stdout + done.stderr


def test_plain_http_is_told_that_tls_is_asked(tmp_path: Path) -> None:
    with presented(good, tmp_path) as shown:
        url = f"http://app.site.test:{shown.server.port}/"
        done = doctor(url, "--address", HERE, "--bundle", str(shown.bundle), "--against", "")
    assert f"{url} is plain http, which nobody verifies: asking app.site.test:{shown.server.port} by TLS" in done.stderr


def test_nothing_is_written(tmp_path: Path) -> None:
    with presented(root_sent_along, tmp_path) as shown:
        bundle = shown.bundle
        before = sorted(tmp_path.rglob("*"))
        asked(shown.server.port, bundle)
    assert sorted(tmp_path.rglob("*")) == before


def test_help_has_examples_and_exit_codes() -> None:
    for words in (("--help",), ("host", "--help"), ("clock", "--help")):
        done = doctor(*words)
        assert done.returncode == 0
    text = " ".join(doctor("--help").stdout.split())
    assert "HOST[:PORT] | URL | .condarc" in text
    assert "builder doctor ~/.condarc" in text
    assert "17 It does not verify, and the cause is named" in text


@pytest.mark.upstream
def test_index_that_pip_is_configured_with_verifies_here() -> None:
    from builder.adapters.clients import HostClients

    done = doctor(HostClients().pypi_index(), "--json")
    (found,) = json.loads(done.stdout)["hosts"]
    assert (done.returncode, found["cause"]) == (0, "verifies")
    assert found["chain"]


def test_clock_that_is_right_is_exit_code_0() -> None:
    with servers.tls(good().sent) as one, servers.answering(servers.page()) as two:
        done = doctor("clock", "--against", f"https://{one}", "--against", f"http://{two}")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("The clock is right within ")
    assert "the kernel (adjtimex)" in done.stdout


@pytest.mark.parametrize(("days", "side", "code"), [(3, "behind", 9), (-3, "ahead", 10)])
def test_clock_that_is_wrong_is_exit_code_17_with_what_it_breaks(days: int, side: str, code: int) -> None:
    with servers.tls(good().sent, drift=timedelta(days=days)) as there:
        done = doctor("clock", "--against", f"https://{there}")
        as_json = doctor("clock", "--against", f"https://{there}", "--json")
    assert done.returncode == as_json.returncode == 17
    assert done.stdout.startswith(f"The clock is 3 days {side}: it should be ")
    assert f"OpenSSL code {code}" in done.stdout
    assert json.loads(as_json.stdout)["right"] is False


def test_clock_that_nobody_can_be_asked_about_is_exit_code_5() -> None:
    done = doctor("clock", "--against", f"http://{HERE}:{NOBODY}")
    assert done.returncode == 5
    assert done.stdout.startswith("The clock could not be compared")


def test_wrong_clock_of_one_other_host_is_outvoted() -> None:
    late = timedelta(days=2)
    with servers.tls(good().sent, drift=late) as odd, servers.tls(good().sent) as one, servers.tls(good().sent) as two:
        # Three names for one loopback address: hosts are told apart by name and port.
        done = doctor("clock", *(w for s in (odd, one, two) for w in ("--against", f"https://{s}")))
    assert done.returncode == 0
    assert "The hosts disagree among themselves" in done.stdout
