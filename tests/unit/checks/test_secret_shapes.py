"""What the secrets check takes for a secret, and what it does not. Every secret here is made up while the test runs."""

from __future__ import annotations

import base64
import struct

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from builder.checks._secrets import hits_in, is_secret_setting

KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = serialization.PrivateFormat
PEM = KEY.private_bytes(serialization.Encoding.PEM, PRIVATE.PKCS8, serialization.NoEncryption())
OLD_PEM = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM, PRIVATE.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"x")
)
OPENSSH = KEY.private_bytes(serialization.Encoding.PEM, PRIVATE.OpenSSH, serialization.NoEncryption())
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
P12 = pkcs12.serialize_key_and_certificates(b"x", KEY, None, None, serialization.BestAvailableEncryption(b"x"))
LETTERS = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY" * 4


def jks(tag: int) -> bytes:
    """A Java key store with one entry: 1 is a private key, 2 a certificate."""
    entry = (
        struct.pack(">IH", tag, 1) + b"a" + bytes(8) + struct.pack(">H", 5) + b"X.509" + struct.pack(">I", 3) + b"abc"
    )
    return b"\xfe\xed\xfe\xed" + struct.pack(">II", 2, 1) + entry + bytes(20)


def told(path: str, data: bytes | str) -> list[tuple[str, int]]:
    return [(hit.kind, hit.line) for hit in hits_in(path, data.encode() if isinstance(data, str) else data)]


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("/x/a", PEM, "private key (PKCS#8)"),
        ("/x/a", OLD_PEM, "private key (RSA)"),
        ("/x/id_ed25519", OPENSSH, "private key (OPENSSH)"),
        ("/x/service.json", b'{"private_key": "' + PEM.replace(b"\n", b"\\n") + b'"}', "private key (PKCS#8)"),
    ],
)
def test_a_private_key_is_known_by_its_format(path: str, data: bytes, kind: str) -> None:
    assert told(path, data) == [(kind, 1)]


def test_a_key_without_lines_is_known_too() -> None:
    assert told("/x/a.p12", P12) == [("private key (PKCS#12)", 0)]
    assert told("/x/a.jks", jks(1)) == [("private key (Java key store)", 0)]
    der = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.DER, PRIVATE.PKCS8, serialization.NoEncryption()
    )
    assert told("/x/a.key", der) == [("private key (DER)", 0)]


@pytest.mark.parametrize(
    "data",
    [
        PUBLIC,
        jks(2),
        b"if text.startswith('-----BEGIN PRIVATE KEY-----'):\n    return parse(text)\n",
        b"\xfe\xed\xfe\xed" + bytes(3),
    ],
)
def test_what_only_speaks_of_keys_or_is_public_is_none(data: bytes) -> None:
    assert told("/x/a.pem", data) == []


TOKENS = {
    "GitHub token": "ghp_" + LETTERS[:36],
    "GitLab token": "glpat-" + LETTERS[:20],
    "AWS access key": "AKIA" + "ABCDEFGH23456723",
    "PyPI token": "pypi-AgE" + LETTERS[:80],
    "Hugging Face token": "hf_" + LETTERS[:34],
    "Slack token": "xoxb-" + "123456789012-" + LETTERS[:24],
    "npm token": "npm_" + LETTERS[:36],
    "Docker Hub token": "dckr_pat_" + LETTERS[:27],
    "Google API key": "AIza" + LETTERS[:35],
    "Anthropic key": "sk-ant-api03-" + LETTERS[:95],
    "OpenAI key": "sk-proj-" + LETTERS[:60],
    "Stripe key": "sk_live_" + LETTERS[:24],
    "age key": "AGE-SECRET-KEY-1" + "Q" * 58,
    "JSON web token": ".".join(
        [base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")] * 2 + [LETTERS[:40]]
    ),
}


@pytest.mark.parametrize(("kind", "token"), TOKENS.items())
def test_a_token_is_known_by_the_shape_that_its_issuer_gave_it(kind: str, token: str) -> None:
    (hit,) = hits_in("/srv/app.conf", f"first = 1\ntoken = {token}\n".encode())
    assert (hit.kind, hit.line) == (kind, 2)
    assert hit.start == token[:4]
    assert hits_in("/srv/app.conf", f"token = {token[:10]}\n".encode()) == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("index-url = https://me:hunter2secret@index.site/simple", "password in an address"),
        ("channels: [https://conda.site/t/" + "ab-12345678-1234-1234-1234-123456789abc" + "/chan]", "conda token"),
        ("channels: [https://conda.site/t/" + "ab-12345678-1234-1234-1234-123456789abc" + "]", "conda token"),
        ("index-url = https://me:hunter2$ecret*@index.site/simple", "password in an address"),
        ("index-url = https://me:%40hunter2@index.site/simple", "password in an address"),
        ("- https://conda.site/t/" + LETTERS[:32] + "/chan", "conda token"),
        ("see https://discuss.site/t/how-to-make-an-image-of-3-9/1234", None),
        ("url = https://" + LETTERS[:24] + "@git.site/a", "token in an address"),
        ("dsn = https://" + LETTERS[:32] + "@o1.ingest.sentry.io/2", None),  # Sentry's is public
        ("url = https://somebody-with-a-long-name@git.site", None),
        ("url = https://${USER}:${PASSWORD}@index.site/simple", None),
        ("url = https://me:$PASSWORD@index.site", None),
        ("url = https://me:$(cat /x)@index.site", None),
        ("url = https://me:%PASSWORD%@index.site", None),
        ("url = https://me:%(password)s@index.site", None),
        ("url = https://me:****@index.site", None),
        ("url = https://user:password@index.site", None),
        ("http://[::1]:8080/x@y", None),
        ("see http://host:80/path, mail a@b", None),
        ("aws = AKIAIOSFODNN7EXAMPLE", None),
    ],
)
def test_addresses_with_a_password_are_told_from_those_without(line: str, kind: str | None) -> None:
    assert told("/etc/some.conf", line) == ([(kind, 1)] if kind else [])


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("/root/.netrc", "machine a\n login b\n password c\n", "netrc password"),
        ("/root/.pypirc", "[pypi]\npassword = abc\n", "PyPI password"),
        ("/root/.pypirc", "[pypi]\npassword: abc\n", "PyPI password"),
        ("/root/.config/pypoetry/auth.toml", '[http-basic.site]\npassword = "abc"\n', "PyPI password"),
        ("/etc/apt/auth.conf", "machine a login b password c\n", "netrc password"),
        ("/etc/apt/auth.conf.d/site.conf", "machine a\nlogin b\npassword c\n", "netrc password"),
        ("/etc/wgetrc", "http_password = abc\n", "wget password"),
        ("/root/.wgetrc", "password=abc\n", "wget password"),
        ("/root/.curlrc", 'user = "me:abc"\n', "curl password"),
        ("/root/.config/curlrc", "-u me:abc\n", "curl password"),
        ("/root/.curlrc", "--proxy-user me:abc\n", "curl password"),
        ("/root/.gitconfig", "[http]\n\textraheader = AUTHORIZATION: basic abc\n", "git login"),
        ("/srv/app/.git/config", '[http "https://h/"]\n\textraHeader = "Authorization: Bearer abc"\n', "git login"),
        ("/opt/conda/conda-meta/state", '{"env_vars": {"SITE_TOKEN": "abc"}}', "variable of a conda environment"),
        ("/root/.docker/config.json", '{"auths": {"r": {"auth": "YTpi"}}}', "registry login"),
        ("/root/.npmrc", "//r/:_authToken=abc\n", "npm login"),
        ("/root/.aws/credentials", "[default]\naws_secret_access_key = abc\n", "AWS credentials"),
        ("/root/.kube/config", "users:\n- name: a\n  user:\n    token: abc\n", "Kubernetes login"),
        ("/root/.cache/huggingface/token", "abc", "Hugging Face token"),
        ("/root/.config/gh/hosts.yml", "github.com:\n    oauth_token: abc\n", "GitHub login"),
        ("/root/.pgpass", "h:5432:d:u:p\n", "database password"),
        ("/run/secrets/token", "abc", "build secret"),
        ("/etc/shadow", "daemon:*:1::::::\nroot:$6$salt$hash:1::::::\n", "password of an account"),
        ("/etc/shadow", "daemon:*:1::::::\nme::1::::::\n", "account without a password"),
        ("/srv/.env.production", "API_KEY=hunter2\n", "secret in the variable API_KEY"),
        ("/root/.bashrc", "alias ls=ls\nexport HF_TOKEN='hunter2'\n", "secret in the variable HF_TOKEN"),
        ("/root/.profile", "HF_TOKEN=hunter2\n", "secret in the variable HF_TOKEN"),
        ("/home/me/.zshenv", "export HF_TOKEN=hunter2\n", "secret in the variable HF_TOKEN"),
        ("/etc/profile.d/site.sh", "export HF_TOKEN=hunter2\n", "secret in the variable HF_TOKEN"),
        ("/etc/environment", "HF_TOKEN=hunter2\n", "secret in the variable HF_TOKEN"),
        ("/srv/.env", "A=1\nDB_PASSWORD=hunter2\n", "secret in the variable DB_PASSWORD"),
    ],
)
def test_credentials_are_known_by_where_a_client_keeps_them(path: str, data: str, kind: str) -> None:
    assert [found for found, _ in told(path, data)] == [kind]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/root/.netrc", "machine a login b\n"),
        ("/etc/apt/auth.conf", "# machine a login b password c\n"),
        ("/etc/wgetrc", "#http_password = abc\n"),
        ("/root/.curlrc", 'user-agent = "a:b"\nuser = "me:"\n'),
        ("/root/.gitconfig", "[user]\n\tname = me\n"),
        ("/etc/profile.d/site.sh", "export HF_TOKEN=$(cat /run/hf)\n"),
        ("/root/.docker/config.json", '{"auths": {}, "credsStore": "pass"}'),
        ("/root/.npmrc", "//r/:_authToken=${NPM_TOKEN}\n"),
        ("/root/.pypirc", "[pypi]\nusername = __token__\n"),
        ("/etc/shadow", "root:*:1::::::\nme:!:1::::::\n"),
        ("/srv/.env", "DB_PASSWORD=${DB}\nTOKEN_FILE=/run/x\nAPI_KEY=\n"),
        ("/srv/netrc.md", "password c"),
    ],
)
def test_the_same_files_without_a_secret_are_none(path: str, data: str) -> None:
    assert told(path, data) == []


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("GITHUB_TOKEN", "abcdef", True),
        ("aws_secret_access_key", "abcdef", True),
        ("MY_API_KEY", "abcdef", True),
        ("HF_TOKEN", "/run/secrets/hf", False),
        ("TOKEN_LIMIT", "4096", False),
        ("GPG_KEY", "E3FF2839", False),
        ("USE_TOKEN", "1", False),
        ("PASSWORD", "", False),
    ],
)
def test_a_variable_is_judged_by_its_name_and_by_whether_it_has_a_value(name: str, value: str, is_secret: bool) -> None:
    assert is_secret_setting(name, value) is is_secret
