"""The secrets check in a Debian 11 in which people have left things lying about. Every secret is made up here."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from image_lab import Files, Lab

from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = pytest.mark.engine

PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1234"
SITE = "/usr/lib/python3/dist-packages"
LEFT = {"/var/*": "the rootfs of these tests was not cleaned as a base is", "/etc/shadow*": "nobody logs in here"}


def published(name: str, content: str) -> Files:
    """A wheel that has a key among its tests, and says so in its RECORD."""
    mark = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
    info = f"{name}-1.0.dist-info"
    record = f"{name}/tests/key.pem,sha256={mark},{len(content)}\n{info}/METADATA,,\n{info}/RECORD,,\n"
    return {
        f"{SITE}/{name}/tests/key.pem": content,
        f"{SITE}/{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n",
        f"{SITE}/{info}/RECORD": record,
    }


def asked(lab: Lab, files: Files | None = None, **more: object) -> Answer:
    environment = more.pop("env", None)
    given = {"prefix": "/usr", "allow": LEFT, **more}
    return lab.ask("secrets", lab.image(files, env=environment), **given)  # type: ignore[arg-type]


def test_image_without_any_passes(lab: Lab) -> None:
    answer = asked(lab, published("demo", PEM))
    assert answer.outcome is Outcome.PASS, answer
    assert answer.summary.startswith("no key, token, history, cache, log or temporary file among ")
    assert answer.evidence["of_packages"] == [
        f"private key (PKCS#8) in {SITE}/demo/tests/key.pem:1, of demo 1.0",
    ]
    assert answer.evidence["closed"] == []


def test_everything_left_behind_is_named_and_nothing_of_it_is_printed(lab: Lab) -> None:
    changed = {**published("demo", PEM), f"{SITE}/demo/tests/key.pem": PEM + "\n"}
    files = {
        **changed,
        "/etc/ssl/site.key": PEM,
        "/home/me/.netrc": "machine a login b password hunter2secret\n",
        "/opt/app/settings.py": f"A = 1\nTOKEN = '{TOKEN}'\n",
        "/root/.bash_history": "export TOKEN=hunter2secret\n",
        "/root/.cache/pip/http/abc": "x" * 100,
        "/tmp/build.log": "x",
        "/var/lib/apt/lists/deb.site_dists_bullseye_Release": "x",
    }
    allow = {"/etc/shadow*": LEFT["/etc/shadow*"]}
    answer = asked(lab, files, allow=allow, env={"SITE_TOKEN": "hunter2secret"})
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("a secret in the image's variable SITE_TOKEN (and ")
    found = answer.evidence["problems"]
    assert isinstance(found, list)
    for problem in (
        "private key (PKCS#8) in /etc/ssl/site.key:1",
        "netrc password in /home/me/.netrc:1",
        "GitHub token in /opt/app/settings.py:2 (ghp_...)",
        "/root/.bash_history tells what was typed: remove it",
        "/root/.cache has 1 cache files (0.0 MB): remove them in the step that makes them",
        "/tmp has 1 temporary files (0.0 MB): remove them in the step that makes them",
        f"private key (PKCS#8) in {SITE}/demo/tests/key.pem:1",
    ):
        assert problem in found
    assert any(str(problem).startswith("/var/lib/apt/lists has ") for problem in found)
    for secret in (TOKEN, "hunter2secret", PEM.splitlines()[1]):
        assert secret not in repr(answer)


def test_what_the_recipe_answers_for_passes_and_stays_in_the_evidence(lab: Lab) -> None:
    allow = {**LEFT, "/etc/ssl/*.key": "the key of the test server, made here"}
    answer = asked(lab, {"/etc/ssl/site.key": PEM}, allow=allow)
    assert answer.outcome is Outcome.PASS, answer
    assert {
        "what": "private key (PKCS#8) in /etc/ssl/site.key:1",
        "reason": "the key of the test server, made here",
    } in answer.evidence["allowed"]  # type: ignore[operator]


def test_of_a_large_file_the_beginning_is_read_where_its_name_says_that_it_has_secrets(lab: Lab) -> None:
    more = "#" * (2 << 20)
    answer = asked(lab, {"/root/.netrc": f"machine a login b password c\n{more}", "/opt/app/words.txt": more})
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "netrc password in /root/.netrc:1")
    assert answer.evidence["too_large"] == ["/opt/app/words.txt"]
    assert answer.evidence["too_large_to_be_read"] == 1


def test_folder_that_is_closed_to_everybody_else_is_looked_into_all_the_same(lab: Lab) -> None:
    container = lab.client.api.create_container(
        lab.image({"/srv/locked/key.pem": PEM}),
        command=["sh", "-c", "chown -R 1234 /srv/locked; chmod -R go-rwx /srv/locked"],
    )["Id"]
    lab.client.api.start(container)
    lab.client.api.wait(container)
    image = lab.client.api.commit(container)["Id"]
    lab.client.api.remove_container(container)
    lab.made.append(image)
    answer = lab.ask("secrets", image, prefix="/usr", allow=LEFT)
    assert "private key (PKCS#8) in /srv/locked/key.pem:1" in answer.evidence["problems"]  # type: ignore[operator]
