"""The farm itself: its packages are conda's, its mirrors serve and fail as they say, its Python runs anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from farm import FAULTS, PLACEHOLDER, Farm, make_channel, make_installer, small_packages
from farm.channel import Channel
from farm.fixtures import farm_channel, farm_installer, full_farm, python39, small_channel, small_farm  # noqa: F401
from farm.installer import make_payload
from farm.python39 import make_python
from rattler import Client, Gateway, MatchSpec, VirtualPackage, install, solve

from builder.conda.configuration import plugin_files

pytestmark = pytest.mark.network

UV = Path(sys.executable).with_name("uv")

EXPECTED = {
    "refused": "ConnectionError",
    "black_hole": "ReadTimeout",
    "slow_drip": "slow",
    "http_403": "403",
    "http_404": "404",
    "http_429": "429 Retry-After 1",
    "http_500": "500",
    "http_503": "503",
    "html_200": "200 text/html; charset=utf-8",
    "truncated": "ChunkedEncodingError",
    "corrupt": "other bytes of the right size",
    "wrong_package": "other bytes of the right size",
    "stale_repodata": "right",
    "no_linux_64": "404",
    "expired": "certificate has expired",
    "wrong_host": "IP address mismatch",
    "unknown_ca": "unable to get local issuer certificate",
    "handshake_cut": "EOF",
    "redirect_loop": "TooManyRedirects",
    "redirect_to_http": "right",
}
"""What requests sees of each fault when it asks for a package."""


@pytest.fixture
def session(small_farm: Farm) -> Iterator[requests.Session]:  # noqa: F811
    with requests.Session() as opened:
        opened.verify, opened.trust_env = str(small_farm.ca_pem), False
        yield opened


def seen(session: requests.Session, url: str, record: dict[str, object]) -> str:
    """What a client of this address sees, in the words of EXPECTED."""
    try:
        with session.get(url, timeout=0.5, stream=True) as response:
            if response.status_code != 200:
                after = response.headers.get("Retry-After")
                return f"{response.status_code} Retry-After {after}" if after else str(response.status_code)
            if response.headers["Content-Type"].startswith("text/"):
                return f"200 {response.headers['Content-Type']}"
            began = time.monotonic()
            content = b""
            for chunk in response.iter_content(32):
                content += chunk
                if time.monotonic() - began > 0.6 and len(content) < 200:
                    return "slow"
    except requests.exceptions.RequestException as error:
        texts = ("has expired", "IP address mismatch", "unable to get local issuer", "EOF")
        return next(
            (f for f in EXPECTED.values() if any(t in str(error) and t in f for t in texts)), type(error).__name__
        )
    if hashlib.sha256(content).hexdigest() == record["sha256"]:
        return "right"
    return "other bytes of the right size" if len(content) == record["size"] else f"{len(content)} bytes"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_client_sees_each_fault_as_that_fault_and_none_after_it(
    fault: str,
    small_farm: Farm,  # noqa: F811
    session: requests.Session,
) -> None:
    path, record = small_farm.channels["conda-forge"].find("zlib")
    mirror, other = small_farm.mirrors[:2]
    assert seen(session, f"{mirror.url}/conda-forge/{path}", dict(record)) == "right"
    mirror.fault = fault
    assert seen(session, f"{mirror.url}/conda-forge/{path}", dict(record)) == EXPECTED[fault]
    assert len(small_farm.plain.requests) == (fault == "redirect_to_http")
    assert seen(session, f"{other.url}/conda-forge/{path}", dict(record)) == "right"
    mirror.fault = ""
    assert seen(session, f"{mirror.url}/conda-forge/{path}", dict(record)) == "right"


def test_every_fault_has_an_expectation() -> None:
    assert set(EXPECTED) == set(FAULTS)


def test_a_fault_for_a_pattern_leaves_other_paths_alone(small_farm: Farm, session: requests.Session) -> None:  # noqa: F811
    mirror = small_farm.mirrors[0]
    mirror.fault = {"*.conda": "http_503"}
    path, _ = small_farm.channels["conda-forge"].find("openssl")
    assert session.get(f"{mirror.url}/conda-forge/{path}").status_code == 503
    assert session.get(f"{mirror.url}/conda-forge/linux-64/repodata.json").status_code == 200


def test_a_fault_that_does_not_exist_is_refused(small_farm: Farm) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="no such fault: http_418"):
        small_farm.mirrors[0].fault = "http_418"
    with pytest.raises(ValueError, match="a certificate knows no path: expired"):
        small_farm.mirrors[0].fault = {"*": "expired"}


@pytest.mark.parametrize("name", ["repodata.json", "repodata.json.zst"])
def test_stale_repodata_lacks_the_newest_release(name: str, small_farm: Farm, session: requests.Session) -> None:  # noqa: F811
    import zstandard

    mirror = small_farm.mirrors[0]
    versions = []
    for fault in ("", "stale_repodata"):
        mirror.fault = fault
        content = session.get(f"{mirror.url}/conda-forge/linux-64/{name}").content
        text = zstandard.decompress(content) if name.endswith("zst") else content
        versions.append({r["version"] for r in json.loads(text)["packages.conda"].values() if r["name"] == "openssl"})
    assert versions == [{"3.5.3", "3.5.4"}, {"3.5.3"}]


def test_a_mirror_answers_ranges_conditions_and_head(small_farm: Farm, session: requests.Session) -> None:  # noqa: F811
    url = f"{small_farm.mirrors[0].url}/conda-forge/noarch/repodata.json"
    whole = session.get(url)
    part = session.get(url, headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, whole.content[4:10])
    assert session.get(url, headers={"Range": "bytes=-3"}).content == whole.content[-3:]
    assert session.get(url, headers={"Range": "bytes=999999-"}).status_code == 416
    assert session.get(url, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert session.get(url, headers={"If-Modified-Since": whole.headers["Last-Modified"]}).status_code == 304
    head = session.head(url)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(whole.content)))
    assert [r.method for r in small_farm.mirrors[0].requests][-1] == "HEAD"


def test_a_rate_holds_over_all_connections(small_farm: Farm, session: requests.Session) -> None:  # noqa: F811
    from concurrent.futures import ThreadPoolExecutor

    mirror = small_farm.mirrors[0]
    path, record = small_farm.channels["conda-forge"].find("bigmath")
    mirror.rate = 8e6
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: session.get(f"{mirror.url}/conda-forge/{path}").content, range(2)))
    rate = 2 * record["size"] / (time.monotonic() - began)
    assert 5e6 < rate < 8.8e6


def test_two_makings_of_a_channel_have_the_same_bytes(small_channel: Channel, tmp_path: Path) -> None:  # noqa: F811
    again = make_channel(tmp_path / "again", small_packages())
    assert again.records == small_channel.records
    for file in (*again.filenames, "linux-64/repodata.json", "noarch/repodata.json.zst"):
        assert (again.folder / file).read_bytes() == (small_channel.folder / file).read_bytes()


def test_the_mirrors_file_names_what_each_carries(small_farm: Farm, tmp_path: Path) -> None:  # noqa: F811
    from ruamel.yaml import YAML

    written = YAML(typ="safe").load(small_farm.mirrors_yaml(tmp_path / "mirrors.yaml"))
    assert list(written) == ["farm-a", "farm-b", "farm-c"]
    assert written["farm-b"] == {"conda": {"conda-forge": f"{small_farm['farm-b'].url}/conda-forge"}}


async def _environment(farm: Farm, names: tuple[str, ...], folder: Path) -> Path:
    client = Client(timeout=20)
    gateway = Gateway(cache_dir=folder / "cache", client=client)
    records = await solve(
        sources=[f"{farm.mirrors[0].url}/conda-forge"],
        specs=[MatchSpec(name) for name in names],
        gateway=gateway,
        platforms=["linux-64", "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(records, target_prefix=folder / "prefix", cache_dir=folder / "packages", client=client)
    return folder / "prefix"


@pytest.fixture(scope="module")
def environment(farm_channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The default channel's packages, solved and installed by rattler, which trusts the farm by SSL_CERT_FILE."""
    folder = tmp_path_factory.mktemp("environment")
    with Farm(folder / "farm", channel=farm_channel) as started, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(started.ca_pem))
        return asyncio.run(_environment(started, ("hello-conda", "farm-native", "post-linked", "bigcuda"), folder))


def test_rattler_does_not_trust_the_farm_of_itself(farm_channel: Channel, tmp_path: Path) -> None:  # noqa: F811
    with (
        Farm(tmp_path / "farm", channel=farm_channel, mirrors=1) as started,
        pytest.raises(Exception, match="UnknownIssuer"),
    ):
        asyncio.run(_environment(started, ("tzdata",), tmp_path))


def run(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_rattler_installs_the_channel_and_its_python_runs(environment: Path) -> None:
    python = environment / "bin/python3.9"
    code = "import ssl, sqlite3, ctypes, lzma, bz2, readline, curses, uuid, decimal, sys; print(sys.prefix)"
    assert run(python, "-I", "-c", code) == str(environment)
    assert run(environment / "bin/hello-conda") == f"hello from {environment}"
    assert run(python, "-I", "-c", "import farm_native as f, hello_conda as h; print(f.PREFIX, h.__version__)") == (
        f"{environment} 1.1.0"
    )


def test_prefixes_are_replaced_in_text_and_in_binaries(environment: Path) -> None:
    assert run(environment / "bin/greeting") == "hello"
    binary = (environment / "lib/greeting.bin").read_bytes()
    assert f"{environment}/share/greeting\0".encode() in binary
    assert PLACEHOLDER.encode() not in binary
    assert (environment / "lib/libfarmz.so.1").readlink() == Path("libfarmz.so.1.3.1")


def test_its_sysconfig_and_paths_are_those_of_a_plain_python(environment: Path) -> None:
    code = (
        "import json, site, sysconfig; from distutils.sysconfig import get_python_lib; "
        "print(json.dumps([site.getsitepackages(), sysconfig.get_path('purelib'), get_python_lib(), "
        "sysconfig.get_config_var('LIBDIR'), sysconfig.get_config_var('prefix')]))"
    )
    packages = f"{environment}/lib/python3.9/site-packages"
    assert json.loads(run(environment / "bin/python", "-I", "-c", code)) == [
        [packages], packages, packages, f"{environment}/lib", str(environment),
    ]  # fmt: skip


def test_its_venv_works_and_uv_installs_into_a_prefix_with_it(environment: Path, tmp_path: Path) -> None:
    run(environment / "bin/python", "-m", "venv", "--without-pip", tmp_path / "venv")
    venv = run(tmp_path / "venv/bin/python", "-c", "import sys, ssl; print(sys.prefix, sys.base_prefix)")
    assert venv == f"{tmp_path}/venv {environment}"
    argv = (UV, "pip", "install", "--quiet", "--python", environment / "bin/python", "--prefix", tmp_path / "into")
    run(*argv, "--no-deps", "--offline", "--no-index", wheel(tmp_path))
    assert (tmp_path / "into/lib/python3.9/site-packages/farm_wheel.py").read_text() == "ANSWER = 42\n"


def wheel(folder: Path) -> Path:
    """The smallest wheel."""
    info, made = "farm_wheel-1.0.dist-info", folder / "farm_wheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("farm_wheel.py", "ANSWER = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: farm-wheel\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return made


def test_the_farm_serves_wheels_as_an_index(tmp_path: Path) -> None:
    made = wheel(tmp_path)
    with Farm(tmp_path / "farm", wheels=tmp_path) as started, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(started.ca_pem))
        (index,) = started.entries()["farm-c"]["pypi"]  # type: ignore[misc]
        run(
            UV,
            "pip",
            "install",
            "--quiet",
            "--no-cache",
            "--default-index",
            index,
            "--target",
            tmp_path / "t",
            "farm-wheel",
        )
        assert started.mirrors[2].paths[0] == "/simple/farm-wheel/"
        assert f"/files/{made.name}" in started.mirrors[2].paths
    assert (tmp_path / "t/farm_wheel.py").is_file()


@pytest.fixture(scope="module")
def installed(farm_installer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The installer's prefix."""
    folder = tmp_path_factory.mktemp("installed")
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    argv = ["sh", farm_installer, "-b", "-p", folder / "conda"]
    subprocess.run(argv, env=env, check=True, capture_output=True, timeout=120)
    assert (folder / ".conda/environments.txt").read_text() == f"{folder}/conda\n"
    return folder / "conda"


def test_the_installer_lays_a_prefix_as_miniconda_does(installed: Path) -> None:
    assert run(installed / "bin/conda", "--version") == "conda 25.9.1 (stand-in of builder's tests)"
    assert json.loads(run(installed / "condabin/conda", "info", "--json"))["root_prefix"] == str(installed)
    assert run(installed / "bin/python", "-c", "import requests, ruamel.yaml, sys; print(sys.prefix)") == str(installed)
    assert len(list(installed.rglob("cacert.pem"))) == 5
    assert list(installed.rglob("requests/__pycache__/*.pyc"))
    assert re.match(r"==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <==\n# cmd: ", (installed / "conda-meta/history").read_text())
    for record in map(json.loads, (p.read_text() for p in (installed / "conda-meta").glob("*.json"))):
        assert [f for f in record["files"] if not (installed / f).exists()] == []
    assert [p for p in installed.rglob("*") if p.is_file() and PLACEHOLDER.encode() in p.read_bytes()] == []


def test_its_profile_gives_conda_to_a_shell(installed: Path) -> None:
    shell = f". {installed}/etc/profile.d/conda.sh && conda activate base && python --version && conda --version"
    assert run("env", "-i", "PATH=/usr/bin:/bin", "sh", "-euc", shell).splitlines()[0] == "Python 3.9.2"


def test_the_installer_refuses_what_it_should(farm_installer: Path, installed: Path, tmp_path: Path) -> None:  # noqa: F811
    damaged = tmp_path / "damaged.sh"
    content = farm_installer.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for file, options, message in (
        (farm_installer, ["-b", "-p", installed], "already exists"),
        (farm_installer, ["-b", "-u", "-p", installed], "-u is for a prefix that exists"),
        (farm_installer, ["-p", tmp_path / "new"], "run it with -b"),
        (damaged, ["-b", "-p", tmp_path / "new"], "md5sum mismatch"),
    ):
        done = subprocess.run(["sh", file, *options], capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "new").exists()


PLUGIN = """
import conda.plugins
from conda.gateways.connection.session import get_session
from requests.adapters import HTTPAdapter


class Other(HTTPAdapter):
    def send(self, request, **kwargs):
        request.url = request.url.replace("DEAD", "GOOD")
        return super().send(request, **kwargs)


def mount(command):
    get_session("").mount("DEAD", Other())


@conda.plugins.hookimpl
def conda_pre_commands():
    yield conda.plugins.CondaPreCommand(name="farm", action=mount, run_for={"create"})
"""


def test_a_plugin_of_the_stand_in_can_mount_its_adapter(
    installed: Path,
    full_farm: Farm,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead, good = full_farm.mirrors[:2]
    dead.fault = "refused"
    path, record = full_farm.channels["conda-forge"].find("zlib")
    argv = (installed / "bin/conda", "fetch-for-tests", f"{dead.url}/conda-forge/{path}")
    monkeypatch.setenv("CONDA_SSL_VERIFY", str(full_farm.ca_pem))
    monkeypatch.setenv("CONDA_REMOTE_MAX_RETRIES", "0")
    for stronger in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(stronger, raising=False)
    without = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (without.returncode, json.loads(without.stdout)["error"]) == (1, "ConnectionError")
    packages = installed / "lib/python3.9/site-packages"
    (packages / "farm_plugin.py").write_text(PLUGIN.replace("DEAD", dead.url).replace("GOOD", good.url))
    (packages / "farm_plugin-1.dist-info").mkdir()
    (packages / "farm_plugin-1.dist-info/entry_points.txt").write_text("[conda]\nfarm = farm_plugin\n")
    (packages / "farm_plugin-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: farm-plugin\nVersion: 1\n")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout)
    assert (answer["sha256"], answer["size"]) == (record["sha256"], record["size"])
    assert good.requests[0].headers["User-Agent"].startswith("conda/25.9.1")


def test_the_stand_in_verifies_what_it_fetches(
    installed: Path,
    full_farm: Farm,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, record = full_farm.channels["conda-forge"].find("zlib")
    argv = (
        installed / "bin/conda",
        "fetch-for-tests",
        f"{full_farm.mirrors[2].url}/conda-forge/{path}",
        record["sha256"],
    )
    monkeypatch.setenv("CONDA_SSL_VERIFY", str(full_farm.ca_pem))
    for stronger in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(stronger, raising=False)
    assert json.loads(run(*argv))["sha256"] == record["sha256"]
    for fault, expected in (("corrupt", "ChecksumMismatchError"), ("http_403", "CondaHTTPError")):
        full_farm.mirrors[2].fault = fault
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, json.loads(done.stdout)["error"]) == (1, expected)


@pytest.mark.parametrize("fault", ["refused", "expired", "http_403", "html_200", "truncated", "corrupt"])
def test_the_baked_plugin_lets_the_stand_in_fetch_past_a_bad_mirror(
    fault: str,
    installed: Path,
    full_farm: Farm,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stand-in has what the plugin touches of conda; that conda itself has it, only a real one can show."""
    roots = [f"{mirror.url}/conda-forge" for mirror in full_farm.mirrors]
    for file in plugin_files(f"{installed}/lib/python3.9/site-packages"):
        Path(file.path).parent.mkdir(exist_ok=True)
        Path(file.path).write_text(file.content)
    (installed / "etc/builder").mkdir(exist_ok=True)
    (installed / "etc/builder/mirrors.json").write_text(json.dumps({"channels": {"conda-forge": roots}}))
    path, record = full_farm.channels["conda-forge"].find("zlib")
    argv = (installed / "bin/conda", "fetch-for-tests", f"{roots[0]}/{path}", record["sha256"])
    monkeypatch.setenv("CONDA_SSL_VERIFY", str(full_farm.ca_pem))
    monkeypatch.setenv("CONDA_REMOTE_MAX_RETRIES", "0")
    for stronger in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(stronger, raising=False)
    full_farm.mirrors[0].fault = fault
    assert json.loads(run(*argv))["sha256"] == record["sha256"]
    assert full_farm.mirrors[1].paths == [f"/conda-forge/{path}"]
    monkeypatch.setenv("BUILDER_CONDA_FAILOVER", "0")
    without = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (without.returncode, "error" in json.loads(without.stdout)) == (1, True)


def test_the_stand_in_reads_the_condarc_of_its_root(installed: Path) -> None:
    (installed / ".condarc").write_text("channels: [https://mirror.example/conda-forge]\nssl_verify: /etc/ca.pem\n")
    shown = json.loads(run(installed / "bin/conda", "config", "--show", "--json"))
    (installed / ".condarc").unlink()
    assert (shown["channels"], shown["ssl_verify"]) == (["https://mirror.example/conda-forge"], "/etc/ca.pem")


def test_the_installer_is_served_by_every_mirror(full_farm: Farm, farm_installer: Path) -> None:  # noqa: F811
    for kind in ("miniconda", "miniforge"):
        url = f"{full_farm.mirrors[1].url}/{kind}/{farm_installer.name}"
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(url, verify=str(full_farm.ca_pem)).content == farm_installer.read_bytes()


def test_a_real_installer_takes_the_stand_ins_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "Miniconda3-real.sh"
    real.write_text("#!/bin/sh\n")
    monkeypatch.setenv("BUILDER_TEST_INSTALLER", str(real))
    assert make_installer(tmp_path / "folder") == tmp_path / "folder/Miniconda3-real.sh"


@pytest.mark.upstream
def test_python_and_the_installers_payload_are_the_same_bytes_each_time(python39: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "bench").mkdir()
    assert make_python(tmp_path / "bench").read_bytes() == python39.read_bytes()
    assert make_payload("25.9.1", python39) == make_payload("25.9.1", python39)
