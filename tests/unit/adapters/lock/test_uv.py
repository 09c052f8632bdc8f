"""How uv is asked, and how its refusals read."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.adapters.lock import uv
from builder.adapters.lock.uv import UvIndex
from builder.errors import LockError, NetworkError

INDEX = UvIndex(name="nearby", url="https://user:secret@index.example/simple")


def test_an_unsatisfiable_recipe_reads_as_one_line_without_labels() -> None:
    said = (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because you require numpy==2.0.2 and numpy<1.20, we can conclude that your requirements are"
        " unsatisfiable.\n\nhint: try another\n"
    )
    error = INDEX._failure(said, "recipes/a.yaml: pip.packages")
    assert isinstance(error, LockError)
    assert error.what == "no set of packages meets the recipe"
    assert error.where == "recipes/a.yaml: pip.packages"
    assert error.seen == (
        "Because you require numpy==2.0.2 and numpy<1.20, we can conclude that your requirements are unsatisfiable;"
        " try another"
    )


def test_an_index_that_does_not_answer_is_named_by_its_mirror_and_shows_neither_host_nor_password() -> None:
    said = (
        "error: Request failed after 3 retries in 8.8s\n"
        "  cause: Failed to fetch: `https://user:secret@index.example/simple/certifi/`\n"
        "  cause: error sending request for url (https://index.example/simple/certifi/)\n"
    )
    error = INDEX._failure(said, "recipes/a.yaml: pip.packages")
    assert isinstance(error, NetworkError)
    assert error.what == "the package index nearby does not answer"
    assert error.seen == (
        "Request failed after 3 retries in 8.8s; Failed to fetch: `(nearby)`; error sending request for url ((nearby))"
    )


def test_a_long_explanation_is_cut() -> None:
    error = INDEX._failure("error: No solution found\n  cause: " + "x" * 2000, "r")
    assert error.seen is not None
    assert len(error.seen) == 600
    assert error.seen.endswith("…")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "UV_SYSTEM_CERTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("bare")
def test_uv_trusts_the_systems_certificates_where_nothing_is_said() -> None:
    env = uv._environment()
    assert (env["UV_SYSTEM_CERTS"], env["UV_PYTHON_DOWNLOADS"]) == ("true", "never")
    assert "SSL_CERT_FILE" not in env


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"])
def test_uv_trusts_what_pip_was_told_to_trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    bundle = tmp_path / "corp.pem"
    bundle.touch()
    monkeypatch.setenv(variable, str(bundle))
    assert uv._environment()["SSL_CERT_FILE"] == str(bundle)


@pytest.mark.usefixtures("bare")
def test_a_bundle_that_is_not_there_is_not_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "missing.pem"))
    assert "SSL_CERT_FILE" not in uv._environment()  # uv would trust nothing at all
