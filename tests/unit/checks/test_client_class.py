"""The class that asks for Java is what its source says."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

TEXT = files("builder.checks").joinpath("_clients.py").read_text()


def embedded() -> bytes:
    found = re.search(r"_JAVA = \((.+?)\n\)", TEXT, re.DOTALL)
    assert found
    return base64.b64decode("".join(re.findall(r'"(.+?)"', found[1])))


def test_the_class_is_of_java_8() -> None:
    assert embedded()[:8] == b"\xca\xfe\xba\xbe\0\0\0\x34"


@pytest.mark.skipif(not shutil.which("javac"), reason="no javac here to make it again with")
def test_the_class_is_made_from_the_source_beside_it(tmp_path: Path) -> None:
    found = re.search(r"# (public class Ask \{.+?\n# \})\n", TEXT, re.DOTALL)
    assert found
    (tmp_path / "Ask.java").write_text(re.sub(r"(?m)^# ?", "", found[1]))
    argv = ["javac", "-g:none", "--release", "8", "Ask.java"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    made = (tmp_path / "Ask.class").read_bytes()
    assert sorted(re.findall(rb"[\w/<>;()\[]{4,}", made)) == sorted(re.findall(rb"[\w/<>;()\[]{4,}", embedded()))
