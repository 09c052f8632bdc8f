"""The trust layer on bases that trust somebody already: what they trusted is gone from every store, and stays gone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from hashlib import sha256

import image_lab
import pytest
from image_lab import BUNDLE, TRUST_ENV, Lab, root
from trust_step import PKI, SHIPPED, STALE, bundle_of, make_stale_rootfs, rhel_like, with_trust

from builder.adapters.engine.client import Engine
from builder.checks import CHECKS
from builder.models.base import ImageId
from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = pytest.mark.engine

OURS = bundle_of(root("First Root"), root("Second Root"), root("A Root Ünder Quötes (1)"))


@pytest.fixture(scope="module")
def stale(engine: Engine, pytestconfig: pytest.Config) -> Iterator[Lab]:
    """Debian 11 with the roots that it was left with."""
    assert pytestconfig.cache is not None
    try:
        tar = make_stale_rootfs(pytestconfig.cache.mkdir("gate-rootfs"))
    except FileNotFoundError:
        pytest.skip("no mmdebstrap here to make a Debian 11 with")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"mmdebstrap makes no Debian 11: {error.stderr.strip()[-300:]}")
    with image_lab.opened(engine, tar) as opened:
        yield opened


JAVA = "/opt/java/openjdk/lib/security/cacerts"


@pytest.fixture(scope="module")
def old(stale: Lab) -> ImageId:
    """With a Java of its own, too, as images of Java have it."""
    return stale.image({JAVA: "old"})


@pytest.fixture(scope="module")
def debian(stale: Lab, old: ImageId) -> ImageId:
    """With the trust layer on top."""
    return with_trust(stale, old, OURS, "debian", TRUST_ENV)


@pytest.fixture(scope="module", params=[True, False], ids=["with update-ca-trust", "without"])
def rhel(stale: Lab, request: pytest.FixtureRequest) -> ImageId:
    return with_trust(stale, rhel_like(stale, tool=request.param), OURS, "rhel", TRUST_ENV)


def asked(lab: Lab, image: ImageId) -> Answer:
    digest = sha256(OURS.pem.encode()).hexdigest()
    return lab.ask("trust", image, sha256=digest, count=len(OURS.certificates), **CHECKS["trust"].made())


def said(lab: Lab, image: ImageId, *lines: str) -> list[str]:
    """What a shell prints in a container."""
    out: bytes = lab.client.containers.run(
        image, ["sh", "-euc", "\n".join(lines)], remove=True, network_disabled=True, stderr=True
    )
    return out.decode().splitlines()


def after(lab: Lab, image: ImageId, *lines: str) -> ImageId:
    """The image with what a shell did in a container."""
    container = lab.client.containers.run(
        image, ["sh", "-euc", "\n".join(lines)], network_disabled=True, detach=True, environment={"TERM": "dumb"}
    )
    try:
        assert container.wait(timeout=120)["StatusCode"] == 0, container.logs().decode()
        found: str = container.commit(changes='CMD ["true"]').id
    finally:
        container.remove(force=True)
    lab.made.append(found)
    return found  # type: ignore[return-value]


LISTING = "cd /etc/ssl/certs && find . -printf '%p %l\\n' | LC_ALL=C sort"


def test_the_base_did_trust_its_own_roots(stale: Lab) -> None:
    assert len(said(stale, stale.rootfs, LISTING)) > 250
    answer = stale.ask("trust", stale.image({}, TRUST_ENV), count=len(OURS.certificates))
    assert any("certificates, the lock says 3" in problem for problem in answer.evidence["problems"])  # type: ignore[union-attr]


def test_an_end_of_life_base_has_the_new_roots_alone_in_all_its_stores(stale: Lab, debian: ImageId) -> None:
    answer = asked(stale, debian)
    assert answer.outcome is Outcome.PASS, answer.evidence.get("problems")
    assert set(answer.evidence["clients"]) == {"python", "apt-get", "openssl"}  # type: ignore[arg-type]
    trusted = [line.split()[0] for line in said(stale, debian, LISTING) if not line.endswith("/dev/null")]
    assert len([path for path in trusted if path.endswith(".pem")]) == len(OURS.certificates)
    assert len([path for path in trusted if path.endswith(".0")]) == len(OURS.certificates)
    assert said(stale, debian, f"readlink {JAVA}") == ["/etc/ssl/certs/java/cacerts"]
    assert answer.evidence["settings"]["Java's store /etc/ssl/certs/java/cacerts"]  # type: ignore[index, call-overload]


def test_each_certificate_is_a_file_named_by_its_fingerprint_and_together_they_are_the_bundle(
    stale: Lab, debian: ImageId
) -> None:
    lines = said(stale, debian, "cd /usr/local/share/ca-certificates; ls", f"cat * | cmp - {BUNDLE} && echo same")
    assert lines == [*(f"{c.sha256}.crt" for c in OURS.certificates), "same"]


def test_debians_own_tool_gives_the_same_bytes_again_whoever_starts_it(stale: Lab, debian: ImageId) -> None:
    postinst = "/var/lib/dpkg/info/ca-certificates.postinst triggered update-ca-certificates"
    commands = ("update-ca-certificates", "update-ca-certificates --fresh", postinst, f"{postinst}-fresh")
    kept = [f"cp {BUNDLE} /tmp/before", f"{LISTING} > /tmp/links"]
    same = [f"{c}; cmp {BUNDLE} /tmp/before; ({LISTING}) | grep -v null | cmp - /tmp/known" for c in commands]
    again = after(stale, debian, *kept, "grep -v null /tmp/links > /tmp/known", *same)
    answer = asked(stale, again)
    assert answer.outcome is Outcome.PASS, answer.evidence.get("problems")


def test_a_newer_ca_certificates_brings_no_root_of_its_own(stale: Lab, debian: ImageId) -> None:
    """As apt installs it: the answer first, then the unpacked files, then the package's own script."""
    newer = after(
        stale,
        debian,
        f"cat > /usr/share/ca-certificates/mozilla/Newest_Root.crt << 'END'\n{STALE}END",
        "$(apt-config dump | sed -n 's/^DPkg::Pre-Invoke:: \"\\(.*\\)\";$/eval \\1/p')",
        "/var/lib/dpkg/info/ca-certificates.postinst configure 20210119",
        "grep -x '!mozilla/Newest_Root.crt' /etc/ca-certificates.conf",
    )
    answer = asked(stale, newer)
    assert answer.outcome is Outcome.PASS, answer.evidence.get("problems")


def test_without_that_answer_it_would(stale: Lab, debian: ImageId) -> None:
    newer = after(
        stale,
        debian,
        f"cat > /usr/share/ca-certificates/mozilla/Newest_Root.crt << 'END'\n{STALE}END",
        "/var/lib/dpkg/info/ca-certificates.postinst configure 20210119",
    )
    answer = asked(stale, newer)
    assert answer.outcome is Outcome.FAIL
    assert f"{BUNDLE} holds 4 certificates, the lock says 3" in answer.evidence["problems"]  # type: ignore[operator]


def test_somebodys_own_root_still_enters_by_debians_own_way(stale: Lab, debian: ImageId) -> None:
    more = after(
        stale,
        debian,
        f"cat > /usr/local/share/ca-certificates/site.crt << 'END'\n{STALE}END",
        "update-ca-certificates",
    )
    assert said(stale, more, f"grep -c BEGIN {BUNDLE}") == ["4"]


def test_the_step_makes_the_same_layer_twice(stale: Lab, old: ImageId, debian: ImageId) -> None:
    again = with_trust(stale, old, OURS, "debian", TRUST_ENV)
    own = "! -name 'host*' ! -name resolv.conf ! -name mtab"  # the engine's, in every container
    every = f"find /etc /usr/local /usr/lib/ssl -mindepth 1 {own} -printf '%M %p %l %T@\\n' | LC_ALL=C sort"
    assert said(stale, again, every) == said(stale, debian, every)


def test_on_the_rhel_family_every_store_holds_the_new_roots_alone(stale: Lab, rhel: ImageId) -> None:
    answer = asked(stale, rhel)
    assert answer.outcome is Outcome.PASS, answer.evidence.get("problems")
    seen = said(
        stale,
        rhel,
        f"cd {PKI}",
        "for f in extracted/pem/*.pem extracted/openssl/*.crt /etc/pki/tls/cert.pem; do",
        "grep -c 'BEGIN .*CERT' $f; done",
        "readlink /etc/ssl/certs; readlink -f /etc/ssl/certs/ca-certificates.crt",
        "ls source/anchors | wc -l",
    )
    assert seen == ["3"] * 5 + ["../pki/tls/certs", f"{PKI}/extracted/pem/tls-ca-bundle.pem", "4"]  # one is masked


SHIPS = f"cat > {SHIPPED} << 'END'\n[p11-kit-object-v1]\ntrusted: true\nx-distrusted: false\n{STALE}END"
"""What a newer ca-certificates RPM does first: that file is no configuration, and is replaced."""


def test_update_ca_trust_gives_the_same_certificates_again_after_a_newer_package_too(stale: Lab) -> None:
    image = with_trust(stale, rhel_like(stale), OURS, "rhel", TRUST_ENV)
    again = after(stale, image, "update-ca-trust extract", SHIPS, "update-ca-trust extract")
    answer = stale.ask("trust", again, count=len(OURS.certificates), **CHECKS["trust"].made())
    assert answer.outcome is Outcome.PASS, answer.evidence.get("problems")


def test_without_what_p11_kit_is_told_the_shipped_roots_come_back_and_are_found(stale: Lab) -> None:
    image = with_trust(stale, rhel_like(stale), OURS, "rhel", TRUST_ENV)
    untold = "rm /etc/pkcs11/modules/p11-kit-trust.module"
    (problem,) = asked(stale, after(stale, image, untold, SHIPS)).evidence["problems"]  # type: ignore[misc, union-attr]
    assert problem == (
        f"{SHIPPED} is not in the bundle and would enter it with the next run of the distribution's own tool"
    )
    extracted = after(stale, image, untold, SHIPS, "update-ca-trust extract")
    assert said(stale, extracted, f"grep -c BEGIN {BUNDLE}") == ["4"]
