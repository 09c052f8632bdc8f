"""A `.condarc` as the question: each channel's host is diagnosed, and interception is said once."""

from __future__ import annotations

from pathlib import Path

import pytest
from chains import servers
from chains.factory import make, root
from chains.presented import HERE, NOBODY

from builder.adapters.condarc_targets import channels_of, targets_of
from builder.adapters.tls_case import Options
from builder.adapters.tls_doctor import examine
from builder.adapters.tls_doctor_many import examine_all
from builder.errors import RecipeError
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
