"""What is in which layer where Python is conda's."""

from __future__ import annotations

import ast
import json

import pytest
from conda_plan_examples import ENVIRONMENT, PACKAGES, ROOTS, lock, package, recipe

from builder.models.lock import ImageBase
from builder.models.plan import Action, Layer, Plan
from builder.stages.plan import BUNDLE, MAX_LAYERS, plan
from builder.stages.plan_packages import LARGE
from builder.stages.render import render


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(recipe(), lock(), roots=ROOTS)


def named(planned: Plan, name: str) -> Layer:
    return next(layer for layer in planned.layers if layer.name == name)


def files(layer: Layer) -> dict[str, str]:
    return {file.path: file.content for file in layer.files}


def test_layers_go_from_conda_itself_to_the_trust(planned: Plan) -> None:
    names = [layer.name for layer in planned.layers]
    assert names[:4] == ["rootfs", "apt", "conda-base", "conda-python"]
    assert names[-5:] == ["conda-packages", "wheels-medium", "wheels-small", "configuration", "trust"]


def test_large_packages_and_wheels_have_a_layer_each_the_largest_highest(planned: Plan) -> None:
    alone = planned.layers[4:-5]
    assert {layer.name for layer in alone} >= {"conda-package-cudart", "conda-package-mkl", "wheel-torch"}
    assert all(len(layer.artifacts) == 1 for layer in alone)
    sizes = [layer.artifacts[0].size for layer in alone]
    assert sizes == sorted(sizes)
    assert sizes[0] >= LARGE


def test_python_lies_with_all_that_it_depends_on_and_nothing_else(planned: Plan) -> None:
    sources = [artifact.filename.rsplit("-", 2)[0] for artifact in named(planned, "conda-python").artifacts]
    assert sources == ["_libgcc_mutex", "ca-certificates", "openssl", "python", "zlib"]


def test_the_rest_of_condas_packages_share_a_layer(planned: Plan) -> None:
    assert [a.filename for a in named(planned, "conda-packages").artifacts] == [
        "certifi-1.0-0.conda",
        "numpy-1.0-0.conda",
    ]


def test_conda_itself_is_only_made_again_for_another_root_file_system(planned: Plan) -> None:
    on = {layer.name: layer.on for layer in planned.layers}
    assert on["conda-base"] == on["configuration"] == on["trust"] == ("rootfs",)
    assert on["conda-python"] == ("rootfs", "apt", "conda-base")
    assert on["conda-packages"] == on["wheels-small"] == on["wheel-torch"] == (*on["conda-python"], "conda-python")


def test_on_a_registry_base_conda_stands_on_that_alone() -> None:
    base = ImageBase(reference="docker.io/library/debian:bookworm-slim", digest=f"sha256:{'ab' * 32}", epoch=0)
    planned = plan(recipe(), lock().model_copy(update={"base": base, "busybox": None, "busybox_binary": None}))
    on = {layer.name: layer.on for layer in planned.layers}
    assert on["conda-base"] == on["configuration"] == on["trust"] == ()
    assert on["conda-python"] == ("apt", "conda-base")
    assert render(planned).files


def test_every_artifact_of_the_lock_is_in_the_plan(planned: Plan) -> None:
    assert {a.sha256 for a in planned.artifacts()} == {a.sha256 for a in lock().artifacts()}


def test_a_changed_small_package_leaves_every_other_package_layer_as_it_is(planned: Plan) -> None:
    newer = [p if p.name != "numpy" else package("numpy", *p.depends, version="1.1") for p in PACKAGES]
    after = plan(recipe(), lock(*newer), roots=ROOTS)
    changed = [a.name for a, b in zip(planned.layers, after.layers, strict=True) if a != b]
    assert changed == ["conda-packages", "configuration"]  # conda's history names each version


def test_changed_mirrors_change_the_configuration_alone(planned: Plan) -> None:
    after = plan(recipe(), lock(), roots={"conda-forge": ROOTS["conda-forge"][:1]})
    assert [a.name for a, b in zip(planned.layers, after.layers, strict=True) if a != b] == ["configuration"]


def test_there_are_never_more_layers_than_an_engine_stacks() -> None:
    many = (*PACKAGES, *(package(f"big{n}", size=LARGE + n) for n in range(150)))
    layers = plan(recipe(), lock(*many), roots=ROOTS).layers
    assert len(layers) == MAX_LAYERS
    assert sum(len(layer.artifacts) for layer in layers if layer.action is Action.LINK_PACKAGES) == len(many)
    assert len({layer.name for layer in layers}) == MAX_LAYERS


def test_records_name_the_channels_own_addresses_whoever_served_them(planned: Plan) -> None:
    (told,) = named(planned, "conda-packages").inputs
    record = json.loads(told.content)[1]
    assert record["url"] == "https://conda.anaconda.org/conda-forge/linux-64/numpy-1.0-0.conda"
    assert record["channel"] == "https://conda.anaconda.org/conda-forge/linux-64"
    assert record["depends"] == ["python >=3.9,<3.10.0a0", "libblas=3.9", "mkl"]


def test_records_of_anacondas_own_channels_name_their_own_host() -> None:
    python = package("python", version="3.9.23", channel="pkgs/main")
    (told,) = named(plan(recipe(), lock(python)), "conda-python").inputs
    (record,) = json.loads(told.content)
    assert record["url"] == "https://repo.anaconda.com/pkgs/main/linux-64/python-3.9.23-0.conda"


def test_without_other_packages_there_is_no_layer_for_them() -> None:
    python = package("python", version="3.9.23")
    assert "conda-packages" not in [layer.name for layer in plan(recipe(), lock(python)).layers]


def test_the_environment_is_the_recipes_and_is_on_path_before_condas_own_commands(planned: Plan) -> None:
    assert (planned.prefix, planned.python, planned.conda) == (ENVIRONMENT, f"{ENVIRONMENT}/bin/python", "/opt/conda")
    env = dict(planned.config.env)
    assert env["PATH"].startswith(f"{ENVIRONMENT}/bin:/opt/conda/condabin:")
    assert "/opt/conda/bin:" not in env["PATH"]
    assert (env["CONDA_PREFIX"], env["CONDA_DEFAULT_ENV"]) == (ENVIRONMENT, "quickstart")


def test_history_says_what_was_asked_for_at_the_epoch(planned: Plan) -> None:
    lines = files(named(planned, "configuration"))[f"{ENVIRONMENT}/conda-meta/history"].splitlines()
    assert lines[0].startswith("==> 20")
    assert "+conda-forge/linux-64::python-3.9.23-0" in lines
    assert ast.literal_eval(lines[-1].removeprefix("# update specs: ")) == ["cudart", "numpy >=1", "python 3.9.*"]


def test_configuration_has_what_conda_and_pip_are_told(planned: Plan) -> None:
    layer = named(planned, "configuration")
    assert {"/opt/conda/.condarc", "/etc/pip.conf", "/etc/profile.d/environment.sh"} <= files(layer).keys()
    assert ROOTS["conda-forge"][0].removesuffix("/conda-forge") in files(layer)["/opt/conda/.condarc"]
    assert [(link.path, link.target) for link in layer.links] == [
        ("/etc/profile.d/conda.sh", "/opt/conda/etc/profile.d/conda.sh")
    ]


def test_copies_of_ca_bundles_are_links_where_the_lock_knows_of_them(planned: Plan) -> None:
    links = {link.path: link.target for link in named(planned, "trust").links}
    assert set(links.values()) == {BUNDLE}
    packages = f"{ENVIRONMENT}/lib/python3.9/site-packages"
    ssl = {f"{root}/ssl/{name}.pem" for root in ("/opt/conda", ENVIRONMENT) for name in ("cacert", "cert")}
    pip = f"{packages}/pip/_vendor/certifi/cacert.pem"  # from PyPI; certifi is conda's here
    assert links.keys() == {"/usr/lib/ssl/cert.pem", f"{packages}/certifi/cacert.pem", pip, *ssl}


def test_copies_that_only_the_installer_knows_of_are_links_of_its_own_layer(planned: Plan) -> None:
    base = named(planned, "conda-base")
    packages = "/opt/conda/lib/python3.13/site-packages"
    assert {link.path for link in base.links} == {
        f"{packages}/certifi/cacert.pem",
        f"{packages}/pip/_vendor/certifi/cacert.pem",
    }
