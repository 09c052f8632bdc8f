"""Where this host's conda takes a channel from, read from its own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.adapters.conda.config import conda_root


class Host:
    """A host with nothing but the files that a test writes."""

    def __init__(self, root: Path) -> None:
        self.root, self.environ = root, {"HOME": str(root / "home")}

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def root_of(self, channel: str) -> str | None:
        return conda_root(channel, environ=self.environ, system=self.root)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_without_configuration_conda_says_nothing(host: Host) -> None:
    assert host.root_of("conda-forge") is None


def test_an_alias_is_where_channels_are_but_for_anacondas_own(host: Host) -> None:
    host.write("home/.condarc", "channel_alias: https://art.test/api/conda/\n")
    assert host.root_of("conda-forge") == "https://art.test/api/conda/conda-forge"
    assert host.root_of("pkgs/main") is None


def test_a_custom_channel_beats_the_alias(host: Host) -> None:
    host.write(
        "home/.condarc", "channel_alias: https://a.test\ncustom_channels: {conda-forge: https://b.test/cloud/}\n"
    )
    assert host.root_of("conda-forge") == "https://b.test/cloud/conda-forge"
    assert host.root_of("bioconda") == "https://a.test/bioconda"


def test_default_channels_tell_where_anacondas_own_are(host: Host) -> None:
    host.write("etc/conda/.condarc", "default_channels: [https://m.test/pkgs/r, https://m.test/pkgs/main/]\n")
    assert host.root_of("pkgs/main") == "https://m.test/pkgs/main"


def test_a_channel_written_as_an_address_counts(host: Host) -> None:
    host.write("home/.condarc", "channels: [https://nexus.test/repository/conda-forge/, defaults]\n")
    assert host.root_of("conda-forge") == "https://nexus.test/repository/conda-forge"
    assert host.root_of("forge") is None


def test_the_later_file_wins_and_the_environment_beats_files(host: Host) -> None:
    host.write("etc/conda/condarc.d/site.yml", "channel_alias: https://site.test\n")
    assert host.root_of("bioconda") == "https://site.test/bioconda"
    host.write("home/.config/conda/.condarc", "channel_alias: https://user.test\n")
    assert host.root_of("bioconda") == "https://user.test/bioconda"
    host.write("own.yml", "channel_alias: https://own.test\n")
    host.environ["CONDARC"] = str(host.root / "own.yml")
    assert host.root_of("bioconda") == "https://own.test/bioconda"
    host.environ["CONDA_CHANNEL_ALIAS"] = "https://variable.test"
    assert host.root_of("bioconda") == "https://variable.test/bioconda"


def test_the_file_of_the_installation_counts(host: Host) -> None:
    host.environ["CONDA_EXE"] = str(host.root / "opt/conda/bin/conda")
    host.write("opt/conda/.condarc", "channel_alias: https://base.test\n")
    assert host.root_of("bioconda") == "https://base.test/bioconda"


@pytest.mark.parametrize("text", ["channel_alias: [", "- a list", "", "custom_channels: none\nchannels: 7\n", "\tx: 1"])
def test_a_file_that_conda_could_not_use_says_nothing(host: Host, text: str) -> None:
    host.write("home/.condarc", text)
    assert host.root_of("conda-forge") is None
