# One CA bundle, sound; every client's setting points at it and nothing turns verification off; and each client that is
# there accepts a good server by it and refuses a bad one.
#
# Which client reads what, and in which order: FACTS 1 of the design, measured.
import binascii
import glob
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

if TYPE_CHECKING:
    from builder.checks._clients import client_problems
    from builder.checks._prelude import ARGS, conclude, finish
    from builder.checks._stores import bundle_copies, java_problems, marks_of, source_problems, text_of

BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)

VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
)

OFF = ("", "0", "0.0", "false", "no", "off", "n", "none", "null", "~")
ANYTHING = "*"
PINS = "/etc/builder/pins.json"

# Variable: the values that turn verification off.
OFF_VARIABLES = {
    "PYTHONHTTPSVERIFY": ("0",),
    "GIT_SSL_NO_VERIFY": ANYTHING,
    "NODE_TLS_REJECT_UNAUTHORIZED": ("0",),
    "PIP_TRUSTED_HOST": ANYTHING,
    "UV_INSECURE_HOST": ANYTHING,
    "CONDA_SSL_VERIFY": OFF,
    "NPM_CONFIG_STRICT_SSL": OFF,
}

PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf", "{prefix}/pip.conf")
GIT_FILES = ("/etc/gitconfig", "~/.gitconfig", "~/.config/git/config")
NPM_FILES = ("/etc/npmrc", "/usr/etc/npmrc", "~/.npmrc")
CONDA_FILES = tuple(d + "/.condarc" for d in ("/etc/conda", "/opt/conda", "~", "~/.conda", "~/.config/conda"))

# Files, key, and what its value must be: BUNDLE (the bundle's path) or ON (not switched off) or ABSENT.
BUNDLE, ON, ABSENT = "the bundle", "on", "absent"
SETTINGS = (
    (PIP_FILES, r"cert", BUNDLE),
    (PIP_FILES, r"trusted-host", ABSENT),
    (("/etc/wgetrc", "~/.wgetrc"), r"ca_certificate", BUNDLE),
    (("/etc/wgetrc", "~/.wgetrc"), r"check_certificate", ON),
    (("~/.curlrc", "/etc/curlrc"), r"-?-?cacert", BUNDLE),
    (("~/.curlrc", "/etc/curlrc"), r"--insecure|-k|insecure", ABSENT),
    (GIT_FILES, r"sslCAInfo", BUNDLE),
    (GIT_FILES, r"sslVerify", ON),
    (NPM_FILES, r"cafile", BUNDLE),
    (NPM_FILES, r"strict-ssl", ON),
    (("/etc/uv/uv.toml", "~/.config/uv/uv.toml"), r"allow-insecure-host", ABSENT),
    (CONDA_FILES, r"ssl_verify|verify_ssl", ON),
)


def certificates(text: str) -> "List[str]":
    """The PEM blocks of a text."""
    return BLOCK.findall(text)


def fingerprint(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def described(pem: str) -> "Tuple[str, float, float]":
    """Subject's common name, and validity in seconds since 1970. Raises ValueError for what is no CA certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, binascii.Error) as error:
        raise ValueError("does not parse: {}".format(error)) from None
    found = context.get_ca_certs()
    if not found:
        raise ValueError("is no CA certificate")
    certificate: Dict[str, Any] = found[0]
    names = {key: value for part in certificate["subject"] for key, value in part}
    name = names.get("commonName") or names.get("organizationalUnitName") or names.get("organizationName") or "?"
    begin, end = (ssl.cert_time_to_seconds(certificate[key]) for key in ("notBefore", "notAfter"))
    return name, begin, end


def bundle_problems(path: str, text: str) -> "Tuple[List[str], List[str]]":
    """What is wrong with the bundle itself, and the fingerprints of what is in it."""
    problems: List[str] = []
    seen: Dict[str, int] = {}
    for number, pem in enumerate(certificates(text), 1):
        where = "certificate {} of {}".format(number, path)
        try:
            name, begin, end = described(pem)
            mark = fingerprint(pem)
        except ValueError as error:
            problems.append("{} {}".format(where, error))
            continue
        if end < time.time():
            problems.append("{} ({}) expired on {}".format(where, name, day(end)))
        if begin > time.time():
            problems.append("{} ({}) is not valid before {}: is the clock right?".format(where, name, day(begin)))
        if mark in seen:
            problems.append("{} ({}) is the same as certificate {}".format(where, name, seen[mark]))
        seen.setdefault(mark, number)
    return problems, sorted(seen)


def day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def expected_problems(path: str, count: int) -> "List[str]":
    """Whether it is the bundle of the lock."""
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    problems = []
    if ARGS.get("sha256", digest) != digest:
        problems.append("{} is not the lock's bundle: sha256 {}, not {}".format(path, digest, ARGS["sha256"]))
    if ARGS.get("count", count) != count:
        problems.append("{} holds {} certificates, the lock says {}".format(path, count, ARGS["count"]))
    return problems


def pins_problems() -> "List[str]":
    """Whether the image holds the recipe's pins: the lock has seen that their roots are in the bundle."""
    if "pins" not in ARGS:
        return []
    text = text_of(PINS) if os.path.isfile(PINS) else None
    return [] if text == ARGS["pins"] else ["{} does not hold the recipe's pins".format(PINS)]


def same(path: str, bundle: str) -> bool:
    """Whether a path is the bundle, or has its very bytes."""
    if not os.path.isfile(path):
        return False
    if os.path.samefile(path, bundle):
        return True
    with open(path, "rb") as one, open(bundle, "rb") as other:
        return one.read() == other.read()


class Settings:
    """Collects what is set where, and what of it is wrong."""

    def __init__(self, bundle: str) -> None:
        self.bundle = bundle
        self.problems: List[str] = []
        self.seen: Dict[str, str] = {}

    def points(self, where: str, path: str, remedy: str = "") -> None:
        """A setting that names a file, which has to be the bundle."""
        self.seen[where] = path
        if not same(path, self.bundle):
            self.problems.append("{} is {}, not {}{}".format(where, path, self.bundle, remedy))

    def is_on(self, where: str, value: str) -> None:
        """A setting that may be anything but off; a path has to be the bundle's."""
        self.seen[where] = value
        if value.startswith("/"):
            self.points(where, value)
        elif value.lower() in OFF:
            self.problems.append("{} is {!r}: verification is off".format(where, value))

    def is_absent(self, where: str, value: str, why: str = "verification is off") -> None:
        self.seen[where] = value
        self.problems.append("{} is set ({!r}): {}".format(where, value, why))


def look_at_variables(settings: Settings) -> None:
    for name in VARIABLES:
        if name in os.environ:
            settings.points(name, os.environ[name])
    if "SSL_CERT_DIR" in os.environ:
        why = "curl 7.88 then ignores SSL_CERT_FILE; leave it unset"
        settings.is_absent("SSL_CERT_DIR", os.environ["SSL_CERT_DIR"], why)
    for name, values in OFF_VARIABLES.items():
        value = os.environ.get(name)
        if value is not None and (values == ANYTHING or value.lower() in values):
            settings.is_absent(name, value)


def look_at_files(settings: Settings) -> None:
    for paths, key, rule in SETTINGS:
        for path in (os.path.expanduser(p.format(prefix=sys.prefix)) for p in paths):
            for name, value in lines(path, key) if os.path.isfile(path) else ():
                where = "{} in {}".format(name, path)
                if rule == BUNDLE:
                    settings.points(where, value)
                elif rule == ON:
                    settings.is_on(where, value)
                else:
                    settings.is_absent(where, value)


def lines(path: str, key: str) -> "List[Tuple[str, str]]":
    """Every `key = value`, `key: value` or `key value` of a file that is no comment; value without quotes."""
    found = re.findall(r"(?im)^[ \t]*({})(?:[ \t]*[=:][ \t]*|[ \t]+|$)([^\n#;]*)".format(key), text_of(path))
    return [(name, value.strip().strip("\"'")) for name, value in found]


def look_at_openssl(settings: Settings) -> None:
    """OpenSSL's own defaults, which hold where no variable reaches (`env -i`, cron, sudo)."""
    paths = ssl.get_default_verify_paths()
    if os.path.exists(paths.openssl_cafile):
        settings.points("OpenSSL's default file " + paths.openssl_cafile, paths.openssl_cafile)


def look_at_certifi(settings: Settings) -> None:
    """certifi's copy is what every client reads that was not told otherwise; pip's own is read by pip alone."""
    remedy = ": lay a link to the bundle over it"
    for path in packaged("certifi/cacert.pem"):
        settings.points("certifi's copy " + path, path, remedy)
    told = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")
    for path in packaged("pip/_vendor/certifi/cacert.pem"):
        where = "pip's own copy " + path
        if told and same(told, settings.bundle):
            settings.seen[where] = "not read: pip is told to use " + told
        else:
            settings.points(where, path, remedy)


def packaged(name: str) -> "List[str]":
    """A file of a Python package, in the environment and the distribution's own Pythons."""
    roots = {p for p in sys.path if p}
    for pattern in ("/usr/lib/python3*/dist-packages", "/opt/conda/lib/python3*/site-packages"):
        roots.update(glob.glob(pattern))
    found = {os.path.join(root, name) for root in roots}
    return sorted(path for path in found if os.path.isfile(path))


def look_at_apt(settings: Settings) -> None:
    if not shutil.which("apt-config"):
        return
    done = subprocess.run(["apt-config", "dump"], check=False, stdout=subprocess.PIPE, timeout=30)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(" ")
        value = value.strip().rstrip(";").strip('"')
        if re.match(r"(?i)acquire::https::(.*::)?cainfo$", name) and value:
            settings.points("apt's " + name, value)
        elif re.match(r"(?i)acquire::https::(.*::)?verify-(peer|host)$", name) and value:
            settings.is_on("apt's " + name, value)


def strangers(bundle: str, known: "List[str]") -> "List[str]":
    """Certificates in the directories that OpenSSL and Go read besides the bundle, and that are not in it."""
    directories = {os.path.realpath(ssl.get_default_verify_paths().openssl_capath), os.path.dirname(bundle)}
    files = {os.path.realpath(p) for d in directories for p in glob.glob(os.path.join(d, "*"))}
    files.discard(os.path.realpath(bundle))
    return sorted(p for p in files if os.path.isfile(p) and any(mark not in known for mark in marks_of(p)))


def settings_of(bundle: str) -> Settings:
    settings = Settings(bundle)
    for look in (look_at_variables, look_at_files, look_at_openssl, look_at_certifi, look_at_apt):
        look(settings)
    return settings


def main() -> None:
    bundle = ARGS.get("bundle", "/etc/ssl/certs/ca-certificates.crt")
    if not os.path.isfile(bundle):
        finish("FAIL", "there is no CA bundle at {}".format(bundle))
    problems, known = bundle_problems(bundle, text_of(bundle))
    if not known:
        finish("FAIL", "{} holds no certificate".format(bundle), problems=problems)
    problems += expected_problems(bundle, len(known)) + pins_problems()
    settings = settings_of(bundle)
    problems += settings.problems
    beyond = strangers(bundle, known)
    if beyond:
        text = "{} certificates beside the bundle are trusted by OpenSSL and Go and are not in it, {} for one"
        problems.append(text.format(len(beyond), beyond[0]))
    java, stores = java_problems(known)
    problems += java + bundle_copies(known) + source_problems(known)
    settings.seen.update(stores)
    missing = [name for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if name not in os.environ]
    problems += ["{} is not set: its clients would use a store of their own".format(name) for name in missing]
    summary = "{} trust anchors in {}, none expired; {} settings point at it".format(
        len(known), bundle, len(settings.seen)
    )
    clients: Dict[str, str] = {}
    if "trial" in ARGS:  # last, since the bundle is another one from then on
        more, clients = client_problems(ARGS["trial"], bundle)
        problems += more
        summary += "; {} clients accept by it and refuse without".format(len(clients))
    conclude(
        problems,
        summary,
        bundle=bundle,
        count=len(known),
        clients=clients,
        settings=settings.seen,
        beside=beyond[:50],
    )


main()
