from __future__ import annotations

from pathlib import Path

import pytest
from image_lab import Lab, compiled

from builder.models.base import ImageId
from builder.models.report import Outcome

pytestmark = pytest.mark.engine

# A stand-in of cuDNN's shape, for the faults that no healthy wheel shows; the real one is asked in the quickstart.
STUB = """
unsigned long cudnnGetVersion(void) {{ return {number}; }}
unsigned long cudnnGetCudartVersion(void) {{ return 12090; }}
int cudnnGraphVersionCheck(void) {{ return 0; }}
int cudnnOpsVersionCheck(void) {{ return {ops}; }}
int cudnnCnnVersionCheck(void) {{ return 0; }}
int cudnnAdvVersionCheck(void) {{ return 0; }}
"""
PARTS = ("graph", "ops", "cnn", "adv", "heuristic", "engines_precompiled", "engines_runtime_compiled")


def stub(tmp_path: Path, folder: str = "/usr/local/lib", number: int = 91002, ops: int = 0) -> dict[str, bytes]:
    library = compiled(tmp_path, STUB.format(number=number, ops=ops))
    names = ("libcudnn.so.9", *(f"libcudnn_{part}.so.9" for part in PARTS))
    return {f"{folder}/{name}": library for name in names}


def test_whole_cudnn_of_the_wanted_version_passes(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cudnn", lab.image(stub(tmp_path)), version=">=9.1,<10")
    assert (answer.outcome, answer.summary) == (Outcome.PASS, "cuDNN 9.10.2, whole")


def test_image_without_cudnn_fails(lab: Lab) -> None:
    answer = lab.ask("cudnn", lab.image(), version="9")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "there is no cuDNN in the image; the recipe wants 9"


def test_too_old_cudnn_fails(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cudnn", lab.image(stub(tmp_path, number=90100)), version=">=9.5")
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "cuDNN is 9.1.0, the recipe wants >=9.5")


def test_parts_of_another_version_fail(lab: Lab, tmp_path: Path) -> None:
    answer = lab.ask("cudnn", lab.image(stub(tmp_path, ops=1002)), version="9")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "/usr/local/lib/libcudnn.so.9 has parts of another version: Ops (status 1002)"


def test_missing_part_fails(lab: Lab, tmp_path: Path) -> None:
    files = stub(tmp_path)
    del files["/usr/local/lib/libcudnn_heuristic.so.9"]
    answer = lab.ask("cudnn", lab.image(files), version="9")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("/usr/local/lib/libcudnn.so.9 lacks its part heuristic: ")


def test_two_versions_side_by_side_fail(lab: Lab, tmp_path: Path) -> None:
    files = {**stub(tmp_path), **stub(tmp_path, "/usr/lib64", 90100)}
    answer = lab.ask("cudnn", lab.image(files), version="9")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "there are cuDNN 9.1.0 and 9.10.2: which one a program gets is chance"


def test_library_that_does_not_load_fails(lab: Lab) -> None:
    answer = lab.ask("cudnn", lab.image({"/usr/local/lib/libcudnn.so.9": b"not a library"}), version="9")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary.startswith("/usr/local/lib/libcudnn.so.9 does not load: OSError: ")


def test_torch_that_reports_another_cudnn_fails(lab: Lab, tmp_path: Path) -> None:
    torch = "class backends:\n class cudnn:\n  version = staticmethod(lambda: 90100)\n__version__ = 'stub'\n"
    files = {**stub(tmp_path), "/usr/lib/python3/dist-packages/torch.py": torch}
    answer = lab.ask("cudnn", lab.image(files), version="9")
    assert answer.outcome is Outcome.FAIL
    assert answer.summary == "torch reports cuDNN 9.1.0, no copy in the image is that"


@pytest.mark.quickstart
def test_quickstarts_cudnn_passes(lab: Lab, quickstart: ImageId) -> None:
    answer = lab.ask("cudnn", quickstart, python="/opt/env/bin/python", version="9")
    assert (answer.outcome, answer.summary) == (Outcome.PASS, "cuDNN 9.10.2, whole, and the one that torch uses")


@pytest.mark.quickstart
def test_quickstarts_cudnn_is_not_a_newer_one(lab: Lab, quickstart: ImageId) -> None:
    answer = lab.ask("cudnn", quickstart, python="/opt/env/bin/python", version=">=9.11")
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "cuDNN is 9.10.2, the recipe wants >=9.11")
