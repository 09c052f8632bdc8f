"""Which stores are judged, which of them count, and the remedy that another store is."""

from __future__ import annotations

from pathlib import Path

import pytest
from chains.factory import root
from chains.presented import HERE, NOBODY, presented
from chains.scenarios import good, missing_intermediate, unknown_root

from builder.adapters.tls import doctor as tls_doctor
from builder.adapters.tls.case import Options
from builder.adapters.tls.condarc_targets import bundles_of
from builder.adapters.tls.doctor import examine
from builder.adapters.tls.stores import find_stores
from builder.trust.diagnosis import Diagnosis
from builder.trust.reached import Target, Verdict

pytestmark = pytest.mark.network
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CONDA_PREFIX", "CONDA_EXE")


@pytest.fixture
def conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system store with the test's root, and a conda whose two stores lack it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    prefix = tmp_path / "conda"
    certifi = prefix / "lib" / "python3.9" / "site-packages" / "certifi"
    for folder in (prefix / "conda-meta", prefix / "ssl", certifi):
        folder.mkdir(parents=True)
    (prefix / "ssl" / "cert.pem").write_text(root("Conda's Own Root").pem)
    (certifi / "cacert.pem").write_text(root("Certifi's Own Root").pem)
    system = tmp_path / "system.pem"
    system.write_text(root().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    monkeypatch.setenv("CONDA_PREFIX", str(prefix))
    return prefix


def asked(port: int, **options: object) -> Diagnosis:
    fields = {"address": HERE, "against": (), "http_port": NOBODY, **options}
    return examine(Target(host="app.site.test", port=port), Options(**fields))  # type: ignore[arg-type]


def test_stores_are_those_that_clients_use_as_things_are_set(conda: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {s.where: s for s in find_stores()}
    assert next(iter(found)) == str(conda.parent / "system.pem")
    certifi = str(conda / "lib/python3.9/site-packages/certifi/cacert.pem")
    assert found[certifi].decisive
    assert not found[str(conda / "ssl/cert.pem")].decisive, "SSL_CERT_FILE wins in conda's Python too"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(conda.parent / "system.pem"))
    found = {s.where: s for s in find_stores()}
    assert not found[certifi].decisive, "REQUESTS_CA_BUNDLE beats certifi"
    assert "REQUESTS_CA_BUNDLE" in found[str(conda.parent / "system.pem")].users


def test_root_that_the_system_has_and_conda_has_not_is_a_matter_of_pointing_there(conda: Path, tmp_path: Path) -> None:
    """`curl` works and `conda install` does not: what is asked most."""
    with presented(good, tmp_path) as shown:
        found = asked(shown.server.port)
    assert found.cause == "unknown-root"
    verdicts = {s.name: s.verifies for s in found.stores}
    assert verdicts["the system's store"]
    assert not verdicts[f"the certifi of {conda}"]
    assert found.clients
    assert f"conda and requests of {conda}" in found.clients.refuse
    (remedy,) = found.remedies
    assert (remedy.kind, remedy.what) == ("store", f"use {tmp_path / 'system.pem'}, which has the root")
    assert remedy.proof == "tried: with it, the same connection verifies"
    assert f"conda config --set ssl_verify {tmp_path / 'system.pem'}" in {c.text for c in remedy.commands}


def test_host_verifies_once_the_variable_points_at_the_right_store(
    conda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "system.pem"))
    with presented(good, tmp_path) as shown:
        assert asked(shown.server.port).cause == "verifies"


@pytest.mark.parametrize("make", [missing_intermediate, unknown_root])
def test_cause_is_the_same_with_every_store(make: object, conda: Path, tmp_path: Path) -> None:
    with presented(make, tmp_path) as shown:  # type: ignore[arg-type]
        found = asked(shown.server.port)
    assert found.cause == shown.scenario.cause == found.stores[0].cause
    assert {s.cause for s in found.stores[1:]} == {"unknown-root"}, "these do not have the root either"


def test_file_that_ssl_verify_names_is_a_store_of_its_own(conda: Path, tmp_path: Path) -> None:
    with presented(good, tmp_path) as shown:
        site = tmp_path / "site.pem"
        site.write_text(root("Nobody's Root").pem)
        (tmp_path / ".condarc").write_text(f"channels: [https://app.site.test/x]\nssl_verify: {site}\n")
        found = asked(shown.server.port, also=bundles_of(tmp_path / ".condarc"))
    assert [(s.where, s.cause) for s in found.stores][-1] == (str(site), "unknown-root")


def test_file_that_ssl_verify_names_decides_for_its_condarc(conda: Path, tmp_path: Path) -> None:
    """Others refuse, who do not read it."""
    with presented(good, tmp_path) as shown:
        site = tmp_path / "site.pem"
        site.write_text(root().pem)
        found = asked(shown.server.port, also=(site,))
    assert (found.cause, found.remedies) == ("verifies", ())
    assert {s.cause for s in found.stores} == {"verifies", "unknown-root"}


def test_file_that_ssl_verify_names_decides_nothing_where_a_variable_beats_it(
    conda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, site = tmp_path / "other.pem", tmp_path / "site.pem"
    other.write_text(root("Nobody's Root").pem)
    site.write_text(root().pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with presented(good, tmp_path) as shown:
        found = asked(shown.server.port, also=(site,))
    assert found.cause == "unknown-root"
    assert found.clients is not None
    assert not any("by its .condarc" in who for who in (*found.clients.accept, *found.clients.refuse))


@pytest.mark.parametrize("make", [good, missing_intermediate])
def test_verdicts_of_libraries_never_name_the_cause(
    make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They say the contrary here: the cause stays, and the difference is shown."""
    with presented(make, tmp_path) as shown:  # type: ignore[arg-type]
        truth = shown.diagnosis()
        lie = Verdict(ok=not truth.verifies, code=None if not truth.verifies else 62, text="a lie")
        monkeypatch.setattr(tls_doctor, "library_verdict", lambda *_, **__: lie)
        monkeypatch.setattr(tls_doctor, "attempt", lambda *_, **__: lie)
        found = shown.diagnosis()
    assert (found.cause, found.sentence) == (truth.cause, truth.sentence)
    assert [c.agrees for c in truth.cross_checks] == [True, True, True]
    assert [c.agrees for c in found.cross_checks] == [False, False, False]
