"""What pip, uv and apt are configured with, asked of the real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from builder.adapters import clients
from builder.adapters.clients import HostClients
from builder.errors import HostError


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_uv_says_which_index_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://user:pw@index.test/simple/")
    assert HostClients().pypi_index() == "https://user:pw@index.test/simple"


def test_uvs_own_file_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "config" / "uv").mkdir(parents=True)
    (tmp_path / "config" / "uv" / "uv.toml").write_text('index-url = "https://file.test/simple"\n')
    assert HostClients().pypi_index() == "https://file.test/simple"


def test_pips_setting_goes_before_uvs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.test/simple")
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://pip.test/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert HostClients().pypi_index() == "https://pip.test/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://env.test/simple")
    assert HostClients().pypi_index() == "https://env.test/simple"


def test_without_any_setting_uvs_own_default_is_used() -> None:
    assert HostClients().pypi_index().startswith("https://")


def apt_that_says(monkeypatch: pytest.MonkeyPatch, folder: Path, sources: str) -> None:
    """The host's real apt, with other sources."""
    (folder / "sources.list").write_text(sources)
    (folder / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "/nonexistent";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(folder / "apt.conf"))


needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this host has no apt")


@needs_apt
def test_apts_roots_are_those_of_its_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [
        "deb [trusted=yes] https://one.test/debian bookworm main",
        "deb [trusted=yes] https://one.test/debian bookworm-updates main",
        "deb [trusted=yes] https://one.test/debian-security bookworm-security main",
        "deb [trusted=yes] https://two.test/debian/ trixie main",
        "deb [trusted=yes] https://third.test/apt nodistro main",
        "deb [trusted=yes] https://third.test/ubuntu noble-security main",
    ]
    apt_that_says(monkeypatch, tmp_path, "\n".join(lines) + "\n")
    host = HostClients()
    assert host.apt_roots("debian") == ("https://one.test/debian", "https://two.test/debian")
    assert host.apt_roots("debian-security") == ("https://one.test/debian-security",)


@needs_apt
def test_the_file_of_apts_mirror_method_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "debian").write_text("# ours\nhttps://one.test/debian\tpriority:1\nhttp://two.test/debian/\n")
    apt_that_says(monkeypatch, tmp_path, f"deb [trusted=yes] mirror+file:{tmp_path}/debian bookworm main\n")
    assert HostClients().apt_roots("debian") == ("https://one.test/debian", "http://two.test/debian")


@needs_apt
def test_a_companys_copy_is_known_by_the_running_debians_suites(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    monkeypatch.setattr(clients, "_OS_RELEASE", tmp_path / "os-release")
    lines = ["https://nexus.test/deb-proxy bookworm main", "https://nexus.test/sec-proxy bookworm-security main"]
    apt_that_says(monkeypatch, tmp_path, "".join(f"deb [trusted=yes] {line}\n" for line in lines))
    assert HostClients().apt_roots("debian") == ("https://nexus.test/deb-proxy",)
    assert HostClients().apt_roots("debian-security") == ("https://nexus.test/sec-proxy",)


@needs_apt
def test_a_host_without_debian_sources_is_told_to_name_a_mirror(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apt_that_says(monkeypatch, tmp_path, "deb [trusted=yes] https://third.test/ubuntu noble main\n")
    with pytest.raises(HostError) as caught:
        HostClients().apt_roots("debian")
    assert caught.value.what == "this host's own apt does not know where debian is"
    assert caught.value.remedy == "name a mirror in the recipe, as in `apt: {mirrors: [tuna]}`"
    assert caught.value.seen == "its sources hold none"


def test_a_host_without_apt_is_told_to_name_a_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError) as caught:
        HostClients().apt_roots("debian")
    assert caught.value.seen == "there is no apt"
