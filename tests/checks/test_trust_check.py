from __future__ import annotations

import hashlib
import ssl
import struct

import pytest
from image_lab import BUNDLE, TRUST_ENV, Files, Lab, Link, root

from builder.checks import CHECKS
from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = pytest.mark.engine

ROOTS = [root("First Root"), root("Second Root")]
GOOD = "".join(ROOTS)
WAYS = ("", " without the image's variables")
SITE = "/usr/lib/python3/dist-packages"


def asked(lab: Lab, bundle: str = GOOD, more: Files | None = None, **env: str | None) -> Answer:
    """The check's answer about an image with this bundle, these files and these changes of the environment."""
    merged = {name: value for name, value in {**TRUST_ENV, **env}.items() if value is not None}
    image = lab.image({BUNDLE: bundle, **(more or {})}, merged)
    return lab.ask("trust", image, sha256=hashlib.sha256(bundle.encode()).hexdigest(), count=2)


def problems(answer: Answer) -> list[str]:
    assert answer.outcome is Outcome.FAIL
    return answer.evidence["problems"]  # type: ignore[return-value]


def test_sound_bundle_that_every_setting_points_at_passes(lab: Lab) -> None:
    files = {
        "/usr/lib/ssl/cert.pem": Link(BUNDLE),
        "/etc/wgetrc": f"# one bundle\nca_certificate = {BUNDLE}\ncheck_certificate = on\n",
        "/etc/pip.conf": f"[global]\ncert = {BUNDLE}\n",
        "/etc/gitconfig": f"[http]\n\tsslCAInfo = {BUNDLE}\n\tsslVerify = true\n",
        "/etc/apt/apt.conf.d/99trust": f'Acquire::https::CAInfo "{BUNDLE}";\n',
        "/root/.condarc": f"ssl_verify: {BUNDLE}\n",
        f"{SITE}/certifi/cacert.pem": Link(BUNDLE),
        f"{SITE}/pip/_vendor/certifi/cacert.pem": root("Another"),
    }
    answer = asked(lab, more=files)
    assert answer.outcome is Outcome.PASS, answer
    assert answer.summary == f"2 trust anchors in {BUNDLE}, none expired; 16 settings point at it"


def test_expired_root_fails(lab: Lab) -> None:
    answer = asked(lab, ROOTS[0] + root("Old Root", days=-10))
    (problem,) = problems(answer)
    assert problem.startswith(f"certificate 2 of {BUNDLE} (Old Root) expired on 20")


def test_root_that_is_not_valid_yet_fails(lab: Lab) -> None:
    (problem,) = problems(asked(lab, ROOTS[0] + root("Future Root", begun=-10)))
    assert "(Future Root) is not valid before 20" in problem
    assert problem.endswith("is the clock right?")


def test_root_that_is_there_twice_fails(lab: Lab) -> None:
    assert problems(asked(lab, GOOD + ROOTS[0])) == [
        f"certificate 3 of {BUNDLE} (First Root) is the same as certificate 1"
    ]


def test_certificate_that_is_no_authority_fails(lab: Lab) -> None:
    got = problems(asked(lab, GOOD + root("A server", authority=False)))
    assert got == [f"certificate 3 of {BUNDLE} is no CA certificate"]


def test_certificate_that_does_not_parse_fails(lab: Lab) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (problem,) = problems(asked(lab, GOOD + broken))
    assert problem.startswith(f"certificate 3 of {BUNDLE} does not parse: ")


def test_pins_of_the_recipe_are_in_the_image(lab: Lab) -> None:
    given = {"sha256": hashlib.sha256(GOOD.encode()).hexdigest(), "count": 2, "pins": "the pins\n"}
    lacking = lab.ask("trust", lab.image({BUNDLE: GOOD}, TRUST_ENV), **given)
    assert problems(lacking) == ["/etc/builder/pins.json does not hold the recipe's pins"]
    pinned = lab.image({BUNDLE: GOOD, "/etc/builder/pins.json": "the pins\n"}, TRUST_ENV)
    assert lab.ask("trust", pinned, **given).outcome is Outcome.PASS


def test_bundle_of_another_lock_fails(lab: Lab) -> None:
    image = lab.image({BUNDLE: GOOD}, TRUST_ENV)
    got = problems(lab.ask("trust", image, sha256="0" * 64, count=3))
    assert got[0].startswith(f"{BUNDLE} is not the lock's bundle: sha256 ")
    assert got[1] == f"{BUNDLE} holds 2 certificates, the lock says 3"


def test_missing_bundle_fails(lab: Lab) -> None:
    answer = lab.ask("trust", lab.image({}, TRUST_ENV))
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, f"there is no CA bundle at {BUNDLE}")


def test_empty_bundle_fails(lab: Lab) -> None:
    answer = lab.ask("trust", lab.image({BUNDLE: "# nothing\n"}, TRUST_ENV))
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, f"{BUNDLE} holds no certificate")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "SSL_CERT_DIR",
            "/etc/ssl/certs",
            "SSL_CERT_DIR is set ('/etc/ssl/certs'): curl 7.88 then ignores SSL_CERT_FILE",
        ),
        ("CURL_CA_BUNDLE", "/etc/other.pem", f"CURL_CA_BUNDLE is /etc/other.pem, not {BUNDLE}"),
        ("AWS_CA_BUNDLE", "/nowhere", f"AWS_CA_BUNDLE is /nowhere, not {BUNDLE}"),
        ("SSL_CERT_FILE", None, "SSL_CERT_FILE is not set"),
        ("PYTHONHTTPSVERIFY", "0", "PYTHONHTTPSVERIFY is set ('0'): verification is off"),
        ("GIT_SSL_NO_VERIFY", "1", "GIT_SSL_NO_VERIFY is set ('1'): verification is off"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0", "NODE_TLS_REJECT_UNAUTHORIZED is set ('0'): verification is off"),
        ("CONDA_SSL_VERIFY", "", "CONDA_SSL_VERIFY is set (''): verification is off"),
        ("PIP_TRUSTED_HOST", "mirror", "PIP_TRUSTED_HOST is set ('mirror'): verification is off"),
    ],
)
def test_environment_that_points_elsewhere_or_switches_off_fails(
    lab: Lab, name: str, value: str | None, problem: str
) -> None:
    got = problems(asked(lab, more={"/etc/other.pem": ROOTS[0]}, **{name: value}))
    assert len(got) == 1
    assert got[0].startswith(problem)


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        (
            "/etc/pip.conf",
            "[global]\ncert = /etc/other.pem\n",
            f"cert in /etc/pip.conf is /etc/other.pem, not {BUNDLE}",
        ),
        ("/etc/pip.conf", "[global]\ntrusted-host = a b\n", "trusted-host in /etc/pip.conf is set ('a b'): "),
        ("/etc/wgetrc", "check_certificate = off\n", "check_certificate in /etc/wgetrc is 'off': verification is off"),
        ("/etc/wgetrc", "ca_certificate=/etc/other.pem\n", "ca_certificate in /etc/wgetrc is /etc/other.pem, not "),
        ("/root/.curlrc", "insecure\n", "insecure in /root/.curlrc is set (''): verification is off"),
        (
            "/etc/gitconfig",
            "[http]\n\tsslVerify = false\n",
            "sslVerify in /etc/gitconfig is 'false': verification is off",
        ),
        ("/root/.npmrc", "strict-ssl=false\n", "strict-ssl in /root/.npmrc is 'false': verification is off"),
        ("/opt/conda/.condarc", "ssl_verify:\n", "ssl_verify in /opt/conda/.condarc is '': verification is off"),
        ("/opt/conda/.condarc", "verify_ssl: no\n", "verify_ssl in /opt/conda/.condarc is 'no': verification is off"),
        (
            "/etc/apt/apt.conf.d/99x",
            'Acquire::https::Verify-Peer "false";\n',
            "apt's Acquire::https::Verify-Peer is 'false': verification is off",
        ),
        (
            "/etc/apt/apt.conf.d/99x",
            'Acquire::https::mirror::CAInfo "/etc/other.pem";\n',
            f"apt's Acquire::https::mirror::CAInfo is /etc/other.pem, not {BUNDLE}",
        ),
        (
            "/usr/lib/ssl/cert.pem",
            ROOTS[0],
            "OpenSSL's default file /usr/lib/ssl/cert.pem is /usr/lib/ssl/cert.pem, not ",
        ),
        (f"{SITE}/certifi/cacert.pem", ROOTS[0], f"certifi's copy {SITE}/certifi/cacert.pem is "),
    ],
)
def test_file_that_points_elsewhere_or_switches_off_fails(lab: Lab, path: str, content: str, problem: str) -> None:
    got = problems(asked(lab, more={"/etc/other.pem": ROOTS[0], path: content}))
    assert len(got) == 1
    assert got[0].startswith(problem)


def test_comment_is_no_setting(lab: Lab) -> None:
    assert asked(lab, more={"/etc/wgetrc": "# check_certificate = off\n"}).outcome is Outcome.PASS


def test_pips_own_copy_counts_where_pip_is_told_nothing(lab: Lab) -> None:
    path = f"{SITE}/pip/_vendor/certifi/cacert.pem"
    (problem, *rest) = problems(asked(lab, more={path: ROOTS[0]}, PIP_CERT=None, REQUESTS_CA_BUNDLE=None))
    assert problem == f"pip's own copy {path} is {path}, not {BUNDLE}: lay a link to the bundle over it"
    assert rest == ["REQUESTS_CA_BUNDLE is not set: its clients would use a store of their own"]


def test_certificate_beside_the_bundle_fails(lab: Lab) -> None:
    files: dict[str, str | Link] = {
        "/usr/share/ca-certificates/old.crt": root("Distrusted since"),
        "/etc/ssl/certs/0123abcd.0": Link("/usr/share/ca-certificates/old.crt"),
    }
    (problem,) = problems(asked(lab, more=files))
    assert problem == (
        "1 certificates beside the bundle are trusted by OpenSSL and Go and are not in it, "
        "/usr/share/ca-certificates/old.crt for one"
    )


def test_hash_links_to_certificates_of_the_bundle_pass(lab: Lab) -> None:
    files: dict[str, str | Link] = {"/etc/ssl/certs/first.pem": ROOTS[0], "/etc/ssl/certs/0.0": Link("first.pem")}
    assert asked(lab, more=files).outcome is Outcome.PASS


def tried(lab: Lab, more: Files | None = None) -> Answer:
    """The check's answer with a trial of the image's clients."""
    files = {
        BUNDLE: GOOD,
        "/usr/lib/ssl/cert.pem": Link(BUNDLE),
        "/etc/apt/apt.conf.d/99trust": f'Acquire::https::CAInfo "{BUNDLE}";\n',
    }
    return lab.ask("trust", lab.image({**files, **(more or {})}, TRUST_ENV), **CHECKS["trust"].made())


def test_every_client_accepts_the_good_server_and_refuses_the_bad_one(lab: Lab) -> None:
    answer = tried(lab)
    assert answer.outcome is Outcome.PASS, answer
    assert answer.summary.endswith("; 2 clients accept by it and refuse without")
    assert set(answer.evidence["clients"]) == {"python", "apt-get"}  # type: ignore[arg-type]


def test_client_that_verifies_nothing_fails(lab: Lab) -> None:
    off = "import ssl; ssl._create_default_https_context = ssl._create_unverified_context\n"
    assert problems(tried(lab, {f"{SITE}/off.pth": off})) == [
        f"python{way} talks to a server that nobody vouches for: it verifies nothing" for way in WAYS
    ]


def test_client_that_reads_another_store_fails(lab: Lab) -> None:
    context = "functools.partial(ssl.create_default_context, cafile='/etc/other.pem')"
    own = f"import functools, ssl; ssl._create_default_https_context = {context}\n"
    assert problems(tried(lab, {f"{SITE}/own.pth": own, "/etc/other.pem": GOOD})) == [
        f"python{way} refuses a server whose root is in {BUNDLE}: it reads another store" for way in WAYS
    ]


def test_client_that_only_a_variable_leads_to_the_bundle_fails(lab: Lab) -> None:
    """As cron and sudo call it: no variable, and OpenSSL's default file is another one with the same content."""
    got = problems(tried(lab, {"/usr/lib/ssl/cert.pem": GOOD}))
    assert got == [f"python{WAYS[1]} refuses a server whose root is in {BUNDLE}: it reads another store"]


def java_store(*pems: str, password: str = "changeit") -> bytes:
    """As keytool writes it."""
    body = struct.pack(">III", 0xFEEDFEED, 2, len(pems))
    for number, pem in enumerate(pems):
        der, alias = ssl.PEM_cert_to_DER_cert(pem), f"root {number}".encode()
        body += struct.pack(">IH", 1 + 1, len(alias)) + alias + struct.pack(">QH", 0, 5) + b"X.509"
        body += struct.pack(">I", len(der)) + der
    return body + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


JAVA = "/etc/ssl/certs/java/cacerts"


def test_javas_store_with_the_bundles_certificates_passes(lab: Lab) -> None:
    store = java_store(*reversed(ROOTS))
    more: dict[str, str | bytes | Link] = {JAVA: store, "/usr/lib/jvm/java-17/lib/security/cacerts": Link(JAVA)}
    assert asked(lab, more=more).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        (java_store(ROOTS[0]), "lacks 1 certificates of the bundle"),
        (java_store(*ROOTS, root("Another")), "has 1 certificates that are not in the bundle"),
        (java_store(*ROOTS, password="other"), "is not whole: its digest is another one"),
        (b"PKCS12 or whatever else", "is no store of the format JKS"),
    ],
    ids=["lacking", "beyond", "digest", "format"],
)
def test_javas_store_with_anything_else_fails(lab: Lab, store: bytes, problem: str) -> None:
    path = "/opt/java/openjdk/lib/security/cacerts"
    assert problems(asked(lab, more={path: store})) == [f"Java's store {path} {problem}"]


def test_root_that_debians_own_tool_would_bring_fails(lab: Lab) -> None:
    path = "/usr/local/share/ca-certificates/site.crt"
    assert problems(asked(lab, more={path: root("Site")})) == [
        f"{path} is not in the bundle and would enter it with the next run of the distribution's own tool"
    ]


def test_selection_that_debians_own_tool_would_bring_fails_and_a_deselected_one_passes(lab: Lab) -> None:
    more: dict[str, str | bytes | Link] = {
        "/usr/share/ca-certificates/mozilla/Old.crt": root("Distrusted since"),
        "/etc/ca-certificates.conf": "# a comment\n!mozilla/Old.crt\n",
    }
    assert asked(lab, more=more).outcome is Outcome.PASS
    (problem,) = problems(asked(lab, more={**more, "/etc/ca-certificates.conf": "mozilla/Old.crt\n"}))
    assert problem.startswith(
        "/etc/ca-certificates.conf selects 1 certificates that are not in the bundle, mozilla/Old"
    )


def test_another_bundle_of_the_rhel_family_fails(lab: Lab) -> None:
    path = "/etc/pki/tls/certs/ca-bundle.crt"
    assert asked(lab, more={path: Link(BUNDLE)}).outcome is Outcome.PASS
    assert problems(asked(lab, more={path: ROOTS[1]})) == [f"{path} lacks 1 certificates of the bundle"]
