"""The reproducible check in a Debian 11 that holds what an installation writes down of itself."""

from __future__ import annotations

import json
import struct
import time

import pytest
from image_lab import Files, Lab

from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = pytest.mark.engine

LATER = int(time.time()) + 86400
SITE = "/usr/lib/python3/dist-packages"
MAGIC = struct.pack("<H", 3425) + b"\r\n"  # Python 3.9
TRACES = (
    *("/etc/machine-id", "/var/cache/ldconfig/aux-cache", "/var/log/apt/history.log", "/var/log/apt/term.log"),
    *("/var/log/dpkg.log", "/var/log/alternatives.log", "/var/log/bootstrap.log", "/var/cache/apt/pkgcache.bin"),
    "/var/cache/apt/srcpkgcache.bin",
)
"""What mmdebstrap's rootfs has, and a base of ours does not."""


def asked(lab: Lab, files: Files | None = None, created: int = LATER) -> Answer:
    return lab.ask("reproducible", lab.image({**dict.fromkeys(TRACES, ""), **(files or {})}), created=created)


def test_image_without_a_trace_of_its_making_passes(lab: Lab) -> None:
    answer = asked(lab)
    assert answer.outcome is Outcome.PASS, answer
    assert answer.summary.startswith("nothing names one machine, one hour or a place of the build; ")


def test_every_trace_is_named(lab: Lab) -> None:
    info = f"{SITE}/demo-1.dist-info"
    link = {"name": "z", "version": "1", "extracted_package_dir": "/tmp/packages/z-1"}
    files: Files = {
        "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "/etc/ssh/ssh_host_rsa_key": "key",
        "/var/log/dpkg.log": "2026-11-24 installed",
        "/var/cache/ldconfig/aux-cache": "x",
        f"{info}/uv_cache.json": "{}",
        f"{info}/direct_url.json": '{"url": "file:///tmp/wheels/demo.whl"}',
        f"{info}/RECORD": "../../.builder/in/x,,\n",
        "/usr/bin/demo": "#!/out/opt/env/bin/python\n",
        "/opt/conda/conda-meta/history": f"==> {time.gmtime(LATER).tm_year + 1}-01-02 03:04:05 <==\n",
        "/opt/conda/conda-meta/z-1-0.json": json.dumps(link),
        "/opt/a/__pycache__/m.cpython-39.pyc": MAGIC + struct.pack("<III", 0, LATER + 5, 1),
        "/opt/a/__pycache__/n.cpython-39.pyc": MAGIC + struct.pack("<III", 3, 0xFFFFFFFF, 1),
    }
    answer = asked(lab, files)
    assert answer.outcome is Outcome.FAIL
    found = answer.evidence["problems"]
    assert isinstance(found, list)
    told = [str(problem) for problem in found]
    assert told[0] == "/etc/machine-id is made anew for each machine: empty it in the step that makes it"
    for start in (
        "/etc/ssh/ssh_host_rsa_key is made anew",
        "/var/log/dpkg.log holds the hour of its making",
        "/var/cache/ldconfig/aux-cache holds the hour",
        "1 files of byte code hold a time after ",
        f"{info}/uv_cache.json holds the time",
        f"{info}/direct_url.json holds the path",
        f"{info}/RECORD names /.builder/",
        "/usr/bin/demo starts with #!/out/opt/env/bin/python",
        "/opt/conda/conda-meta/history has ",
        "/opt/conda/conda-meta/z-1-0.json has extracted_package_dir of /tmp/packages/z-1",
    ):
        assert [problem for problem in told if problem.startswith(start)], start
    assert len(told) == 11


def test_what_could_not_be_looked_at_is_no_pass(lab: Lab) -> None:
    image = lab.image(dict.fromkeys(TRACES, ""))
    hurried = lab.ask(
        "reproducible", image, created=LATER, change=lambda text: text.replace("= Tree(),", "= Tree(-1),")
    )
    assert (hurried.outcome, hurried.summary) == (Outcome.ERROR, "no file of the image could be looked at")


def test_account_that_was_made_on_the_day_of_a_build_fails(lab: Lab) -> None:
    text = f"root:*:{LATER // 86400 + 2}:0:99999:7:::\n"
    answer = asked(lab, {"/etc/shadow": text})
    assert answer.summary.startswith("/etc/shadow has root changed on ")


def test_what_a_pinned_base_brings_passes_when_the_recipe_says_why(lab: Lab) -> None:
    image = lab.image({**dict.fromkeys(TRACES, ""), "/var/log/dpkg.log": "2026-11-24 installed"})
    reason = "the base image has it, and is pinned by its digest"
    answer = lab.ask("reproducible", image, created=LATER, allow={"/var/log/*": reason})
    assert answer.outcome is Outcome.PASS, answer
    (allowed,) = answer.evidence["allowed"]  # type: ignore[misc]
    assert allowed["reason"] == reason  # type: ignore[index,call-overload]
