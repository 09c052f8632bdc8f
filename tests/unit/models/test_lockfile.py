"""The lock as text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from builder.errors import LockError
from builder.models.lock import CondaLock, CondaPackage, RootfsBase
from builder.models.lockfile import dump_lock, parse_lock

QUICKSTART = Path(__file__).parents[3] / "recipes" / "quickstart.lock"


@pytest.fixture
def text() -> str:
    return QUICKSTART.read_text(encoding="utf-8")


def test_the_committed_lock_is_written_again_byte_for_byte(text: str) -> None:
    assert dump_lock(parse_lock(text, "quickstart.lock")) == text


def test_every_package_and_certificate_has_a_line_of_its_own(text: str) -> None:
    lock = parse_lock(text, "quickstart.lock")
    lines = [json.loads(line.strip().rstrip(",")) for line in text.splitlines() if line.strip().startswith('{"')]
    assert [line["name"] for line in lines if "artifact" in line and line["artifact"]["source"] == "pypi"] == [
        p.name for p in lock.pip
    ]
    assert sum("subject" in line for line in lines) == len(lock.trust.certificates)


def test_the_committed_lock_names_no_host(text: str) -> None:
    assert "://" not in text
    paths = re.findall(r'"path": "([^"]+)"', text)
    assert len(paths) == text.count('"artifact"') + 3  # the derived files stand alone
    assert not [path for path in paths if not re.match(r"pool/|[^/]+$", path)]


def test_text_that_is_no_json_is_named_with_its_place() -> None:
    with pytest.raises(LockError) as caught:
        parse_lock('{"version": 1,\n oops', "recipes/a.lock")
    assert caught.value.what == "the lock is not JSON"
    assert caught.value.where == "recipes/a.lock: line 2, column 2"
    assert caught.value.remedy == "restore the committed file, or remove it and run `builder lock` to make a new one"


@pytest.mark.parametrize(
    ("text", "seen"), [('{"version": 2}', "version 2; known: 1"), ("[]", "version None; known: 1")]
)
def test_a_version_from_the_future_is_refused(text: str, seen: str) -> None:
    with pytest.raises(LockError) as caught:
        parse_lock(text, "recipes/a.lock")
    assert caught.value.what == "the lock is of a version that this builder does not know"
    assert caught.value.seen == seen


def test_every_wrong_value_is_reported_with_its_path(text: str) -> None:
    data = json.loads(text)
    data["pip"][1]["artifact"]["sha256"] = "SHA256:abc"
    data["uv"]["artifact"]["host"] = "mirror.example"
    with pytest.raises(LockError) as caught:
        parse_lock(json.dumps(data), "recipes/a.lock")
    faults = {fault.where: fault for fault in caught.value.faults}
    assert set(faults) == {"recipes/a.lock: pip[1].artifact.sha256", "recipes/a.lock: uv.artifact.host"}
    assert faults["recipes/a.lock: pip[1].artifact.sha256"].seen == "'SHA256:abc'"
    assert faults["recipes/a.lock: uv.artifact.host"].what == "Extra inputs are not permitted"


def test_what_a_derived_file_is_made_from_is_in_the_lock(text: str) -> None:
    lock = parse_lock(text, "quickstart.lock")
    derived = [a for a in lock.artifacts() if a.source == "derived"]
    assert [a.path for a in derived] == ["rootfs-bullseye-amd64.tar", "busybox", "ca-bundle.pem"]
    assert isinstance(lock.base, RootfsBase)
    assert lock.busybox is not None
    assert [lock.made_from(a) for a in derived] == [
        tuple(p.artifact for p in lock.base.packages),
        (lock.busybox.artifact,),
        (lock.trust.roots.artifact,),
    ]
    assert lock.made_from(lock.uv.artifact) == ()


def test_a_conda_package_has_a_line_of_its_own_with_all_that_it_depends_on(text: str) -> None:
    lock = parse_lock(text, "quickstart.lock")
    package = CondaPackage(
        name="_libgcc_mutex",
        version="0.1",
        build="conda_forge",
        depends=("a >=1", "b"),
        artifact=lock.uv.artifact.model_copy(
            update={"source": "conda-forge/linux-64", "path": "_libgcc_mutex-0.1-0.conda"}
        ),
    )
    conda = CondaLock(
        installer=lock.uv,
        installer_python="3.13",
        linker=lock.uv,
        asked=("python 3.9.*",),
        channels=("conda-forge",),
        virtual=("__unix=0",),
        packages=(package, package.model_copy(update={"name": "python", "version": "3.9.23"})),
    )
    written = dump_lock(lock.model_copy(update={"conda": conda}))
    again = parse_lock(written, "a.lock")
    assert again.conda == conda
    assert conda.python == "3.9.23"
    lines = [line for line in written.splitlines() if "conda-forge/linux-64" in line]
    assert [json.loads(line.strip().rstrip(","))["depends"] for line in lines] == [["a >=1", "b"]] * 2
    assert '  "asked": ["python 3.9.*"],' in written.splitlines()
    assert (
        written.replace(written[written.index(' "conda": {') : written.index(' "apt_asked"')], ' "conda": null,\n')
        == text
    )
