from __future__ import annotations

import base64
import hashlib
import json
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from builder.conda.condarc import condarc
from builder.conda.configuration import configuration
from builder.conda.pip_conf import pip_conf
from builder.errors import RecipeError
from builder.models.lock import Artifact, Certificate, CondaLock, Lock, Package, RootfsBase, TrustLock
from builder.models.recipe import Conda, Pip, Recipe

ONE = ("https://mirror.example/anaconda/cloud/conda-forge",)
TWO = (*ONE, "https://other.example/conda-forge")
MAIN = ("https://mirror.example/anaconda/pkgs/main",)
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

CONDA_KEYS = {
    # Key: line of conda/base/context.py where 23.5.2, 24.11.3, 25.9.1 and 26.7.1 load it.
    "channels": (313, 371, 392, 392),
    "channel_priority": (312, 370, 391, 391),
    "custom_channels": (326, 382, 403, 403),
    "default_channels": (336, 392, 413, 413),
    "show_channel_urls": (349, 405, 426, 426),
    "ssl_verify": (274, 332, 353, 353),
    "remote_connect_timeout_secs": (294, 352, 373, 373),
    "remote_read_timeout_secs": (295, 353, 374, 374),
    "remote_max_retries": (296, 354, 375, 375),
    "auto_update_conda": (166, 224, 221, 226),
    "notify_outdated_conda": (171, 229, 231, 236),
}
MAMBA_KEYS = {"mirrored_channels"}
"""Loaded by mamba 2 (libmamba/src/api/configuration.cpp); conda ignores a key that it does not know."""
PLUGIN_KEYS = {"plugins"}
"""Settings of conda's plugins (conda 24.3 and later, conda/plugins/config.py)."""


def recipe(**conda: object) -> Recipe:
    asked = Recipe.model_validate({"name": "sample", "base": "debian-bookworm", "checks": ["trust"]}, strict=False)
    return asked.model_copy(update={"conda": Conda.model_validate(conda)})


def artifact(source: str, path: str) -> Artifact:
    return Artifact.model_validate({"source": source, "path": path, "sha256": "a" * 64, "size": 1})


def locked(*channels: str, python: str = "3.13") -> Lock:
    wheel = Package(name="x", version="1", artifact=artifact("pypi", "x-1-py3-none-any.whl"))
    conda = CondaLock(
        installer=Package(name="miniforge", version="1", artifact=artifact("miniforge", "1/Miniforge.sh")),
        installer_python=python,
        linker=wheel,
        asked=(),
        channels=channels,
        virtual=(),
        packages=(),
    )
    root = Certificate.model_validate({"subject": "x", "sha256": "a" * 64, "not_after": "2030-01-01"})
    fields = {
        "inputs": "c" * 64,
        "epoch": 1,
        "created": 1,
        "base": RootfsBase(suite="bookworm", arch="amd64", epoch=1, packages=(), rootfs=artifact("derived", "r.tar")),
        "uv": wheel,
        "busybox": None,
        "busybox_binary": None,
        "trust": TrustLock(roots=wheel, certificates=(root,), bundle=artifact("derived", "ca-bundle.pem")),
        "conda": conda if channels else None,
        "apt": (),
        "pip": (),
    }
    return Lock.model_validate(fields)


def read(text: str) -> dict[str, object]:
    data: dict[str, object] = YAML(typ="safe").load(text)
    return data


def test_condarc_of_one_channel_with_two_mirrors() -> None:
    assert read(condarc(recipe(), ("conda-forge",), {"conda-forge": TWO})) == {
        "channels": ["conda-forge"],
        "channel_priority": "strict",
        "show_channel_urls": True,
        "custom_channels": {"conda-forge": "https://mirror.example/anaconda/cloud"},
        "mirrored_channels": {"conda-forge": list(TWO)},
        "ssl_verify": BUNDLE,
        "remote_connect_timeout_secs": 9.15,
        "remote_read_timeout_secs": 60.0,
        "remote_max_retries": 3,
        "auto_update_conda": False,
        "notify_outdated_conda": False,
    }


def test_every_key_is_known_to_each_conda_or_to_mamba() -> None:
    channels = ("conda-forge", "pkgs/main")
    asked = recipe(accept_terms=True, accepted_by="A", accepted_on="2026-11-23")
    written = read(condarc(asked, channels, {"conda-forge": TWO, "pkgs/main": MAIN}))
    assert set(written) == set(CONDA_KEYS) | MAMBA_KEYS | PLUGIN_KEYS


def test_channels_without_mirrors_are_left_to_conda() -> None:
    written = read(condarc(recipe(), ("conda-forge",), {}))
    assert written["channels"] == ["conda-forge"]
    assert not {"custom_channels", "default_channels", "mirrored_channels"} & set(written)


def test_channels_of_anaconda_are_what_defaults_means() -> None:
    asked = recipe(accept_terms=True, accepted_by="Ann\nExample", accepted_on="2026-11-23")
    text = condarc(asked, ("pkgs/main",), {"pkgs/main": MAIN})
    assert read(text)["default_channels"] == list(MAIN)
    assert read(text)["custom_channels"] == {"pkgs/main": "https://mirror.example/anaconda"}
    assert "# Anaconda's terms of service were accepted for this image in the recipe, by Ann Example on 2026" in text
    assert read(text)["plugins"] == {"auto_accept_tos": True}


def test_terms_are_accepted_for_nobody_who_did_not_say_so() -> None:
    assert "plugins" not in read(condarc(recipe(), ("pkgs/main",), {"pkgs/main": MAIN}))
    asked = recipe(accept_terms=True, accepted_by="A", accepted_on="2026-11-23")
    assert "plugins" not in read(condarc(asked, ("conda-forge",), {}))


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        (("conda-forge",), True),
        (("bioconda", "conda-forge"), True),
        (("conda-forge", "bioconda"), False),
        (("conda-forge", "elsewhere"), False),
    ],
)
def test_mamba_is_told_of_mirrors_only_where_its_order_is_the_recipes(channels: tuple[str, ...], *, told: bool) -> None:
    """mamba ranks mirrored channels by the alphabet, above all others."""
    roots = {"conda-forge": TWO, "bioconda": tuple(url.replace("conda-forge", "bioconda") for url in TWO)}
    assert ("mirrored_channels" in read(condarc(recipe(), channels, roots))) is told


@pytest.mark.parametrize(
    "url",
    [
        "http://mirror.example/conda-forge",
        "https://user:secret@mirror.example/conda-forge",
        "https://mirror.example/conda-forge?x=1",
        "https://mirror.example/a b/conda-forge",
        "https://mirror.example/{x}/conda-forge",
        "https:///conda-forge",
        "ftp://mirror.example/conda-forge",
    ],
)
def test_unsafe_mirror_is_refused_and_no_password_is_repeated(url: str) -> None:
    with pytest.raises(RecipeError, match="a mirror of conda-forge cannot be written into an image") as error:
        condarc(recipe(), ("conda-forge",), {"conda-forge": (*ONE, url)})
    assert "secret" not in f"{error.value.seen}{error.value.remedy}"
    with pytest.raises(RecipeError, match="a package index cannot be written into an image"):
        pip_conf((url,))


def test_dead_channel_is_refused() -> None:
    with pytest.raises(RecipeError, match="pkgs/free is dead"):
        condarc(recipe(), ("conda-forge", "pkgs/free"), {})


def test_mirror_that_conda_cannot_name_is_refused() -> None:
    with pytest.raises(RecipeError, match="does not end with /conda-forge"):
        condarc(recipe(), ("conda-forge",), {"conda-forge": ("https://mirror.example/forge",)})


INDEXES = tuple(f"https://{name}.example/simple" for name in ("one", "two", "three"))


def test_pip_is_told_of_every_index_and_last_of_the_one_that_it_is_to_take_files_from() -> None:
    assert pip_conf(INDEXES) == (
        "# Written by builder.\n"
        "[global]\n"
        f"cert = {BUNDLE}\n"
        "timeout = 15\n"
        "index-url = https://three.example/simple\n"
        "# pip asks all of them for every package, skips those that do not answer, and takes a file from the last.\n"
        "extra-index-url =\n"
        "    https://two.example/simple\n"
        "    https://one.example/simple\n"
        "retries = 1\n"
    )


def test_pips_own_index_is_asked_beside_a_mirror_where_the_recipe_names_upstream() -> None:
    """Else a dead mirror would be the end of pip, which would have worked without any."""
    text = pip_conf(INDEXES[:1], own=True)
    assert "extra-index-url =\n    https://one.example/simple\nretries = 1\n" in text
    assert "index-url = " not in text
    asked = recipe().model_copy(update={"pip": Pip(mirrors=("one", "upstream"))})
    (file,) = configuration(asked, locked(), {"pypi": INDEXES[:1]})
    assert file.content == text


def test_pip_with_one_index_keeps_its_retries() -> None:
    assert "retries" not in pip_conf(INDEXES[:1])
    assert "index-url = https://one.example/simple\n" in pip_conf(INDEXES[:1])


def test_pip_without_mirrors_keeps_its_own_index() -> None:
    assert "index-url" not in pip_conf(())
    assert f"cert = {BUNDLE}\n" in pip_conf(())


def test_files_beside_conda() -> None:
    files = configuration(
        recipe(), locked("conda-forge"), {"conda-forge": TWO, "pypi": ("https://one.example/simple",)}
    )
    site = "/opt/conda/lib/python3.13/site-packages"
    assert [file.path for file in files] == [
        "/etc/pip.conf",
        "/opt/conda/.condarc",
        "/opt/conda/etc/builder/mirrors.json",
        f"{site}/builder_failover-1.0.dist-info/INSTALLER",
        f"{site}/builder_failover-1.0.dist-info/METADATA",
        f"{site}/builder_failover-1.0.dist-info/RECORD",
        f"{site}/builder_failover-1.0.dist-info/entry_points.txt",
        f"{site}/builder_failover/__init__.py",
        f"{site}/builder_failover/adapter.py",
        f"{site}/builder_failover/hook.py",
        f"{site}/builder_failover/index.py",
    ]
    assert {file.mode for file in files} == {0o644}
    assert json.loads(files[2].content) == {"channels": {"conda-forge": list(TWO)}}


def test_without_conda_pip_alone_is_configured_and_only_if_there_is_a_mirror() -> None:
    assert configuration(recipe(), locked(), {}) == ()
    (file,) = configuration(recipe(), locked(), {"pypi": ("https://one.example/simple",)})
    assert file.path == "/etc/pip.conf"


def test_same_input_gives_the_same_bytes() -> None:
    asked = (recipe(), locked("conda-forge"), {"conda-forge": TWO})
    assert configuration(*asked) == configuration(*asked)


def test_plugin_is_an_installed_distribution_whose_files_are_as_its_record_says(tmp_path: Path) -> None:
    for file in configuration(recipe(), locked("conda-forge", python="3.9"), {"conda-forge": TWO}):
        place = tmp_path / file.path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.content)
    site = tmp_path / "opt/conda/lib/python3.9/site-packages"
    (found,) = Distribution.discover(path=[str(site)])
    assert isinstance(found, PathDistribution)
    assert (found.metadata["Name"], found.version) == ("builder-failover", "1.0")
    (entry,) = found.entry_points
    assert (entry.group, entry.name, entry.value) == ("conda", "builder-failover", "builder_failover.hook")
    for recorded in found.files or ():
        content = Path(str(recorded.locate())).read_bytes()
        if recorded.hash:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (recorded.hash.mode, recorded.hash.value, recorded.size) == ("sha256", digest, len(content))
    assert {str(f) for f in found.files or ()} == {
        p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()
    }
