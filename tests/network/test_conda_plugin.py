"""The plugin's adapter with plain requests, against the farm: who is asked, what is read, and what never is."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from farm import FAULTS, Farm
from farm.fixtures import small_channel, small_farm  # noqa: F401 - fixtures

from builder.conda.configuration import plugin_files
from builder.conda.plugin import adapter
from builder.conda.plugin.adapter import Mirrors, fetched_again, mount

pytestmark = pytest.mark.network

INDEX = "linux-64/repodata.json"
BODY_FAULTS = {"slow_drip", "corrupt", "wrong_package", "truncated", "stale_repodata"}
"""What no adapter can tell of a package before its body is read."""


@dataclass
class Client:
    """A session as conda's, and the mirrors that it knows."""

    session: requests.Session
    mirrors: Mirrors
    farm: Farm

    @property
    def first(self) -> str:
        return f"{self.farm.mirrors[0].url}/conda-forge"

    def get(self, path: str, **how: object) -> requests.Response:
        return self.session.get(f"{self.first}/{path}", timeout=(9.15, 60), **how)  # type: ignore[arg-type]

    def package(self) -> str:
        return self.farm.channels["conda-forge"].find("greeting")[0]


@pytest.fixture
def client(small_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:  # noqa: F811
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(adapter, "CONNECT", 0.5)
    monkeypatch.setattr(adapter, "SILENCE", 0.5)
    with requests.Session() as session:
        session.verify = str(small_farm.ca_pem)
        mirrors = Mirrors({"conda-forge": [f"{m.url}/conda-forge" for m in small_farm.mirrors]})
        mount(session, mirrors)
        yield Client(session, mirrors, small_farm)


def whole(farm: Farm, path: str) -> bytes:
    return (farm.channels["conda-forge"].folder / path).read_bytes()


@pytest.mark.parametrize("broken", [1, 2])
@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"slow_drip", "corrupt", "wrong_package", "stale_repodata"}))
def test_index_comes_from_the_mirror_that_is_left(client: Client, fault: str, broken: int) -> None:
    with client.farm.faulty(dict.fromkeys(range(broken), fault)):
        answer = client.get(INDEX)
    assert answer.status_code == 200
    assert answer.content == whole(client.farm, INDEX)
    assert answer.url.startswith(client.farm.mirrors[broken].url)


@pytest.mark.parametrize("broken", [1, 2])
@pytest.mark.parametrize("fault", sorted({*FAULTS} - BODY_FAULTS))
def test_package_comes_from_the_mirror_that_is_left(client: Client, fault: str, broken: int) -> None:
    with client.farm.faulty(dict.fromkeys(range(broken), fault)):
        answer = client.get(client.package(), stream=True)
        assert answer.content == whole(client.farm, client.package())
    assert answer.url.startswith(client.farm.mirrors[broken].url)


def parsed(answer: requests.Response) -> object:
    answer.raise_for_status()
    return answer.json()


@pytest.mark.parametrize("fault", ["refused", "http_503", "expired", "html_200", "http_404"])
def test_without_the_adapter_the_same_request_fails(client: Client, fault: str) -> None:
    with client.farm.faulty({0: fault}), requests.Session() as plain:
        plain.verify = str(client.farm.ca_pem)
        with pytest.raises((requests.RequestException, ValueError)):
            parsed(plain.get(f"{client.first}/{INDEX}", timeout=5))


def test_compressed_index_can_be_read_from_the_raw_answer(client: Client) -> None:
    answer = client.get(f"{INDEX}.zst", stream=True)
    assert answer.raw.read() == whole(client.farm, f"{INDEX}.zst")


@pytest.mark.parametrize("fault", ["unknown_ca", "expired", "wrong_host"])
def test_mirror_that_cannot_be_verified_is_never_read(client: Client, fault: str) -> None:
    with client.farm.faulty(dict.fromkeys(range(3), fault)), pytest.raises(requests.ConnectionError) as error:
        client.get(INDEX)
    assert [mirror.requests for mirror in client.farm.mirrors] == [[], [], []]
    assert str(error.value).count("certificate verify failed") == 3


def test_redirect_to_plain_http_is_not_followed(client: Client) -> None:
    with client.farm.faulty({0: "redirect_to_http"}):
        assert client.get(INDEX).ok
    assert client.farm.plain.requests == []


def test_plain_http_mirrors_are_refused() -> None:
    with pytest.raises(ValueError, match="a mirror is asked over https alone, not http://mirror/c"):
        Mirrors({"c": ["https://one/c", "http://mirror/c"]})


def test_what_names_the_user_goes_to_the_first_mirror_alone(client: Client) -> None:
    private = {"Authorization": "Basic c2VjcmV0", "Cookie": "a=b", "X-Token": "secret"}
    with client.farm.faulty({0: "http_403"}):
        assert client.get(INDEX, headers={**private, "User-Agent": "conda/25.9.1", "If-None-Match": '"x"'}).ok
    (first,), (second,) = client.farm.mirrors[0].requests, client.farm.mirrors[1].requests
    assert private.items() <= first.headers.items()
    assert set(second.headers) == {
        *("Host", "User-Agent", "Accept", "Accept-Encoding", "Connection", "If-None-Match"),
    }
    assert second.headers["User-Agent"] == "conda/25.9.1"


def test_what_is_sent_with_a_body_goes_to_no_other_host(client: Client) -> None:
    with client.farm.faulty({0: "refused"}), pytest.raises(requests.ConnectionError):
        client.session.post(f"{client.first}/{INDEX}", data="secret", timeout=5)
    assert [mirror.requests for mirror in client.farm.mirrors] == [[], [], []]


def test_verification_is_asked_for_as_the_session_does(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every mirror, and with the same client certificate."""
    asked: list[tuple[object, object]] = []
    whole_send = requests.adapters.HTTPAdapter.send

    def send(self: object, request: object, **given: object) -> requests.Response:
        asked.append((given["verify"], given["cert"]))
        return whole_send(self, request, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with client.farm.faulty({0: "http_403", 1: "http_500"}):
        assert client.get(INDEX).ok
    assert asked == [(str(client.farm.ca_pem), None)] * 3


def test_file_that_no_mirror_has_is_the_same_404_as_ever(client: Client) -> None:
    for path in ("noarch/current_repodata.json", "linux-64/nothing-1.0-0.conda"):
        assert client.get(path).status_code == 404
    with client.farm.faulty(dict.fromkeys(range(3), "no_linux_64")):
        assert client.get(INDEX).status_code == 404


@pytest.mark.parametrize("fault", ["refused", "http_403", "http_503"])
def test_repodata_is_missing_only_if_every_mirror_says_so(client: Client, fault: str) -> None:
    """conda takes a 404 of linux-64 for an empty channel, and installs something older from another."""
    with (
        client.farm.faulty({0: "http_404", 1: fault, 2: "http_404"}),
        pytest.raises(requests.ConnectionError, match=r"no mirror gave /linux-64/repodata\.json"),
    ):
        client.get(INDEX)


def test_optional_index_is_missing_when_one_mirror_says_so(client: Client) -> None:
    with client.farm.faulty({1: "refused"}):
        assert client.get("linux-64/current_repodata.json").status_code == 404


@pytest.mark.parametrize("how", ["http_403", "http_404", "refused"])
def test_optional_index_that_every_mirror_refuses_is_refused_as_by_one(client: Client, how: str) -> None:
    """conda alone asks for the plain index then; it does not after a connection that failed."""
    with client.farm.faulty({0: how, 1: "http_403", 2: "http_403"}):
        assert client.get(f"{INDEX}.zst").status_code in (403, 404)
    with client.farm.faulty(dict.fromkeys(range(3), "http_503")), pytest.raises(requests.ConnectionError):
        client.get(f"{INDEX}.zst")


@pytest.mark.parametrize("path", [INDEX, f"{INDEX}.zst"])
def test_garbled_index_comes_from_the_mirror_that_is_left(
    client: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = whole(client.farm, path)
    half = len(content) // 2
    garbled = content[:half] + b"\0\0" + content[half + 2 :]
    monkeypatch.setattr(client.farm.mirrors[0], "content", lambda *_: garbled)
    answer = client.get(path)
    assert answer.content == content
    assert answer.url.startswith(client.farm.mirrors[1].url)


def test_repodata_refused_by_all_is_an_error_that_lists_them(client: Client) -> None:
    with (
        client.farm.faulty({0: "refused", 1: "http_403", 2: "html_200"}),
        pytest.raises(requests.ConnectionError) as error,
    ):
        client.get(INDEX)
    for mirror, why in zip(client.farm.mirrors, ("Connection refused", "HTTP 403", "a page of HTML"), strict=True):
        assert f"{mirror.url}/conda-forge: " in str(error.value)
        assert why in str(error.value)


def test_what_no_mirror_gave_is_said_once_with_every_mirror(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """conda itself shows "HTTP 000 CONNECTION FAILED" and the first mirror alone."""
    with client.farm.faulty({0: "refused", 1: "http_403", 2: "html_200"}):
        for path in (INDEX, "noarch/repodata.json"):
            with pytest.raises(requests.ConnectionError):
                client.get(path)
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(" failed ")[2] for line in said[:3]] == [
        "(Failed to establish a new connection: [Errno 111] Connection refused): asking the next mirror",
        "(HTTP 403): asking the next mirror",
        "(a page of HTML)",
    ]
    (last,) = said[3:]
    assert last.startswith(f"no mirror gave /{INDEX}: ")


def test_news_that_no_mirror_gives_are_no_word_worth(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with client.farm.faulty(dict.fromkeys(range(3), "refused")), pytest.raises(requests.ConnectionError):
        client.get("notices.json")
    assert "no mirror gave" not in caplog.text


@pytest.mark.parametrize(("third", "by_tls"), [("unknown_ca", True), ("refused", False)])
def test_what_fails_by_tls_alone_is_an_error_of_tls(client: Client, third: str, by_tls: bool) -> None:
    """conda tells that as CondaSSLError with our words, and does not advise to try again."""
    with (
        client.farm.faulty({0: "expired", 1: "wrong_host", 2: third}),
        pytest.raises(requests.ConnectionError, match="certificate has expired") as error,
    ):
        client.get(INDEX)
    assert isinstance(error.value, requests.exceptions.SSLError) is by_tls


def test_mirror_that_failed_is_asked_last_from_then_on(client: Client) -> None:
    with client.farm.faulty({0: "http_503"}):
        for _ in range(3):
            assert client.get(INDEX).ok
    assert [len(mirror.requests) for mirror in client.farm.mirrors] == [1, 3, 0]


def test_missing_file_is_no_reason_to_be_asked_last(client: Client) -> None:
    with client.farm.faulty({0: {"*/noarch/*": "http_404"}}):
        assert client.get("noarch/repodata.json").ok
        assert client.get(INDEX).url.startswith(client.first)


def test_black_hole_costs_little_once(client: Client) -> None:
    with client.farm.faulty({0: "black_hole"}):
        begin = time.monotonic()
        assert client.get(INDEX).ok
        first = time.monotonic() - begin
        assert client.get("noarch/repodata.json").ok
    assert 0.4 < first < 2
    assert time.monotonic() - begin - first < 0.4


def test_addresses_of_other_hosts_do_not_pass_through_the_adapter(client: Client) -> None:
    assert not isinstance(client.session.get_adapter("https://example.org/conda-forge/x"), adapter.FailoverAdapter)
    assert not isinstance(
        client.session.get_adapter(f"{client.farm.mirrors[0].url}/t/tk-1/conda-forge/x"), adapter.FailoverAdapter
    )


def test_conda_that_is_offline_stays_so() -> None:
    class Refusing(requests.adapters.BaseAdapter):
        pass

    session = requests.Session()
    session.mount("https://", Refusing())
    mount(session, Mirrors({"c": ["https://one/c", "https://two/c"]}))
    assert isinstance(session.get_adapter("https://one/c/x"), Refusing)


def test_channel_with_one_root_is_left_alone() -> None:
    session = requests.Session()
    mount(session, Mirrors({"c": ["https://one/c"]}))
    assert type(session.get_adapter("https://one/c/x")) is requests.adapters.HTTPAdapter


def test_backend_behind_a_redirect_that_fails_is_that_mirrors_fault(client: Client) -> None:
    """As USTC redirects to TUNA: the first mirror answers, what it points to does not."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        dead = f"https://127.0.0.1:{held.getsockname()[1]}/x"
        client.farm.mirrors[0].plain_url = dead
        with client.farm.faulty({0: "redirect_to_http"}):
            assert client.get(INDEX).url.startswith(client.farm.mirrors[1].url)


class WrongHashError(Exception):
    """As conda's ChecksumMismatchError."""


@pytest.mark.parametrize("broken", [1, 2])
@pytest.mark.parametrize("fault", ["corrupt", "wrong_package", "truncated"])
def test_package_with_a_bad_body_is_fetched_again_elsewhere(
    client: Client, fault: str, broken: int, tmp_path: Path
) -> None:
    path = client.package()
    right = hashlib.sha256(whole(client.farm, path)).hexdigest()

    def download_inner(url: str, target: Path) -> None:
        target.write_bytes(client.session.get(url, stream=True, timeout=5).content)
        if hashlib.sha256(target.read_bytes()).hexdigest() != right:
            raise WrongHashError

    again = fetched_again(download_inner, client.mirrors, (WrongHashError, requests.RequestException))
    with client.farm.faulty({number: {"*.conda": fault} for number in range(broken)}):
        again(f"{client.first}/{path}", tmp_path / "package")
    assert (tmp_path / "package").read_bytes() == whole(client.farm, path)


def test_package_that_is_bad_everywhere_is_given_up(client: Client, tmp_path: Path) -> None:
    asked: list[str] = []

    def download_inner(url: str) -> None:
        asked.append(client.session.get(url, stream=True, timeout=5).url)
        raise WrongHashError

    again = fetched_again(download_inner, client.mirrors, (WrongHashError,))
    with pytest.raises(WrongHashError):
        again(f"{client.first}/{client.package()}")
    assert [url.split("/conda-forge")[0] for url in asked] == [mirror.url for mirror in client.farm.mirrors]


def test_a_full_disk_is_no_mirrors_fault(client: Client) -> None:
    asked: list[str] = []

    def download_inner(url: str) -> None:
        asked.append(client.session.get(url, stream=True, timeout=5).url)
        raise WrongHashError from OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WrongHashError):
        fetched_again(download_inner, client.mirrors, (WrongHashError,))(f"{client.first}/{client.package()}")
    assert len(asked) == 1


STANDIN = Path(__file__).parents[1] / "farm" / "standin"
"""What stands in for conda, which is on no package index; test_real_conda.py asks a real one where there is one."""

ENTRY = "import sys; sys.prefix = sys.argv[1]; from conda.cli import main; sys.exit(main(sys.argv[2:]))"


def conda(farm: Farm, prefix: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the stand-in with the plugin installed beside it, as it is baked."""
    site = prefix / "site-packages"
    roots = [f"{mirror.url}/conda-forge" for mirror in farm.mirrors]
    for file in plugin_files(str(site)):
        Path(file.path).parent.mkdir(parents=True, exist_ok=True)
        Path(file.path).write_text(file.content)
    (prefix / "etc/builder").mkdir(parents=True, exist_ok=True)
    (prefix / "etc/builder/mirrors.json").write_text(json.dumps({"channels": {"conda-forge": roots}}))
    settings = {"CONDA_SSL_VERIFY": str(farm.ca_pem), "CONDA_REMOTE_BACKOFF_FACTOR": "0", "HOME": str(prefix)}
    inherited = {k: v for k, v in os.environ.items() if k not in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    return subprocess.run(
        [sys.executable, "-B", "-c", ENTRY, str(prefix), *argv],
        env={**inherited, **settings, "PYTHONPATH": f"{STANDIN}:{site}", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("fault", ["refused", "expired", "http_403", "html_200"])
def test_plugin_that_conda_finds_by_itself_fails_over(small_farm: Farm, tmp_path: Path, fault: str) -> None:  # noqa: F811
    path = small_farm.channels["conda-forge"].find("greeting")[0]
    with small_farm.faulty({0: fault}):
        done = conda(small_farm, tmp_path, "fetch-for-tests", f"{small_farm.mirrors[0].url}/conda-forge/{path}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sha256"] == hashlib.sha256(whole(small_farm, path)).hexdigest()
    assert f"{small_farm.mirrors[0].url}/conda-forge failed (" in done.stderr


@pytest.mark.parametrize("switch", [{"BUILDER_CONDA_FAILOVER": "0"}, {"CONDA_NO_PLUGINS": "true"}])
def test_plugin_can_be_switched_off(small_farm: Farm, tmp_path: Path, switch: dict[str, str]) -> None:  # noqa: F811
    path = small_farm.channels["conda-forge"].find("greeting")[0]
    url = f"{small_farm.mirrors[0].url}/conda-forge/{path}"
    with small_farm.faulty({0: "refused"}):
        done = conda(small_farm, tmp_path, "fetch-for-tests", url, **switch)
    assert done.returncode == 1
    assert [mirror.requests for mirror in small_farm.mirrors] == [[], [], []]
