"""One image with every client: each reads the one bundle, and still does when packages brought their own again."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from chain_project import PREFIX, Place, identity, remove_images
from checks.image_lab import BUNDLE, Lab, root
from conftest import First
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from builder.adapters.engine.client import Engine
from builder.checks import CHECKS
from builder.models.base import ImageId
from builder.stages.answer import Answer

pytestmark = [pytest.mark.engine, pytest.mark.upstream]

NAME = f"{PREFIX}-clients"
SITE_PACKAGES = "/opt/env/lib/python3.9/site-packages"
DEBS = ["ca-certificates", "curl", "git", "nodejs", "openjdk-17-jre-headless", "openssl", "wget"]
OF_PYTHON = {"python", "pip of python", "requests of python", "system's python"}
CLIENTS = {*OF_PYTHON, "apt-get", "curl", "git", "java", "node", "openssl", "uv", "wget"}
SOUND = "accepts the good server, refuses the bad one"
OURS = root("Site")


@dataclass(frozen=True)
class Made:
    """The built image, and what its gate said."""

    lab: Lab
    evidence: dict[str, Any]

    def after(self, *lines: str) -> ImageId:
        """The image with what a shell did in a container, where a newer certifi lies in /tmp."""
        client = self.lab.client
        container = client.containers.create(
            self.lab.rootfs, ["sh", "-euc", "\n".join(lines)], network_disabled=True, environment={"TERM": "dumb"}
        )
        try:
            container.put_archive("/tmp", newer_certifi())
            container.start()
            assert container.wait(timeout=120)["StatusCode"] == 0, container.logs().decode()
            found: str = container.commit().id
        finally:
            container.remove(force=True)
        self.lab.made.append(found)
        return found  # type: ignore[return-value]

    def asked(self, image: ImageId) -> Answer:
        return self.lab.ask("trust", image, python="/opt/env/bin/python", **CHECKS["trust"].made())


@pytest.fixture(scope="module")
def made(first: First, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    remove_images(NAME)
    folder = tmp_path_factory.mktemp("clients")
    place = Place(folder / "project", first.place.store, folder / "state", env={})
    packages = ["certifi", "pip", "requests", "uv"]
    place.write(NAME, apt=DEBS, pip={"packages": packages}, trust={"extra": ["site.pem"]}, checks=["packages", "trust"])
    (place.root / "recipes" / "site.pem").write_text(OURS)
    shutil.copyfile(first.place.lock(first.name), place.lock(NAME))
    ran = place.builder("build", NAME, "--json")
    evidence = {result["name"]: result["evidence"] for result in ran.image["report"]["results"]}
    client = docker.from_env()
    lab = Lab(Engine(), identity(f"{NAME}:1.0"), client)  # type: ignore[arg-type]
    yield Made(lab, evidence)
    lab.close()
    client.close()
    remove_images(NAME)


def newer_certifi() -> bytes:
    """A wheel as PyPI has them, with a bundle that nobody here is in; in an archive."""
    wheel, archive = io.BytesIO(), io.BytesIO()
    info = "certifi-2999.1.1.dist-info"
    contents = {
        "certifi/__init__.py": "from .core import contents, where\n",
        "certifi/core.py": "import os\ndef where():\n    return os.path.join(os.path.dirname(__file__), 'cacert.pem')\n"
        "def contents():\n    return open(where()).read()\n",
        "certifi/cacert.pem": root("Brought by an update"),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: certifi\nVersion: 2999.1.1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*contents, f"{info}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as made:
        for path, text in (*contents.items(), (f"{info}/RECORD", record)):
            made.writestr(path, text)
    with tarfile.open(fileobj=archive, mode="w") as made:
        member = tarfile.TarInfo("certifi-2999.1.1-py3-none-any.whl")
        member.size = len(wheel.getvalue())
        made.addfile(member, io.BytesIO(wheel.getvalue()))
    return archive.getvalue()


UPDATES = (
    "pip install --quiet --no-index --no-deps --root-user-action=ignore /tmp/certifi-2999.1.1-py3-none-any.whl",
    'test "$(python -c \'from importlib.metadata import version as v; print(v("certifi"))\')" = 2999.1.1',
    f"! test -L {SITE_PACKAGES}/certifi/cacert.pem",
    f"cp --remove-destination {SITE_PACKAGES}/certifi/cacert.pem {SITE_PACKAGES}/pip/_vendor/certifi/cacert.pem",
    f"cp {BUNDLE} /tmp/before; update-ca-certificates --fresh > /dev/null; cmp {BUNDLE} /tmp/before",
)
"""pip's own is changed as `pip install -U pip` would; Java's hook runs in `update-ca-certificates`."""


def test_every_client_accepts_the_good_and_refuses_the_bad_server(made: Made) -> None:
    assert made.evidence["trust"]["clients"] == dict.fromkeys(CLIENTS, SOUND)


def test_the_sites_own_root_is_there_because_the_recipe_says_so(made: Made) -> None:
    der = x509.load_pem_x509_certificate(OURS.encode()).public_bytes(Encoding.DER)
    program = "import sys; print(bytes.fromhex(sys.argv[1]) in open('/etc/ssl/certs/java/cacerts', 'rb').read())"
    argv = ["/opt/env/bin/python", "-c", program, der.hex()]
    said = made.lab.client.containers.run(made.lab.rootfs, argv, remove=True, network_disabled=True)
    assert said == b"True\n"


def test_after_updates_that_bring_bundles_of_their_own_every_client_still_does(made: Made) -> None:
    answer = made.asked(made.after(*UPDATES))
    assert answer.evidence["clients"] == dict.fromkeys(CLIENTS, SOUND), answer.evidence
    (problem,) = answer.evidence["problems"]  # type: ignore[misc, union-attr]
    own = f"{SITE_PACKAGES}/certifi/cacert.pem"
    assert problem == f"certifi's copy {own} is {own}, not {BUNDLE}: lay a link to the bundle over it"


def test_without_what_keeps_python_on_the_bundle_an_update_is_felt(made: Made) -> None:
    answer = made.asked(made.after(*UPDATES, f"rm {SITE_PACKAGES}/_builder_trust.pth"))
    failed = {name for name, did in answer.evidence["clients"].items() if did != SOUND}  # type: ignore[union-attr]
    assert failed == {"pip of python", "requests of python"}
