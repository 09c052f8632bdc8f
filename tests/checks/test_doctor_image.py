"""`builder doctor HOST --in IMAGE`: the question is asked by the image's own Python, on the host's network."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import docker
import pytest
from chains import servers
from chains.factory import root
from chains.scenarios import NAME, good, missing_intermediate, strict
from image_lab import BUNDLE, Lab, Link

from builder.models.pin import Pin
from builder.trust.pins import IMAGE_FILE, pins_text

pytestmark = pytest.mark.engine
SET = {"SSL_CERT_FILE": BUNDLE}


def asked(image: str, port: int, *more: str) -> tuple[int, dict[str, object]]:
    argv = [sys.executable, "-m", "builder", "doctor", f"{NAME}:{port}", "--address", "127.0.0.1", "--in", image]
    argv += ["--against", "http://127.0.0.1:9", "--json", *more]
    done = subprocess.run(argv, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=90)
    document = json.loads(done.stdout)
    assert done.stderr == ""
    return done.returncode, document["hosts"][0] if "hosts" in document else document["error"]


def first_check(found: dict[str, object]) -> dict[str, object]:
    return found["cross_checks"][0]  # type: ignore[index,no-any-return]


def test_image_with_the_root_verifies_though_the_host_has_it_not(lab: Lab) -> None:
    image = lab.image({BUNDLE: root().pem}, SET)
    with servers.tls(good().sent) as there:
        code, found = asked(image, there.port)
    assert (code, found["cause"]) == (0, "verifies")
    check = first_check(found)
    assert str(check["who"]).startswith("Python 3.9.2 of ")
    assert "OpenSSL 1.1.1" in str(check["who"])
    assert (check["agrees"], check["verdict"]["ok"]) == (True, True)  # type: ignore[index]


def test_image_without_the_root_does_not_and_its_python_says_20(lab: Lab) -> None:
    image = lab.image({BUNDLE: root("Another Root").pem}, SET)
    with servers.tls(good().sent) as there:
        code, found = asked(image, there.port)
    assert (code, found["cause"]) == (17, "unknown-root")
    assert first_check(found)["verdict"] == {
        "ok": False,
        "code": 20,
        "text": "unable to get local issuer certificate",
    }
    assert first_check(found)["agrees"] is True
    assert [store["where"] for store in found["stores"]] == [BUNDLE]  # type: ignore[attr-defined]


def test_missing_intermediate_is_named_with_the_stores_of_the_image(lab: Lab) -> None:
    image = lab.image({BUNDLE: root().pem}, SET)
    files: list[bytes] = []
    with servers.file_server(files) as aia:
        one = missing_intermediate(f"http://{aia}/ca.der")
        files += [m.der for m in one.elsewhere]
        with servers.tls(one.sent) as there:
            code, found = asked(image, there.port)
    assert (code, found["cause"], first_check(found)["agrees"]) == (17, "missing-intermediate", True)


def test_python_3_9_accepts_what_only_strict_ones_refuse(lab: Lab) -> None:
    one = strict()
    image = lab.image({BUNDLE: one.trusted[0].pem}, SET)
    with servers.tls(one.sent) as there:
        code, found = asked(image, there.port)
    assert (code, found["cause"]) == (17, "strict")
    assert first_check(found)["verdict"]["ok"] is True  # type: ignore[index]


def test_certifi_of_the_image_is_judged_by_itself(lab: Lab) -> None:
    certifi = "/usr/lib/python3/dist-packages/certifi/cacert.pem"
    image = lab.image({BUNDLE: root().pem, certifi: root("Another Root").pem}, SET)
    with servers.tls(good().sent) as there:
        code, found = asked(image, there.port)
    assert (code, found["cause"]) == (17, "unknown-root")
    assert [(s["where"], s["cause"]) for s in found["stores"]] == [  # type: ignore[attr-defined]
        (BUNDLE, "verifies"),
        (certifi, "unknown-root"),
    ]
    assert found["remedies"][0]["what"] == f"use {BUNDLE}, which has the root"  # type: ignore[index]


def test_image_without_python_could_not_be_asked(lab: Lab) -> None:
    gone = lab.image({path: Link("/nothing") for path in ("/usr/bin/python3", "/usr/bin/python")})
    code, error = asked(gone, 1)
    assert (code, error["what"]) == (5, "the image has no Python to ask with")


def test_image_that_is_not_there_is_an_error_of_the_engine(lab: Lab) -> None:
    code, error = asked("builder-test-no-such-image:1", 1)
    assert (code, error["what"]) == (8, "there is no such image")


def test_no_container_is_left_behind(lab: Lab) -> None:
    client = docker.from_env()
    before = {c.id for c in client.containers.list(all=True)}
    image = lab.image({BUNDLE: root().pem}, SET)
    with servers.tls(good().sent) as there:
        asked(image, there.port)
    left = {c.id: c for c in client.containers.list(all=True) if c.id not in before}
    client.close()
    assert not [c for c in left.values() if c.attrs["Image"] == image]


def pinned(port: int, root_sha: str) -> str:
    pin = Pin.model_validate({"host": f"{NAME}:{port}", "root": root_sha, "backup": "b" * 64})
    return pins_text((pin,))


def test_pins_of_the_image_are_held_against_the_host_without_any_recipe(lab: Lab) -> None:
    """In the isolated network, where the image is and its recipe is not."""
    mine = hashlib.sha256(root().der).hexdigest()
    with servers.tls(good().sent) as there:
        same = lab.image({BUNDLE: root().pem, IMAGE_FILE: pinned(there.port, mine)}, SET)
        other = lab.image({BUNDLE: root().pem, IMAGE_FILE: pinned(there.port, "a" * 64)}, SET)
        held, alarm = asked(same, there.port), asked(other, there.port)
    assert (held[0], held[1]["pin"]["root"], held[1]["pin"]["alarm"]) == (0, "root", False)  # type: ignore[index]
    assert (alarm[0], alarm[1]["cause"], alarm[1]["pin"]["alarm"]) == (18, "verifies", True)  # type: ignore[index]


def test_file_of_pins_that_cannot_be_read_is_told_with_its_place(lab: Lab) -> None:
    image = lab.image({BUNDLE: root().pem, IMAGE_FILE: "{}"}, SET)
    with servers.tls(good().sent) as there:
        code, error = asked(image, there.port)
    assert (code, error["what"]) == (3, "the pins of the image cannot be read")
    assert str(error["where"]).endswith(f": {IMAGE_FILE}")
