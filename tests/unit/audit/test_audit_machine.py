"""A whole machine: which files take part, who wins for conda, bundles that are missing or are a server's leaf."""

from __future__ import annotations

import datetime

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from builder.audit.finding import Severity
from builder.audit.machine import Audited, audit_machine
from builder.audit.policy import findings_of_severity_error

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Tree:
    """A machine's files as a dict: a value of the port, not a stand-in for a behaviour."""

    def __init__(self, files: dict[str, str | bytes]) -> None:
        self.files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def exists(self, path: str) -> bool:
        return path in self.files or any(name.startswith(path.rstrip("/") + "/") for name in self.files)

    def names(self, folder: str) -> tuple[str, ...]:
        below = (path.removeprefix(f"{folder}/") for path in self.files if path.startswith(f"{folder}/"))
        return tuple(sorted({name.partition("/")[0] for name in below}))


def audited(files: dict[str, str | bytes], roots: tuple[str, ...] = (), **variables: str) -> Audited:
    return audit_machine(Tree(files), {"HOME": "/home/me", **variables}, label="environment", conda_roots=roots)


def told(found: Audited) -> list[tuple[str, str, str]]:
    return [(f.rule, f.severity.value, f.place) for f in found.findings]


SEARCH_PATH = (
    "/etc/conda/.condarc",
    "/etc/conda/condarc",
    "/etc/conda/condarc.d/a.yml",
    "/var/lib/conda/.condarc",
    "/opt/conda/.condarc",
    "/opt/conda/condarc.d/b.yaml",
    "/xdg/conda/condarc",
    "/home/me/.config/conda/.condarc",
    "/home/me/.conda/condarc",
    "/home/me/.condarc",
    "/envs/x/.condarc",
    "/special/condarc",
)
VARIABLES = {"XDG_CONFIG_HOME": "/xdg", "CONDA_PREFIX": "/envs/x", "CONDARC": "/special/condarc"}


@pytest.mark.parametrize("last", range(len(SEARCH_PATH)))
def test_the_later_of_two_files_of_the_search_path_wins(last):
    files = dict.fromkeys(SEARCH_PATH[:last], "ssl_verify: false\n") | {SEARCH_PATH[last]: "ssl_verify: true\n"}
    conda = audited(files, ("/opt/conda",), **VARIABLES).conda["/opt/conda"]
    assert (conda.winner, conda.verdict.value) == (f"{SEARCH_PATH[last]}:1", "on")
    assert [p.where for p in conda.participants] == [f"{path}:1" for path in SEARCH_PATH[: last + 1]]


def test_what_another_file_overrules_is_a_warning_and_names_the_winner():
    found = audited({"/etc/conda/.condarc": "ssl_verify: false\n", "/home/me/.condarc": "ssl_verify: true\n"})
    assert told(found) == [("CONDA001", "warning", "/etc/conda/.condarc:1:1")]
    assert found.findings[0].wins == "/home/me/.condarc:1 wins: the last file of the search path wins"


def test_the_winner_that_is_off_is_an_error():
    found = audited({"/etc/conda/.condarc": "ssl_verify: true\n", "/home/me/.condarc": "ssl_verify:\n"})
    assert told(found) == [("CONDA001", "error", "/home/me/.condarc:1:1")]
    assert findings_of_severity_error(found.findings) == found.findings


def test_a_variable_beats_files_and_is_told_without_a_line():
    found = audited({"/home/me/.condarc": "ssl_verify: true\n"}, CONDA_SSL_VERIFY="")
    assert told(found) == [("CONDA001", "error", "environment: CONDA_SSL_VERIFY")]
    assert found.findings[0].wins == "CONDA_SSL_VERIFY wins: a variable beats every file"


def test_nobody_overrules_the_file_of_another_user():
    files = {"/home/me/.condarc": "ssl_verify: true\n", "/home/other/.condarc": "ssl_verify: false\n"}
    found = audit_machine(Tree(files), {"HOME": "/home/me"}, label="x", extra=["/home/other/.condarc"])
    assert told(found) == [("CONDA001", "error", "/home/other/.condarc:1:1")]


def test_two_condas_have_a_winner_each():
    files = {"/a/.condarc": "ssl_verify: false\n", "/b/.condarc": "ssl_verify: true\n"}
    found = audited(files, ("/a", "/b"))
    assert {root: e.verdict.value for root, e in found.conda.items()} == {"/a": "off", "/b": "on"}
    assert told(found) == [("CONDA001", "error", "/a/.condarc:1:1")]


def test_another_environments_own_file_is_read_by_conda_n_name():
    """Measured with 25.9.1 and 26.7.1: `conda install -n other` took from an expired mirror."""
    tree = Tree({"/opt/conda/.condarc": "ssl_verify: true\n", "/opt/conda/envs/other/.condarc": "ssl_verify: no\n"})
    asked = {"label": "environment", "conda_roots": ("/opt/conda",)}
    found = audit_machine(tree, {"HOME": "/home/me"}, environments=True, **asked)
    assert told(found) == [("CONDA001", "error", "/opt/conda/envs/other/.condarc:1:1")]
    assert {root: e.verdict.value for root, e in found.conda.items()} == {
        "/opt/conda": "on",
        "/opt/conda/envs/other": "off",
    }
    assert told(audit_machine(tree, {"HOME": "/home/me"}, **asked)) == []


def test_conda_root_that_is_set_is_condas_root():
    found = audited({"/own/.condarc": "ssl_verify: no\n"}, roots=("/opt/conda",), CONDA_ROOT="/own")
    assert told(found) == [("CONDA001", "error", "/own/.condarc:1:1")]


def test_a_relative_bundle_that_is_not_there_stops_conda():
    found = audited({"/home/me/.condarc": "a: 1\nssl_verify: certs.pem\n"})
    assert told(found) == [("CONDA002", "error", "/home/me/.condarc:2:1")]


@pytest.mark.parametrize(("python", "rules"), [("python3.9", ["CONDA002"]), ("python3.11", [])])
def test_truststore_stops_a_conda_on_an_old_python(python, rules):
    files = {f"/opt/conda/lib/{python}/os.py": "", "/opt/conda/.condarc": "ssl_verify: truststore\n"}
    found = audited(files, ("/opt/conda",))
    assert [f.rule for f in found.findings] == rules
    assert [f.place for f in found.findings] == ["/opt/conda/.condarc:1:1"][: len(rules)]


def test_a_final_file_beats_the_variable():
    found = audited({"/etc/conda/.condarc": "ssl_verify: true #!final\n"}, CONDA_SSL_VERIFY="0")
    assert [(f.rule, f.severity) for f in found.findings] == [("CONDA001", Severity.WARNING)]
    assert "#!final ends the search" in found.findings[0].wins


def test_files_that_conda_does_not_take_by_name_take_no_part():
    off = "ssl_verify: false\n"
    files = {"/etc/conda/condarc.d/notes.txt": off, "/etc/conda/condarc.d/condarc": off, "/special/x.txt": off}
    found = audited(files, CONDARC="/special/x.txt")
    assert found.conda == {}


def test_a_bundle_that_does_not_exist_is_an_error():
    found = audited({"/home/me/.condarc": "ssl_verify: /gone.pem\n"}, SSL_CERT_FILE="/gone-too.pem")
    assert told(found) == [
        ("CA002", "error", "/home/me/.condarc:1:1"),
        ("CA002", "error", "environment: SSL_CERT_FILE"),
    ]


def test_a_bundle_that_exists_is_none():
    root = trustme.CA().cert_pem.bytes()
    assert told(audited({BUNDLE: root, "/home/me/.condarc": f"ssl_verify: {BUNDLE}\n"}, PIP_CERT=BUNDLE)) == []


def test_a_variable_that_shadows_the_bundle_is_told():
    files = {BUNDLE: "x", "/other.pem": "x", "/home/me/.condarc": f"ssl_verify: {BUNDLE}\n"}
    found = audited(files, REQUESTS_CA_BUNDLE="/other.pem")
    assert told(found) == [("CA003", "warning", "/home/me/.condarc:1:1")]
    assert found.findings[0].wins == "REQUESTS_CA_BUNDLE=/other.pem wins"


def test_a_leaf_that_a_ca_issued_is_an_error_as_the_only_anchor_and_a_warning_among_roots():
    ca = trustme.CA()
    leaf = ca.issue_cert("h.example").cert_chain_pems[0].bytes()
    alone = audited({"/pin.pem": leaf, "/home/me/.condarc": "ssl_verify: /pin.pem\n"})
    mixed = audited({"/pin.pem": ca.cert_pem.bytes() + leaf, "/etc/pip.conf": "[global]\ncert = /pin.pem\n"})
    assert told(alone) == [("CA001", "error", "/home/me/.condarc:1:1")]
    assert told(mixed) == [("CA001", "warning", "/etc/pip.conf:2:1")]


def test_a_leaf_that_signed_itself_is_a_warning():
    found = audited({"/pin.pem": self_signed(ca=False)}, CURL_CA_BUNDLE="/pin.pem")
    assert told(found) == [("CA001", "warning", "environment: CURL_CA_BUNDLE")]
    assert told(audited({"/pin.pem": self_signed(ca=True)}, CURL_CA_BUNDLE="/pin.pem")) == []


def self_signed(*, ca: bool) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "h.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=9))
    made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_every_client_is_looked_at_where_it_looks():
    files = {
        "/etc/pip.conf": "[global]\ntrusted-host = a\n",
        "/home/me/.config/pip/pip.conf": "[global]\ntrusted-host = a\n",
        "/site/pip.cfg.conf": "[global]\ntrusted-host = a\n",
        "/home/me/.gitconfig": "[http]\nsslVerify = no\n",
        "/etc/apt/apt.conf.d/99": 'Acquire::https::Verify-Peer "false";\n',
        "/home/me/.curlrc": "insecure\n",
        "/etc/wgetrc": "check_certificate = off\n",
        "/home/me/.npmrc": "strict-ssl = false\n",
        "/home/me/.config/uv/uv.toml": "allow-insecure-host = ['a']\n",
        "/etc/docker/daemon.json": '{"insecure-registries": ["a"]}',
        "/etc/environment": "GIT_SSL_NO_VERIFY=1\n",
        "/etc/profile.d/x.sh": "export NODE_TLS_REJECT_UNAUTHORIZED=0\n",
    }
    rules = sorted(f.rule for f in audited(files).findings)
    expected = "APT001 CURL001 DOCKER001 GIT001 GIT001 NODE001 NPM001 PIP001 PIP001 UV001 WGET001"
    assert rules == expected.split()
