"""How apt is asked, and how its refusals read."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.adapters.catalog import load_catalog
from builder.adapters.lock import apt
from builder.errors import HostError, LockError

ROOTS = {"debian": "https://mirror.example/debian", "debian-security": "https://mirror.example/debian-security"}
PRINTED = (
    "'https://mirror.example/debian/pool/main/libx/libxcrypt/libcrypt1_4.4.18-4_amd64.deb' "
    f"libcrypt1_1%3a4.4.18-4_amd64.deb 87504 SHA256:{'f' * 64}\n"
    "'https://mirror.example/debian-security/pool/updates/main/g/glibc/libc6_2.31-13%2bdeb11u14_amd64.deb' "
    f"libc6_2.31-13+deb11u14_amd64.deb 2819984 SHA256:{'7' * 64}\n"
)


def asked(folder: Path) -> apt.Apt:
    return apt.Apt(folder=folder, roots=ROOTS, suite="bullseye", mirror="nearby")


def answered(monkeypatch: pytest.MonkeyPatch, *, stdout: str = "", stderr: str = "", code: int = 0) -> None:
    import subprocess

    done = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(apt, "_apt", lambda folder, argv: done)


def test_addresses_become_source_and_path_and_versions_keep_their_epoch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answered(monkeypatch, stdout=PRINTED)
    libc, libcrypt = asked(tmp_path).install(("libc6",), status="", where="r")
    assert (libc.artifact.source, libc.artifact.path) == (
        "debian-security",
        "pool/updates/main/g/glibc/libc6_2.31-13+deb11u14_amd64.deb",
    )
    assert (libcrypt.name, libcrypt.version, libcrypt.artifact.source) == ("libcrypt1", "1:4.4.18-4", "debian")
    assert libcrypt.artifact.path == "pool/main/libx/libxcrypt/libcrypt1_4.4.18-4_amd64.deb"


def test_the_bases_own_status_is_what_apt_sees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answered(monkeypatch)
    asked(tmp_path).install(("git",), status="Package: libc6\n", where="r")
    assert (tmp_path / "status").read_text() == "Package: libc6\n"


def test_a_package_that_does_not_exist_is_named_without_a_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = "W: https://mirror.example/debian is slow\nE: Unable to locate package nosuch\n"
    answered(monkeypatch, stderr=said, code=100)
    with pytest.raises(LockError) as caught:
        asked(tmp_path).install(("nosuch",), status="", where="recipes/a.yaml: apt")
    assert caught.value.what == "apt cannot install the packages"
    assert (caught.value.where, caught.value.seen) == ("recipes/a.yaml: apt", "Unable to locate package nosuch")


def test_a_name_that_apt_takes_for_a_removal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="libc6- asks apt to remove a package"):
        asked(tmp_path).install(("libc6-",), status="", where="r")


def test_messages_show_the_mirrors_name_in_place_of_every_address() -> None:
    said = (
        "E: Failed to fetch https://mirror.example/debian/dists/x/InRelease  404  Not Found [IP: 203.0.113.80 443]\n"
        "E: Could not connect to mirror.example:443 (203.0.113.80). - connect (111: Connection refused)\n"
    )
    assert apt.hostless(said, ROOTS, "nearby") == (
        "Failed to fetch (nearby)  404  Not Found; "
        "Could not connect to (nearby):443. - connect (111: Connection refused)"
    )


def test_only_an_archived_suite_is_excused_from_its_valid_until_and_none_from_its_signature() -> None:
    bases = load_catalog().bases
    lines = {
        name: [apt._source_line(suite, entry, "https://mirror.example/debian") for suite in entry.suites]
        for name, entry in bases.items()
    }
    assert lines["debian-bullseye"][0] == (
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no]"
        " https://mirror.example/debian bullseye main"
    )
    assert not [line for line in lines["debian-bookworm"] if "check-valid-until" in line]
    assert all("signed-by=" in line and "trusted" not in line for group in lines.values() for line in group)


def test_a_missing_keyring_names_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apt, "KEYRINGS", tmp_path)
    monkeypatch.setattr(apt.shutil, "which", lambda _: "/usr/bin/apt-get")
    with (
        pytest.raises(HostError) as caught,
        apt.opened(load_catalog().bases["debian-bullseye"], roots=ROOTS, mirror="nearby"),
    ):
        pass
    assert caught.value.remedy == "run `apt-get install debian-archive-keyring`"


def test_a_host_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt.shutil, "which", lambda _: None)
    with (
        pytest.raises(HostError, match="apt-get is missing"),
        apt.opened(load_catalog().bases["debian-bullseye"], roots=ROOTS, mirror="nearby"),
    ):
        pass
