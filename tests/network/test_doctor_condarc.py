"""A `.condarc` as the question: each channel's host is diagnosed, and interception is said once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chains import servers
from chains.factory import make, root
from chains.presented import HERE, NOBODY
from chains.scenarios import NAME, good
from typer.testing import CliRunner

from builder.adapters.http.host import proxy_of
from builder.adapters.tls.case import Options
from builder.adapters.tls.condarc_targets import channels_of, proxies_of, targets_of
from builder.adapters.tls.doctor import examine
from builder.adapters.tls.doctor_many import examine_all
from builder.cli.app import app
from builder.errors import HostError, RecipeError
from builder.progress import Silent
from builder.trust.reached import Target

pytestmark = pytest.mark.network


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("channels: [https://a.test/x]", ["https://a.test/x"]),
        ("channels: [conda-forge]", ["https://conda.anaconda.org/conda-forge"]),
        ("channels: [mine]\nchannel_alias: https://a.test/conda/", ["https://a.test/conda/mine"]),
        ("channels: mine, other\nchannel_alias: https://a.test", ["https://a.test/mine", "https://a.test/other"]),
        ("channels: [defaults]\ndefault_channels: [https://a.test/main]", ["https://a.test/main"]),
        ("default_channels: [https://a.test/main]", ["https://a.test/main"]),
        ("channels: [lab]\ncustom_channels: {lab: 'https://a.test'}", ["https://a.test/lab"]),
        (
            "channels: [all]\ncustom_multichannels: {all: [https://a.test/x, https://b.test/y]}",
            ["https://a.test/x", "https://b.test/y"],
        ),
        ("channels: [defaults]", ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]),
    ],
)
def test_channels_are_resolved_as_conda_does(text: str, urls: list[str], tmp_path: Path) -> None:
    path = tmp_path / ".condarc"
    path.write_text(text)
    assert [c.url for c in channels_of(path)] == urls
    assert [c.url for c in channels_of(tmp_path)] == urls, "a folder is as good"


@pytest.mark.parametrize("text", ["", "channels: []", "- a\n- b", "channels: {a: 1}"])
def test_file_without_channels_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / ".condarc"
    path.write_text(text)
    with pytest.raises(RecipeError, match="no channel in there"):
        channels_of(path)


def test_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".condarc"
    path.write_text("channels: [\n\t")
    with pytest.raises(RecipeError, match="cannot be read"):
        channels_of(path)


def test_each_host_is_asked_once_and_plain_http_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / ".condarc"
    path.write_text("channels: [https://a.test/x, https://a.test/y, http://b.test/z]")
    assert targets_of(channels_of(path)) == (Target(host="a.test"),)


def test_one_unknown_issuer_over_unrelated_hosts_is_interception() -> None:
    proxy = root("Inspection Proxy")
    one, two = make("one.test", proxy), make("two.example", proxy)
    with servers.tls((one, proxy)) as first, servers.tls((two, proxy)) as second:
        targets = (Target(host="one.test", port=first.port), Target(host="two.example", port=second.port))
        found = examine_all(targets, Options(address=HERE, against=(), http_port=NOBODY), Silent())
    assert [d.cause for d in found] == ["interception", "interception"]
    assert "CN=Inspection Proxy" in found[0].sentence
    assert "one.test, two.example" in found[0].sentence
    assert [c.der for r in found[0].remedies for c in r.add] == [proxy.der]


def test_hosts_of_one_owner_with_one_unknown_issuer_are_no_interception() -> None:
    own = root("Private Root")
    one, two = make("a.site.test", own), make("b.site.test", own)
    with servers.tls((one, own)) as first, servers.tls((two, own)) as second:
        targets = (Target(host="a.site.test", port=first.port), Target(host="b.site.test", port=second.port))
        found = examine_all(targets, Options(address=HERE, against=(), http_port=NOBODY), Silent())
    assert [d.cause for d in found] == ["root-sent-along", "root-sent-along"]


def test_another_port_of_the_same_host_is_no_witness_of_interception() -> None:
    own = root("Private Root")
    with servers.tls((make(HERE, own),)) as asked, servers.tls((make(HERE, own),)) as other:
        options = Options(address=HERE, against=(f"https://{other}",), http_port=NOBODY)
        found = examine(Target(host=HERE, port=asked.port), options)
    assert found.cause == "unknown-root"


def test_one_host_is_compared_with_others_to_tell_interception(tmp_path: Path) -> None:
    """127.0.0.1 stands for the other host: its certificate is of the same unknown issuer."""
    proxy = root("Inspection Proxy")
    with servers.tls((make("one.test", proxy),)) as asked, servers.tls((make(HERE, proxy),)) as other:
        options = Options(address=HERE, against=(f"https://{other}",), http_port=NOBODY)
        found = examine(Target(host="one.test", port=asked.port), options)
    assert found.cause == "interception"
    assert "(one.test, 127.0.0.1)" in found.sentence


FILE, OWN, ENV = "http://file:1", "http://own:1", "http://env:1"
SERVERS = [
    {},
    {"https": FILE},
    {"http": FILE},
    {"all": FILE},
    {"https": FILE, "https://a.test": OWN},
    {"https": FILE, "https://b.test": OWN},
    {"all": FILE, "all://a.test": OWN},
    {"https": ""},
    {"https://a.test": OWN, "all": FILE},
]


@pytest.mark.parametrize("servers", SERVERS, ids=str)
@pytest.mark.parametrize(
    "environment", [{}, {"https_proxy": ENV}, {"all_proxy": ENV}, {"https_proxy": ENV, "no_proxy": "a.test"}], ids=str
)
def test_proxy_of_a_channel_is_the_one_that_requests_takes(
    servers: dict[str, str], environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """conda hands `proxy_servers` to each request: `session.get(url, proxies=session.proxies)` [S]."""
    import requests
    from requests.utils import select_proxy

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / ".condarc"
    path.write_text(json.dumps({"channels": ["https://a.test/x"], "proxy_servers": servers}))
    url = "https://a.test/x"
    settings = requests.Session().merge_environment_settings(url, dict(servers), None, None, None)
    wanted = select_proxy(url, settings["proxies"]) or None
    ours = proxies_of(path).get(Target(host="a.test"))
    assert (proxy_of(url) if ours is None else ours or None) == wanted


def test_channels_are_asked_by_the_proxy_of_the_file_and_it_is_shown_without_its_login(tmp_path: Path) -> None:
    with servers.tls(good().sent) as there, servers.connect_proxy() as (proxy, asked):
        path = tmp_path / ".condarc"
        url = f"https://{NAME}:{there.port}/x"
        path.write_text(f"channels: [{url}]\nproxy_servers:\n  https: http://someone:secret@{proxy}\n")
        bundle = tmp_path / "roots.pem"
        bundle.write_text(root().pem)
        words = ["doctor", str(path), "--bundle", str(bundle), "--against", f"https://{HERE}:9"]
        done, as_json = (CliRunner().invoke(app, [*words, *more]) for more in ((), ("--json",)))
    assert (done.exit_code, as_json.exit_code) == (0, 0), done.output
    assert set(asked) == {f"{NAME}:{there.port}"}
    assert f" by the proxy http://{proxy} that proxy_servers names, TLS" in done.stdout
    assert json.loads(as_json.stdout)["hosts"][0]["proxy"] == f"http://{proxy}"
    assert "secret" not in done.output + as_json.output


def test_table_of_several_channels_names_the_proxy_of_each(tmp_path: Path) -> None:
    with servers.tls(good().sent) as one, servers.tls(good().sent) as two, servers.connect_proxy() as (proxy, _):
        path = tmp_path / ".condarc"
        urls = ", ".join(f'"https://{NAME}:{s.port}/x"' for s in (one, two))
        path.write_text(f"channels: [{urls}]\nproxy_servers: {{https: 'http://someone:secret@{proxy}'}}\n")
        bundle = tmp_path / "roots.pem"
        bundle.write_text(root().pem)
        done = CliRunner().invoke(app, ["doctor", str(path), "--bundle", str(bundle)], env={"COLUMNS": "150"})
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["host", "cause", "proxy"]
    assert [line[1:] for line in lines[1:]] == [["verifies", f"http://{proxy}"]] * 2


def test_socks_proxy_of_the_environment_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1080")
    done = CliRunner().invoke(app, ["doctor", "a.test"])
    assert done.exit_code == 14
    assert "error: a SOCKS proxy cannot be used\n" in done.stderr
    assert "to do: name an HTTP proxy in HTTPS_PROXY, which goes before ALL_PROXY" in done.stderr


def test_channel_whose_proxy_is_empty_is_asked_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    own = make("localhost", root())
    with servers.tls((own,)) as there:
        path = tmp_path / ".condarc"
        path.write_text(f'channels: ["https://localhost:{there.port}/x"]\nproxy_servers: {{https: ""}}\n')
        proxies = proxies_of(path)
        (target,) = targets_of(channels_of(path))
        found = examine(target, Options(proxies=proxies, against=(), http_port=NOBODY))
    assert (found.cause, found.reached.proxy) == ("unknown-root", None)


def test_socks_proxy_of_a_file_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / ".condarc"
    path.write_text("channels: [https://a.test/x]\nproxy_servers: {https: 'socks5://me:secret@127.0.0.1:1'}\n")
    with pytest.raises(HostError, match="a SOCKS proxy cannot be used") as caught:
        proxies_of(path)
    assert (caught.value.where, caught.value.seen) == (f"{path}: proxy_servers", "socks5://127.0.0.1:1")
