"""What is to be typed, by system; and targets as people write them."""

from __future__ import annotations

import pytest
from chains.factory import make, root

from builder.errors import RecipeError
from builder.trust.causes import CAUSES
from builder.trust.certs import Cert, read
from builder.trust.clients import affected
from builder.trust.commands import Family, family_of, file_name, to_set_clock, to_trust
from builder.trust.reached import Target


def the_root(name: str = "Test Root") -> Cert:
    found = read((root() if name == "Test Root" else make(name, ca=True)).der)
    assert found
    return found


@pytest.mark.parametrize(
    ("release", "platform", "family"),
    [
        ({"ID": "debian"}, "linux", "debian"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "linux", "debian"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "linux", "rhel"),
        ({"ID": "alpine"}, "linux", "other"),
        ({}, "darwin", "macos"),
    ],
)
def test_family_is_read_from_os_release(release: dict[str, str], platform: str, family: Family) -> None:
    assert family_of(release, platform) == family


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("debian", "/usr/local/share/ca-certificates/ && sudo update-ca-certificates --fresh"),
        ("rhel", "/etc/pki/ca-trust/source/anchors/ && sudo update-ca-trust extract"),
        ("macos", "security add-trusted-cert"),
        ("other", "-and-all-others.pem"),
    ],
)
def test_each_family_has_its_command(family: Family, text: str) -> None:
    commands = to_trust((the_root(),), "app.site.test", family, conda=True)
    assert any(text in c.text for c in commands)
    assert commands[0].text == "builder doctor app.site.test --pem > test-root.crt"
    assert any((c.where == "conda" and "ssl_verify /" in c.text) or "all-others.pem" in c.text for c in commands)
    assert to_set_clock(family)


def test_file_name_is_one_that_update_ca_certificates_leaves_alone() -> None:
    assert file_name(the_root("Büro (Proxy) Root/../x")) == "b-ro-proxy-root-x"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org", "example.org", 443),
        ("example.org:8443", "example.org", 8443),
        ("https://user:secret@example.org/x?y", "example.org", 443),
        ("https://example.org:444/x", "example.org", 444),
        ("https://example.org/channels.yaml", "example.org", 443),
        ("[::1]:8443", "::1", 8443),
        ("::1", "::1", 443),
        ("bücher.example", "xn--bcher-kva.example", 443),
    ],
)
def test_targets_are_read_as_people_write_them(text: str, host: str, port: int) -> None:
    assert Target.of(text) == Target(host=host, port=port)


@pytest.mark.parametrize(
    "text",
    ["", "https://", "a b", "host:port", "host:99999", "host:0", "[::1", "./ci", ".condarc", "my.condarc", "a.yml"],
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"no host, no URL and no file"):
        Target.of(text)


def test_clients_are_named_for_every_cause_about_certificates() -> None:
    for cause in CAUSES.values():
        if cause.codes or cause.id in ("no-san", "strict", "unreadable-certificate"):
            assert affected(cause.id), cause.id
