"""Mirrors are asked how they are: real HTTPS servers on loopback, each good, or wrong in one way that is named."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
import zstandard
from farm import Channel, Farm, make_channel, small_packages

from builder.adapters.http.asking import Asker, Limits
from builder.adapters.probing import CONDA_AGENT, survey
from builder.errors import HostError
from builder.mirrors.catalogue import Mirror as Entry
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.independence import by_answers
from builder.mirrors.probe import Finding, questions, without
from builder.progress import Silent

pytestmark = pytest.mark.network

LINUX, NOARCH = "conda-forge/linux-64", "conda-forge/noarch"


class NoClients:
    """A host that knows nothing of its own."""

    def pypi_index(self) -> str:
        raise HostError("no index")

    def apt_roots(self, source: str) -> tuple[str, ...]:
        raise HostError("there is no apt")

    def conda_root(self, channel: str) -> str | None:
        return None


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return make_channel(tmp_path_factory.mktemp("probed-channel"), small_packages(large=1 << 16))


@pytest.fixture
def farm(channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    with Farm(tmp_path / "farm", channel=channel) as started:
        monkeypatch.setenv("SSL_CERT_FILE", str(started.ca_pem))
        yield started


def mirrors_of(roots: dict[str, str]) -> Mirrors:
    data = {name: {"conda": {"conda-forge": root}} for name, root in roots.items()}
    entries = {name: Entry.model_validate_json(json.dumps(entry)) for name, entry in data.items()}
    return Mirrors(entries, clients=NoClients())


def ask(roots: dict[str, str], *, source: str = LINUX, quick: bool = False) -> dict[str, Finding]:
    mirrors = mirrors_of(roots)
    found = survey(
        questions(mirrors, roots, (source,)),
        mirrors,
        asker=Asker(Limits(connect=2.0, stall=1.0, whole=3.0)),
        progress=Silent(),
        quick=quick,
    )
    return {finding.mirror: finding for finding in found}


def everything(entries: dict[str, dict[str, object]], source: str) -> dict[str, Finding]:
    known = {n: Entry.model_validate_json(json.dumps(e)) for n, e in entries.items() if n != "upstream"}
    mirrors = Mirrors(known, clients=NoClients())
    asked = questions(mirrors, entries, (source,))
    found = survey(asked, mirrors, asker=Asker(Limits(stall=2.0)), progress=Silent(), quick=False)
    return {finding.mirror: finding for finding in found}


def roots_of(farm: Farm) -> dict[str, str]:
    return {mirror.name: f"{mirror.url}/conda-forge" for mirror in farm.mirrors}


@pytest.mark.parametrize("quick", [False, True])
def test_a_good_mirror_is_told_with_all_that_matters(farm: Farm, channel: Channel, quick: bool) -> None:
    found = ask(roots_of(farm), quick=quick)["farm-a"]
    assert (found.up, found.usable, found.stale, found.cause) == (True, True, False, None)
    assert (found.zst, found.package, found.packages) == ("same", "read", len(channel.records["linux-64"]))
    assert found.newest == max(r["timestamp"] for r in channel.records["linux-64"].values()) / 1000
    assert found.late == 0
    assert (found.issuer, found.hosts) == ("builder farm", (f"127.0.0.1:{farm['farm-a'].port}",))
    assert found.days is not None
    assert found.days > 300
    assert found.first_byte is not None
    assert 0 < found.first_byte < 1
    assert 1000 < found.read < 200_000


def test_mirrors_are_asked_with_get_as_conda_asks(farm: Farm) -> None:
    ask(roots_of(farm))
    seen = farm["farm-a"].requests
    assert {request.method for request in seen} == {"GET"}
    assert {request.headers["User-Agent"] for request in seen} == {CONDA_AGENT}
    assert [request.path.rsplit("/", 1)[-1].rpartition("-")[0] for request in seen][:2] == ["", ""]
    assert seen[-1].headers["Range"] == "bytes=0-1023"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("refused", "no connection: Connection refused"),
        ("black_hole", ""),
        ("http_403", "HTTP 403"),
        ("http_404", "HTTP 404"),
        ("no_linux_64", "HTTP 404"),
        ("http_429", "HTTP 429"),
        ("http_503", "HTTP 503"),
        ("html_200", "a page of HTML in place of its index"),
        ("truncated", "broke the connection"),
        ("expired", "expired"),
        ("wrong_host", ""),
        ("unknown_ca", ""),
        ("handshake_cut", ""),
        ("redirect_loop", ""),
        ("redirect_to_http", "redirects from https to plain http"),
    ],
)
def test_each_fault_is_named_for_what_it_is(farm: Farm, fault: str, cause: str) -> None:
    with farm.faulty({1: fault}):
        found = ask(roots_of(farm))
    bad = found["farm-b"]
    assert (bad.up, bad.usable, bad.late) == (False, False, None)
    assert bad.cause
    assert cause in bad.cause
    assert [f.up for f in found.values()] == [True, False, True]
    assert not farm.plain.requests


def test_a_stale_mirror_is_told_by_its_newest_package(farm: Farm) -> None:
    with farm.faulty({2: "stale_repodata"}):
        found = ask(roots_of(farm))
    assert [f.late for f in found.values()][:2] == [0, 0]
    assert found["farm-c"].late == 86_400
    assert found["farm-c"].usable


def test_a_slow_mirror_is_read_for_as_long_as_it_may_take_and_no_longer(farm: Farm) -> None:
    begun = time.monotonic()
    with farm.faulty({1: {"*/repodata.json.zst": "slow_drip"}}):
        found = ask(roots_of(farm))["farm-b"]
    assert 3 < time.monotonic() - begun < 6
    assert (found.up, found.zst, found.package) == (True, None, "read")
    assert found.read > 3 * 64


@pytest.mark.parametrize(
    ("fault", "told"), [("http_403", "missing"), ("http_404", "missing"), ("html_200", "missing"), ("corrupt", None)]
)
def test_a_compressed_index_that_is_no_use_is_told_and_the_plain_one_is_read(
    farm: Farm, fault: str, told: str | None
) -> None:
    with farm.faulty({0: {"*/repodata.json.zst": fault}}):
        found = ask(roots_of(farm))["farm-a"]
    assert (found.up, found.package) == (True, "read")
    assert found.zst in ((told,) if told else ("unreadable", "differs"))
    assert found.packages


@pytest.mark.parametrize("quick", [False, True])
def test_a_compressed_index_that_says_something_else_is_told(tmp_path: Path, quick: bool, farm: Farm) -> None:
    other = make_channel(tmp_path / "other", small_packages(large=1 << 12))
    old = other.repodata("linux-64", stale=True)
    (other.folder / "linux-64/repodata.json.zst").write_bytes(zstandard.compress(old))
    with Farm(tmp_path / "odd", channel=other, mirrors=1) as odd:
        _trust(tmp_path, farm.ca_pem, odd.ca_pem)
        found = ask({**roots_of(odd), "good": f"{farm['farm-b'].url}/conda-forge"}, quick=quick)
    assert found["farm-a"].zst == "differs"
    assert found["good"].zst == "same"


def test_an_index_that_was_cut_where_it_was_copied_is_told(tmp_path: Path, farm: Farm) -> None:
    other = make_channel(tmp_path / "cut", small_packages(large=1 << 12))
    cut = other.repodata("linux-64")[:-40]
    (other.folder / "linux-64/repodata.json").write_bytes(cut)
    (other.folder / "linux-64/repodata.json.zst").write_bytes(zstandard.compress(cut))
    with Farm(tmp_path / "odd", channel=other, mirrors=1) as odd:
        _trust(tmp_path, odd.ca_pem)
        found = ask(roots_of(odd))["farm-a"]
    assert (found.up, found.cause, found.zst) == (False, "its repodata has no end", "same")


@pytest.mark.parametrize(("fault", "told"), [("http_403", "HTTP 403"), ("html_200", "a page of HTML")])
def test_a_mirror_whose_packages_cannot_be_had_is_no_use(farm: Farm, fault: str, told: str) -> None:
    with farm.faulty({0: {"*.conda": fault, "*.tar.bz2": fault}}):
        found = ask(roots_of(farm))["farm-a"]
    assert (found.up, found.usable, found.package) == (True, False, told)


def test_what_nobody_gives_is_told(farm: Farm) -> None:
    with farm.faulty(dict.fromkeys(range(3), "no_linux_64")):
        assert without(tuple(ask(roots_of(farm)).values())) == (LINUX,)
        assert without(tuple(ask(roots_of(farm), source=NOARCH).values())) == ()


def test_a_mirror_that_redirects_is_one_with_the_mirror_that_answers(farm: Farm, tmp_path: Path) -> None:
    with front(tmp_path, farm, "redirect") as url:
        roots = {**roots_of(farm), "front": url}
        found = ask(roots, quick=True)
    behind = f"127.0.0.1:{farm['farm-a'].port}"
    assert (found["front"].hosts, found["front"].usable) == ((behind,), True)
    assert found["front"].via
    (seen,) = by_answers(mirrors_of(roots), found.values())
    assert [b.names for b in seen.backends] == [("farm-a", "front"), ("farm-b",), ("farm-c",)]
    assert seen.warning == (
        f"conda-forge: 4 mirrors, 3 independent: farm-a, front are one ({behind} answers for farm-a and front)"
    )


def test_mirrors_of_their_own_are_independent(farm: Farm) -> None:
    (seen,) = by_answers(mirrors_of(roots_of(farm)), ask(roots_of(farm), quick=True).values())
    assert (len(seen.backends), seen.warning) == (3, None)


def test_a_mirror_that_knows_no_ranges_is_told(farm: Farm, tmp_path: Path) -> None:
    with front(tmp_path, farm, "whole") as url:
        found = ask({"front": url})["front"]
    assert (found.package, found.usable) == ("whole only", True)


def test_the_command_shows_a_table_and_json_and_fails_when_nobody_answers(farm: Farm, tmp_path: Path) -> None:
    environ = {**os.environ, "BUILDER_MIRRORS": str(farm.mirrors_yaml(tmp_path / "mirrors.yaml"))}
    asked = ("probe", "farm-a", "farm-b", "--channel", "conda-forge", "--subdir", "linux-64")
    with farm.faulty({1: "http_403"}):
        shown = _builder(*asked, environ=environ)
        parsed = json.loads(_builder(*asked, "--json", environ=environ).stdout)
    assert shown.returncode == 0
    assert "no: HTTP 403" in shown.stdout
    assert [f["usable"] for f in parsed["findings"]] == [True, False]
    with farm.faulty({0: "expired", 1: "http_403"}):
        failed = _builder(*asked, environ=environ)
        as_json = _builder(*asked, "--json", environ=environ)
    assert (failed.returncode, as_json.returncode) == (5, 5)
    assert "no mirror gives conda-forge/linux-64" in failed.stderr
    assert json.loads(as_json.stdout)["without"] == [LINUX]
    alone = _builder("independence", "farm-a", "farm-b", "--channel", "conda-forge", "--json", environ=environ)
    assert json.loads(alone.stdout)["sources"][0]["independent"] == 2


def test_an_interrupt_ends_it_at_once(farm: Farm, tmp_path: Path) -> None:
    environ = {**os.environ, "BUILDER_MIRRORS": str(farm.mirrors_yaml(tmp_path / "mirrors.yaml"))}
    farm["farm-a"].fault = {"*": "black_hole"}
    asked = [sys.executable, "-m", "builder", "mirrors", "probe", "farm-a", "--channel", "conda-forge"]
    with subprocess.Popen(asked, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while not farm["farm-a"].requests and running.poll() is None:
            time.sleep(0.02)
        begun = time.monotonic()
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
    assert running.returncode == 130
    assert time.monotonic() - begun < 3


def test_an_index_is_told_by_its_newest_file(farm: Farm, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "boto3-1.0-py3-none-any.whl").write_bytes(b"PK\x03\x04" + bytes(2000))
    with Farm(tmp_path / "index", wheels=wheels, mirrors=2) as index:
        os.environ["SSL_CERT_FILE"] = str(index.ca_pem)
        index["farm-b"].fault = {"/simple/*": "html_200"}
        found = everything({m.name: {"pypi": [f"{m.url}/simple"]} for m in index.mirrors}, "pypi")
    assert (found["farm-a"].up, found["farm-a"].package, found["farm-a"].packages) == (True, "read", 1)
    assert (found["farm-b"].up, found["farm-b"].cause) == (
        False,
        "its index page is none: neither JSON (PEP 691) nor HTML with links (PEP 503)",
    )


def test_a_copy_of_debian_is_told_by_the_date_that_is_signed(farm: Farm, tmp_path: Path) -> None:
    for name, date in {"new": "Sat, 21 Nov 2026 08:00:00 UTC", "old": "Sat, 14 Nov 2026 08:00:00 UTC"}.items():
        place = tmp_path / name / "dists/stable-updates/InRelease"
        place.parent.mkdir(parents=True)
        place.write_text(f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nDate: {date}\n")
    page = tmp_path / "portal/dists/stable-updates/InRelease"
    page.parent.mkdir(parents=True)
    page.write_text("<html>please sign in</html>")
    with front(tmp_path, farm, "whole", folder=tmp_path) as url:
        found = everything({name: {"debian": [f"{url}/{name}"]} for name in ("new", "old", "portal", "none")}, "debian")
    assert [(f.late, f.stale) for f in found.values()][:2] == [(0, False), (7 * 86_400, True)]
    assert (found["portal"].cause, found["none"].cause) == ("its InRelease is none", "HTTP 404")


def test_upstream_that_this_host_does_not_know_is_told(farm: Farm) -> None:
    found = everything({"upstream": {}}, "debian")
    assert (found["upstream"].up, found["upstream"].cause) == (False, "there is no apt")


def _builder(*arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "builder", "mirrors", *arguments]
    return subprocess.run(asked, env=environ, capture_output=True, text=True, timeout=60, check=False)


def _trust(folder: Path, *authorities: Path) -> None:
    """Makes both authorities trusted, in the file that SSL_CERT_FILE names already."""
    joint = folder / "joint.pem"
    joint.write_text("".join(a.read_text() for a in authorities))
    os.environ["SSL_CERT_FILE"] = str(joint)  # the fixture of the farm puts it back


class _Front(BaseHTTPRequestHandler):
    """Another name for a mirror: sends everything on to it, or serves its files without knowing ranges."""

    protocol_version = "HTTP/1.1"
    target = ""
    folder = Path()
    way = ""

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        place = self.folder / self.path.lstrip("/")
        body = place.read_bytes() if self.way == "whole" and place.is_file() else b""
        self.send_response(302 if self.way == "redirect" else 200 if body else 404)
        if self.way == "redirect":
            self.send_header("Location", self.target + self.path)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def front(trust: Path, farm: Farm, way: str, *, folder: Path | None = None) -> Iterator[str]:
    """The root of such a mirror, over HTTPS with a certificate of its own authority, which is made trusted."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(trust / "front-ca.pem")
    _trust(trust, farm.ca_pem, trust / "front-ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    target = f"{farm['farm-a'].url}/conda-forge"
    served = folder or farm.channels["conda-forge"].folder
    handler = type("Front", (_Front,), {"target": target, "folder": served, "way": way})
    server = _Secure(context, handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Secure(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.socket: socket.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


@pytest.mark.parametrize(
    ("content", "cause"), [(b"#!/bin/sh\n" + bytes(2000), None), (b"MZ", "what it gives for an installer is none")]
)
def test_the_beginning_of_an_installer_is_read(
    tmp_path: Path, channel: Channel, monkeypatch: pytest.MonkeyPatch, content: bytes, cause: str | None
) -> None:
    folder = tmp_path / "installers"
    folder.mkdir()
    (folder / "Mini.sh").write_bytes(content)
    entry = {"family": "miniconda", "version": "99.0", "python": "3.9", "arch": "amd64", "path": "Mini.sh"}
    known = tmp_path / "installers.json"
    known.write_text(json.dumps([{**entry, "sha256": "0" * 64, "vouched": ["these tests"]}]))
    monkeypatch.setenv("BUILDER_INSTALLERS", str(known))
    with Farm(tmp_path / "farm", channel=channel, installers=folder) as farm, farm.faulty({1: "http_403"}):
        monkeypatch.setenv("SSL_CERT_FILE", str(farm.ca_pem))
        found = everything(farm.entries(), "miniconda")
    assert (found["farm-a"].up, found["farm-a"].cause) == (cause is None, cause)
    assert found["farm-a"].package == "read"
    assert (found["farm-a"].late, found["farm-a"].usable) == (None, cause is None)
    assert found["farm-b"].cause == "HTTP 403"


def test_forms_whose_ends_were_not_compared_are_of_the_same_size(monkeypatch: pytest.MonkeyPatch, farm: Farm) -> None:
    monkeypatch.setattr("builder.adapters.probing.START", 1000)
    monkeypatch.setattr("builder.adapters.conda.repodata_form.START", 1000)
    assert ask(roots_of(farm))["farm-a"].zst == "same size"
