"""What keeps a Python on the image's bundle when no variable says so, and after certifi or pip were updated."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from builder.trust.layout import python_files

SOURCE = (files("builder.trust.image") / "_builder_trust.py").read_text()

CORE = """
def where():
    return "{own}"
def contents():
    return "{own} contents"
"""
PRINTS = (
    "import os, certifi; from pip._vendor import certifi as pips; "
    "print(certifi.where(), pips.where(), os.environ.get('SSL_CERT_FILE'), certifi.contents())"
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages with certifi and pip as an update leaves them, and ours; the bundle beside it."""
    site = tmp_path / "site"
    for package in ("certifi", "pip/_vendor/certifi"):
        folder = site / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("from .core import contents, where\n")
        (folder / "core.py").write_text(CORE.format(own=package))
    for name in ("pip", "pip/_vendor"):
        (site / name / "__init__.py").touch()
    (tmp_path / "bundle.pem").write_text("the bundle")
    for file in python_files(str(site)):
        Path(file.path).write_text(
            file.content.replace("/etc/ssl/certs/ca-certificates.crt", str(tmp_path / "bundle.pem"))
        )
    return site


def said(site: Path, code: str, **env: str) -> str:
    """In a Python that has that site-packages and nothing of this one's."""
    program = f"import site; site.addsitedir({str(site)!r}); {code}"
    argv = [sys.executable, "-I", "-S", "-B", "-c", program]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_certifi_and_pips_own_name_the_bundle_with_an_empty_environment(site: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    assert said(site, PRINTS) == f"{bundle} {bundle} {bundle} the bundle"


def test_without_it_each_names_its_own(site: Path) -> None:
    (site / "_builder_trust.pth").unlink()
    assert said(site, PRINTS) == "certifi pip/_vendor/certifi None certifi contents"


def test_a_variable_that_somebody_set_stays(site: Path) -> None:
    assert said(site, "import os; print(os.environ['SSL_CERT_FILE'])", SSL_CERT_FILE="/my.pem") == "/my.pem"


def test_without_a_bundle_nothing_changes(site: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").unlink()
    assert said(site, PRINTS) == "certifi pip/_vendor/certifi None certifi contents"


def test_without_certifi_nothing_is_amiss(site: Path) -> None:
    assert (
        said(site, "import importlib.util as u; print(u.find_spec('no_such'), u.find_spec('json').name)") == "None json"
    )
    (site / "certifi" / "core.py").unlink()
    code = "\ntry:\n import certifi\nexcept ModuleNotFoundError as error:\n print(error.name)"
    assert said(site, code) == "certifi.core"


def test_it_is_python_36_and_imports_what_python_has_imported_by_then() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 6))
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert top == {"os", "sys"}


def test_starting_it_costs_less_than_a_millisecond() -> None:
    """Compiling it, too: an unprivileged user cannot keep the byte code."""
    code = "import time, sys\nbest = 1\nfor _ in range(50):\n b = time.perf_counter()"
    code += "\n exec(compile(source, 'x', 'exec'), {})\n best = min(best, time.perf_counter() - b)"
    code += "\n sys.meta_path.pop(0)\nprint(best)"
    source = SOURCE.replace("os.path.isfile(BUNDLE)", "True")
    argv = [sys.executable, "-I", "-c", f"source = {source!r}\n{code}"]
    assert float(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout) < 0.001
