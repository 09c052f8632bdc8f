# What a secret looks like: keys by their format, tokens by the shape that their issuer gave them, credentials by the
# file that a client keeps them in. Nothing here prints one. After the prelude.
#
# The shapes are those that gitleaks and trufflehog look for; only the ones with a prefix or a structure of their own
# are here, so that what is found is one.
import re
import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Pattern, Tuple


class Hit(NamedTuple):
    """A secret in a file."""

    kind: str
    line: int
    """From 1; 0 for what has no lines."""
    start: str
    """Its first characters where these are the issuer's prefix and tell nothing; else empty."""


class Shape(NamedTuple):
    kind: str
    marks: "Tuple[bytes, ...]"
    """A file without any of these has none."""
    pattern: "Pattern[bytes]"
    prefix: bool
    """Whether the first four characters are the same in all of them."""


def _shape(kind: str, marks: "List[str]", pattern: str, prefix: bool = True) -> Shape:
    return Shape(kind, tuple(mark.encode() for mark in marks), re.compile(pattern.encode()), prefix)


# Anaconda's form, or any other that is not the words of a forum's topic, which have the same place in an address.
TOPIC = r"[a-z0-9]+(?:-[a-z0-9]+)+(?![\w-])"
CONDA_TOKEN = r"(?:[a-z]{2}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?!" + TOPIC + r")[\w-]{20,})"
# What stands for a password is none: a word, stars, a variable of a shell, of Python's or of Windows'.
PASSWORD = r"(?!pass(?:word)?@|xxx|\*+@|\$[({A-Za-z_%]|%\(|%\w+%)[^\s/@'\"<>{}]{3,}"
SHAPES = (
    _shape("GitHub token", ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
    _shape("GitHub token", ["github_pat_"], r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    _shape("GitLab token", ["glpat-", "glrt-", "gldt-"], r"\bgl(?:pat|rt|dt)-[A-Za-z0-9_-]{20,}"),
    _shape("AWS access key", ["AKIA", "ASIA"], r"\b(?:AKIA|ASIA)(?![A-Z2-7]*EXAMPLE)[A-Z2-7]{16}\b"),
    _shape("PyPI token", ["pypi-AgE"], r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    _shape("Hugging Face token", ["hf_"], r"\bhf_[A-Za-z0-9]{34,}\b"),
    _shape("Slack token", ["xox"], r"\bxox[abeoprs]-[0-9]{8,}-[A-Za-z0-9-]{10,}"),
    _shape("Slack webhook", ["hooks.slack.com"], r"\bhooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,}"),
    _shape("npm token", ["npm_"], r"\bnpm_[A-Za-z0-9]{36}\b"),
    _shape("Docker Hub token", ["dckr_pat_"], r"\bdckr_pat_[A-Za-z0-9_-]{27,}"),
    _shape("Google API key", ["AIza"], r"\bAIza[0-9A-Za-z_-]{35}\b"),
    _shape("Anthropic key", ["sk-ant-"], r"\bsk-ant-[a-z]+[0-9]{2}-[A-Za-z0-9_-]{80,}"),
    _shape("OpenAI key", ["sk-"], r"\bsk-(?:(?:proj|svcacct|admin)-[\w-]{40,}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})"),
    _shape("Stripe key", ["k_live_"], r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    _shape("SendGrid key", ["SG."], r"\bSG\.[\w-]{22}\.[\w-]{43}"),
    _shape("Azure storage key", ["AccountKey="], r"\bAccountKey=[A-Za-z0-9+/]{86}=="),
    _shape("age key", ["AGE-SECRET-KEY-1"], r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _shape("JSON web token", ["eyJ"], r"\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}"),
    _shape("conda token", ["/t/"], r"://[^\s/]+/t/" + CONDA_TOKEN + r"(?=[/\s\"',;\])}]|$)", False),
    _shape(
        "password in an address",
        ["://"],
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"<>]{0,64}:" + PASSWORD + r"@[\w.-]",
        False,
    ),
    _shape(  # whose name nobody could remember; Sentry's is public
        "token in an address",
        ["://"],
        r"\bhttps?://(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}@(?![\w.-]*sentry)[\w.-]",
        False,
    ),
)

PEM = re.compile(rb"-----BEGIN (?:([A-Z0-9]+) )?PRIVATE KEY(?: BLOCK)?-----")
BODY = re.compile(rb"(?:[A-Za-z0-9+/=]{16,}(?:\s|\\n|\\r)*){2}")
PUTTY = re.compile(rb"\APuTTY-User-Key-File-\d")
PKCS12 = re.compile(rb"\A\x30[\x80-\x84].{0,4}?\x02\x01\x03\x30", re.DOTALL)
KEY_BAGS = (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01", b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02")
DER = re.compile(rb"\A\x30\x82..\x02\x01\x00(?:\x30.\x06|\x02\x82)", re.DOTALL)


def keys_in(data: bytes) -> "Iterator[Hit]":
    """Private keys, whatever the file is called."""
    for found in PEM.finditer(data) if b"PRIVATE KEY" in data else ():
        if BODY.search(data, found.end(), found.end() + 400):  # the words alone stand in many a program
            kind = (found.group(1) or b"PKCS#8").decode()
            yield Hit("private key ({})".format(kind), line_of(data, found.start()), "")
    if PUTTY.match(data):
        yield Hit("private key (PuTTY)", 1, "")
    if PKCS12.match(data) and any(bag in data for bag in KEY_BAGS):
        yield Hit("private key (PKCS#12)", 0, "")
    if DER.match(data):
        yield Hit("private key (DER)", 0, "")
    if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce") and _java_key(data):
        yield Hit("private key (Java key store)", 0, "")


def _java_key(data: bytes) -> bool:
    """Whether a Java store has more than certificates: its entries one after another, the first kind of key ends it."""
    try:
        version, count = struct.unpack_from(">II", data, 4)
        at = 12
        for _ in range(min(count, 10000)):
            tag, length = struct.unpack_from(">IH", data, at)
            if tag != 2:
                return True
            at += 4 + 2 + length + 8
            if version == 2:
                at += 2 + int(struct.unpack_from(">H", data, at)[0])
            at += 4 + int(struct.unpack_from(">I", data, at)[0])
    except struct.error:
        return False
    return False


def tokens_in(data: bytes) -> "Iterator[Hit]":
    """Tokens and passwords by their shape."""
    for shape in SHAPES:
        if any(mark in data for mark in shape.marks):
            for found in shape.pattern.finditer(data):
                start = found.group()[:4].decode("ascii", "replace") if shape.prefix else ""
                yield Hit(shape.kind, line_of(data, found.start()), start)


def line_of(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


class Place(NamedTuple):
    kind: str
    path: "Pattern[str]"
    content: "Optional[Pattern[bytes]]"
    """What makes it a secret; None where anything in it does."""


def _place(kind: str, path: str, content: "Optional[str]" = None) -> Place:
    return Place(kind, re.compile("/(?:" + path + ")$"), re.compile(content.encode()) if content else None)


VALUE = r"(?!\$\{|['\"]?\s*$)\S"  # something, and no variable
YAML, INI = r"(?m)^\s*-?\s*(?:{}):\s*" + VALUE.replace("{", "{{"), r"(?m)^\s*(?:{})\s*=\s*" + VALUE.replace("{", "{{")
AUTHS = r'"(?:auth|identitytoken|registrytoken|password)"\s*:\s*"[^"]+"'
CURL_USER = r"(?m)^\s*(?:-u\s*|-U\s*|(?:--)?(?:proxy-)?user(?:\s*[=:]\s*|\s+))[^\s:$]+:" + VALUE
GIT_HEADER = r"(?mi)^\s*extraheader\s*=\s*\"?authorization:\s*\S+\s+" + VALUE
CONDA_VARIABLE = r"(?i)\"(?:\w+_)?(?:token|passwd|password|secret|api_?key)\"\s*:\s*\"[^\"$]+\""
PLACES = (
    _place("netrc password", r"[._]?netrc|etc/apt/auth\.conf(?:\.d/[^/]+)?", r"(?m)^[^#\n]*\bpassword\s+" + VALUE),
    _place("PyPI password", r"\.pypirc", r"(?m)^\s*password\s*[=:]\s*" + VALUE),
    _place("PyPI password", r"pypoetry/auth\.toml|uv/credentials/credentials\.toml", INI.format("password")),
    _place("wget password", r"etc/wgetrc|\.wgetrc", r"(?i)" + INI.format("(?:http_?|ftp_?|proxy_?)?passw(?:or)?d")),
    _place("curl password", r"[._]?curlrc", CURL_USER),
    _place("git login", r"\.gitconfig|\.?git/config|etc/gitconfig", GIT_HEADER),
    _place("registry login", r"\.docker/config\.json|\.dockercfg|containers/auth\.json", AUTHS),
    _place("npm login", r"\.?npmrc", r"(?m)\b_(?:authToken|auth|password)\s*=\s*" + VALUE),
    _place("npm login", r"\.yarnrc\.yml", YAML.format("npmAuthToken|npmAuthIdent")),
    _place("Anaconda token", r"(?:\.continuum|anaconda-client|\.config/anaconda)(?:/[^/]+)*/tokens/[^/]+"),
    _place("Anaconda token", r"\.anaconda/keyring"),
    _place("Kubernetes login", r"\.kube/config|kubeconfig", YAML.format("token|client-key-data|password")),
    _place("AWS credentials", r"\.aws/(?:credentials|config)", INI.format("aws_secret_access_key|aws_session_token")),
    _place("Google credentials", r"gcloud/(?:(?:credentials|access_tokens)\.db|application_default_credentials\.json)"),
    _place("Google credentials", r"\.boto", INI.format("gs_oauth2_refresh_token|gs_secret_access_key")),
    _place("Azure credentials", r"\.azure/(?:accessTokens\.json|(?:msal_token_cache|service_principal_entries)\.\w+)"),
    _place("Hugging Face token", r"(?:\.huggingface|\.cache/huggingface)/(?:token|stored_tokens)"),
    _place("GitHub login", r"gh/hosts\.yml|\.config/hub", YAML.format("oauth_token")),
    _place("GitLab login", r"glab-cli/config\.yml", YAML.format("token")),
    _place("Kaggle key", r"\.?kaggle/kaggle\.json"),
    _place("crate registry login", r"\.cargo/credentials(?:\.toml)?", INI.format("token")),
    _place("gem login", r"\.gem/credentials"),
    _place("Maven password", r"\.m2/settings\.xml", r"<(?:password|passphrase)>[^<${]"),
    _place("database password", r"\.pgpass"),
    _place("database password", r"\.?my\.cnf", INI.format("password")),
    _place("rclone password", r"rclone\.conf", INI.format("pass|token|secret_access_key|key")),
    _place("Vault token", r"\.vault-token"),
    _place("Terraform login", r"credentials\.tfrc\.json"),
    _place("GnuPG key", r"\.gnupg/private-keys-v1\.d/[^/]+\.key|\.gnupg/secring\.gpg"),
    _place("build secret", r"run/secrets/.+"),
    _place("variable of a conda environment", r"conda-meta/state", CONDA_VARIABLE),
    _place("password of an account", r"etc/g?shadow-?", r"(?m)^[^:\n]+:\$[^:\n]+:"),
    _place("account without a password", r"etc/shadow-?", r"(?m)^[^:\n]+::"),
)

SECRET_NAME = re.compile(
    r"(?:^|_)(?:TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRET_(?:ACCESS_)?KEY|API_?KEY|PRIVATE_KEY|CREDENTIALS?)$",
    re.I,
)
SETTING = re.compile(rb"(?m)^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*[\"']?([^\"'\s#]*)")
SETTINGS = re.compile(
    r"/(?:\.env(?:\.[\w-]+)*|\.envrc|\.(?:bash|zsh)(?:rc|env|_profile|_login|_aliases)|\.(?:z?profile|zlogin)"
    r"|etc/environment|etc/profile(?:\.d/[^/]+)?|etc/(?:bash\.)?bashrc|etc/zsh/\w+|(?:de)?activate\.d/[^/]+)$"
)
"""Files of variables: those of shells, and those that are read for one."""
HARMLESS = re.compile(r"(?:|[/$~<].*|\d{1,3}|true|false|yes|no|none|null|x+|\*+)$", re.I)


def named_in(path: str, data: bytes) -> "Iterator[Hit]":
    """Credentials by where they lie."""
    for place in PLACES:
        if place.path.search(path):
            found = place.content.search(data) if place.content else re.search(rb"\S", data)
            if found:
                yield Hit(place.kind, line_of(data, found.start()) if place.content else 0, "")
    if SETTINGS.search(path):
        for setting in SETTING.finditer(data):
            name, value = (part.decode("utf-8", "replace") for part in setting.groups())
            if is_secret_setting(name, value):
                yield Hit("secret in the variable {}".format(name), line_of(data, setting.start(1)), "")


def is_named(path: str) -> bool:
    """Whether a file is one that some client keeps its secrets in."""
    return bool(SETTINGS.search(path)) or any(place.path.search(path) for place in PLACES)


def is_secret_setting(name: str, value: str) -> bool:
    """Whether a variable of this name holds a secret, and not where one is."""
    return bool(SECRET_NAME.search(name)) and not HARMLESS.match(value)


def hits_in(path: str, data: bytes) -> "List[Hit]":
    """Every secret of one file, one a line."""
    every = [*keys_in(data), *named_in(path, data)]
    every += [] if b"\0" in data[:1024] else list(tokens_in(data))
    by_line: Dict[int, Hit] = {}
    for hit in every:
        by_line.setdefault(hit.line, hit)
    return [hit for _, hit in sorted(by_line.items())]
