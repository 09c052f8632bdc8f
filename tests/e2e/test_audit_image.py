"""`builder audit --image`: an image's files and ENV, read out of the engine without running anything of it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing

import docker
import pytest

from builder.adapters.audit.run import Asked, run_audit
from builder.adapters.engine.client import endpoint
from builder.audit.finding import Finding
from builder.audit.policy import findings_of_severity_error
from builder.errors import EngineError
from builder.progress import Silent

pytestmark = pytest.mark.engine

BUNDLE = "etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="module")
def api() -> Iterator[docker.APIClient]:
    client = docker.from_env(version="auto") if "DOCKER_HOST" in os.environ else docker.DockerClient(endpoint())
    with closing(client):
        yield client.api


def made(api: docker.APIClient, name: str, files: Mapping[str, bytes | str], *changes: str) -> str:
    """An image of just these files; a `str` value that begins with `->` is a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content.removeprefix("->")
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    reference = f"builder-test-audit:{name}-{os.getpid()}"
    repository, _, tag = reference.partition(":")
    api.import_image_from_data(buffer.getvalue(), repository=repository, tag=tag, changes=list(changes))
    return reference


def found_in(image: str, *, whole: bool = False) -> tuple[Finding, ...]:
    return run_audit(Asked(images=(image,), whole=whole), Silent()).findings


@pytest.fixture(scope="module")
def bad(api: docker.APIClient) -> Iterator[str]:
    files: dict[str, bytes | str] = {
        "opt/conda/conda-meta/history": b"",
        "opt/conda/.condarc": b"channels: [defaults]\nssl_verify: /etc/ssl/certs/gone.pem\n",
        "etc/conda/condarc.d/site.yml": b"ssl_verify: false\n",
        "home/user/.npmrc": b"strict-ssl=false\n",
        "etc/pip.conf": b"[global]\ntrusted-host = a\n",
        "usr/share/doc/x/example.sh": b"curl -k https://x\n",
        "usr/lib/python3/x.py": b"requests.get(x, verify=False)\n",
        BUNDLE: b"x",
    }
    name = made(api, "bad", files, "ENV NODE_TLS_REJECT_UNAUTHORIZED=0 SSL_CERT_FILE=/gone.pem", 'CMD ["/x"]')
    yield name
    api.remove_image(name, force=True)


@pytest.fixture(scope="module")
def good(api: docker.APIClient) -> Iterator[str]:
    files: dict[str, bytes | str] = {
        "opt/conda/conda-meta/history": b"",
        "opt/conda/.condarc": b"channels: [conda-forge]\nssl_verify: /opt/certs/all.pem\n",
        "opt/certs": "->../etc/ssl/certs",
        "etc/ssl/certs/all.pem": "->ca-certificates.crt",
        BUNDLE: b"x",
    }
    name = made(api, "good", files, f"ENV SSL_CERT_FILE=/{BUNDLE}", 'CMD ["/x"]')
    yield name
    api.remove_image(name, force=True)


def test_an_image_is_judged_by_its_files_and_its_variables(bad):
    found = [(f.rule, f.severity.value, f.place) for f in found_in(bad)]
    assert found == [
        ("CONDA001", "error", "/etc/conda/condarc.d/site.yml:1:1"),
        ("PIP001", "error", "/etc/pip.conf:2:1"),
        ("NPM001", "error", "/home/user/.npmrc:1:1"),
        ("CONDA012", "note", "/opt/conda/.condarc:1:12"),
        ("CA002", "error", "/opt/conda/.condarc:2:1"),
        ("NODE001", "error", f"{bad}: ENV: NODE_TLS_REJECT_UNAUTHORIZED"),
        ("CA002", "error", f"{bad}: ENV: SSL_CERT_FILE"),
    ]


def test_an_image_without_a_bypass_has_no_finding_that_refuses_a_tag(good):
    assert findings_of_severity_error(found_in(good)) == ()


@pytest.fixture
def odd(api: docker.APIClient) -> Iterator[str]:
    """Configuration where only an environment on PATH, a link or the working folder makes it one."""
    files: dict[str, bytes | str] = {
        "venv/bin/python": b"",
        "venv/pip.conf": b"[global]\ntrusted-host = a\n",
        "srv/app/.npmrc": b"strict-ssl=false\n",
        "opt/tool/curlrc": b"insecure\n",
        "root/.curlrc": "->/opt/tool/curlrc",
        "etc/profile.d/x.sh": b"# builder-audit: allow CURL001 says the file itself\ncurl -k https://x\n",
        "data/old/.condarc": b"ssl_verify: false\n",
    }
    name = made(api, "odd", files, "ENV PATH=/venv/bin:/usr/bin", "WORKDIR /srv/app", 'CMD ["/x"]')
    yield name
    api.remove_image(name, force=True)


EFFECTIVE = [
    ("CURL001", "/etc/profile.d/x.sh:2:6"),
    ("CURL001", "/root/.curlrc:1:1"),
    ("NPM001", "/srv/app/.npmrc:1:1"),
    ("PIP001", "/venv/pip.conf:2:1"),
]


def test_what_takes_effect_is_found_wherever_it_lies_and_no_file_excuses_itself(odd):
    assert [(f.rule, f.place) for f in found_in(odd)] == EFFECTIVE


def test_the_whole_image_is_read_when_that_is_asked_for(odd):
    found = [(f.rule, f.place) for f in found_in(odd, whole=True)]
    assert found == sorted(
        [*EFFECTIVE, ("CONDA001", "/data/old/.condarc:1:1"), ("CURL001", "/opt/tool/curlrc:1:1")], key=lambda f: f[1]
    )


STARTED = [
    ("CURL001", "CMD"),
    ("CURL001", "HEALTHCHECK"),
    ("NODE001", "/opt/conda/conda-meta/state:1:15"),
    ("GIT001", "/opt/conda/etc/conda/activate.d/x.sh:1:8"),
    ("WGET001", "/usr/local/bin/entry:2:6"),
]


def test_what_the_image_starts_and_what_activating_runs_is_read(api):
    files: dict[str, bytes | str] = {
        "usr/local/bin/entry": b"#!/bin/sh\nwget --no-check-certificate https://x\n",
        "usr/local/bin/other": b"#!/bin/sh\ncurl -k https://x\n",
        "opt/conda/conda-meta/history": b"",
        "opt/conda/conda-meta/state": b'{"env_vars": {"NODE_TLS_REJECT_UNAUTHORIZED": "0"}}',
        "opt/conda/etc/conda/activate.d/x.sh": b"export GIT_SSL_NO_VERIFY=1\n",
        "usr/lib/python3/x.py": b"import requests\nrequests.get(x, verify=False)\n",
    }
    command, health = (
        'CMD ["sh", "-c", "curl -k https://x; entry; /usr/local/bin/entry"]',
        "HEALTHCHECK CMD curl -k https://x",
    )
    name = made(api, "starts", files, "ENV PATH=/usr/local/bin:/bin", command, health)
    try:
        found, whole = found_in(name), found_in(name, whole=True)
    finally:
        api.remove_image(name, force=True)
    assert sorted((f.rule, f.place.removeprefix(f"{name}: ")) for f in found) == sorted(STARTED)
    more = {(f.rule, f.place) for f in whole} - {(f.rule, f.place) for f in found}
    assert more == {("CURL001", "/usr/local/bin/other:2:6"), ("PY001", "/usr/lib/python3/x.py:2:1")}


def test_the_home_of_the_images_own_user_counts(api):
    files: dict[str, bytes | str] = {
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/srv/me:/bin/sh\n",
        "root/.condarc": b"ssl_verify: true\n",
        "srv/me/.condarc": b"ssl_verify: false\n",
    }
    name = made(api, "user", files, "USER 1000:1000", 'CMD ["/x"]')
    try:
        found = found_in(name)
    finally:
        api.remove_image(name, force=True)
    assert [(f.rule, f.place, f.wins) for f in found] == [
        ("CONDA001", "/srv/me/.condarc:1:1", "/srv/me/.condarc:1 wins: nothing else sets it")
    ]


def test_nothing_is_run_and_nothing_is_left(api, good):
    before = {c["Id"] for c in api.containers(all=True)}
    found_in(good)
    left = [c for c in api.containers(all=True) if c["Id"] not in before and c["Image"] == good]
    assert left == []


def test_the_command_says_who_wins_in_the_image(bad):
    command = [sys.executable, "-m", "builder", "audit", "--image", bad, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    conda = json.loads(done.stdout)["conda"][bad]
    assert (done.returncode, conda["winner"], conda["verdict"]) == (16, "/opt/conda/.condarc:2", "error")


def test_an_image_that_is_not_there_is_said_to_be_so():
    with pytest.raises(EngineError, match="there is no such image"):
        found_in("builder-test-audit:never")
