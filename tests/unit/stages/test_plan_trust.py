"""The topmost layer: on what it stands, what it links, and what it leaves to the families' own tools."""

from __future__ import annotations

from conda_plan_examples import ENVIRONMENT, ROOTS, package, recipe
from conda_plan_examples import lock as conda_lock
from tests_root import ROOT

from builder.models.base import sha256_of
from builder.models.catalog import Family
from builder.models.lock import Artifact, ImageBase, Lock, Package
from builder.models.lockfile import parse_lock
from builder.models.plan import Action, Layer, Plan
from builder.stages.plan import BUNDLE, plan
from builder.stages.plan_trust import trust_layer
from builder.stages.render import render

STORE = "/etc/ssl/certs/java/cacerts"


def quickstart() -> Lock:
    return parse_lock((ROOT / "recipes/quickstart.lock").read_text(), "recipes/quickstart.lock")


def deb(name: str) -> Package:
    artifact = Artifact(source="debian", path=f"pool/{name}_1_all.deb", sha256=sha256_of(name), size=1)
    return Package(name=name, version="1", artifact=artifact)


def with_debs(*names: str) -> Lock:
    return quickstart().model_copy(update={"apt": tuple(deb(name) for name in names)})


def trust(lock: Lock, family: Family = "debian") -> Layer:
    return trust_layer(lock, "/opt/env", python="3.9", family=family)


def links(layer: Layer) -> dict[str, str]:
    return {link.path: link.target for link in layer.links}


def on_rhel() -> Plan:
    base = ImageBase(reference="docker.io/library/almalinux:9", digest=f"sha256:{'ab' * 32}", epoch=0)
    nothing = {"base": base, "busybox": None, "busybox_binary": None, "apt": ()}
    return plan(recipe(), conda_lock().model_copy(update=nothing), roots=ROOTS, family="rhel")


def test_where_debians_own_tool_is_there_the_step_stands_on_it_and_debconf_is_told_before() -> None:
    lock = with_debs("ca-certificates", "curl")
    planned = plan(recipe().model_copy(update={"conda": None}), lock, interpreter="/usr/bin/python3.9")
    (apt,) = (layer for layer in planned.layers if layer.name == "apt")
    assert planned.layers[-1].on == ("rootfs", "apt")
    assert [file.content for file in apt.inputs] == ["ca-certificates ca-certificates/trust_new_crts select no\n"]


def test_elsewhere_it_stands_on_the_root_file_system_alone_and_debconf_is_told_nothing() -> None:
    lock = with_debs("curl")
    planned = plan(recipe().model_copy(update={"conda": None}), lock, interpreter="/usr/bin/python3.9")
    assert planned.layers[-1].on == ("rootfs",)
    assert [layer.inputs for layer in planned.layers if layer.name == "apt"] == [()]


def test_every_python_of_the_image_is_kept_on_the_bundle() -> None:
    lines = {
        f.path: f.content for f in plan(recipe(), conda_lock(), roots=ROOTS).layers[-1].files if f.path[-3:] == "pth"
    }
    assert lines == {
        f"{ENVIRONMENT}/lib/python3.9/site-packages/_builder_trust.pth": "import _builder_trust\n",
        "/opt/conda/lib/python3.13/site-packages/_builder_trust.pth": "import _builder_trust\n",
    }


def test_condas_java_reads_the_one_store() -> None:
    for version, path in (("17.0.11", "lib/jvm/lib"), ("8.0.412", "lib/jvm/jre/lib")):
        python = package("python", version="3.9.23")
        planned = plan(recipe(), conda_lock(package("openjdk", version=version), python), roots=ROOTS)
        assert links(planned.layers[-1])[f"{ENVIRONMENT}/{path}/security/cacerts"] == STORE


def test_without_java_no_store_is_linked() -> None:
    assert STORE not in links(trust(quickstart())).values()


def test_rhels_family_has_its_own_step_and_places_and_the_bundle_its_one_path() -> None:
    planned = on_rhel()
    layer = planned.layers[-1]
    assert (layer.action, layer.on) == (Action.INSTALL_TRUST_RHEL, ())
    pem = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    own = {path for path, target in links(layer).items() if target == pem}
    assert own == {f"/etc/pki/tls/{name}" for name in ("cert.pem", "certs/ca-bundle.crt", "certs/ca-certificates.crt")}
    assert not [file for file in layer.files if file.path.startswith("/etc/apt")]
    assert dict(planned.config.env)["SSL_CERT_FILE"] == BUNDLE
    steps = {file.path for file in render(planned).files if file.path.startswith("steps/")}
    assert {"steps/install-trust-rhel", "steps/trust"} <= steps
    assert "steps/install-trust" not in steps
