# The stores beside the bundle: Java's, those of the RHEL family, and what the families' own tools would make them of.
import base64
import binascii
import glob
import hashlib
import os
import re
import struct
from typing import Dict, Iterator, List, Tuple

PEM = re.compile(r"-----BEGIN (TRUSTED )?CERTIFICATE-----(.+?)-----END (?:TRUSTED )?CERTIFICATE-----", re.S)

JAVA = ("/usr/lib/jvm/*", "/opt/java/*", "/opt/conda/lib/jvm", "/opt/conda/envs/*/lib/jvm", "/usr/java/*", "/opt/jdk*")
JAVA_OWN = ("/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts")

# Files that hold what the image trusts, where their family has them.
BUNDLES = (
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/email-ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/objsign-ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt",
    "/etc/ssl/ca-bundle.pem",
)

# Folders whose certificates a family's tool would put into the bundle.
SOURCES = ("/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source")
SHIPPED = "/usr/share/pki/ca-trust-source"
"""The RHEL family's own, as long as p11-kit is not told to read other folders alone."""
P11_KIT = "/etc/pkcs11/modules/p11-kit-trust.module"


def text_of(path: str) -> str:
    """A text file, also with stray bytes in its comments."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def marks(text: str) -> "List[str]":
    """The fingerprints of a text's certificates; what does not decode is no certificate to OpenSSL either.

    OpenSSL's own format has its trust settings after the certificate: they are cut off.
    """
    found = []
    for trusted, body in PEM.findall(text):
        try:
            der = base64.b64decode("".join(body.split()), validate=True)
        except (ValueError, binascii.Error):
            continue
        found.append(hashlib.sha256(der[: length(der)] if trusted else der).hexdigest())
    return found


def length(der: bytes) -> int:
    """Of a DER element of 128 bytes and more, with its head."""
    size = der[1] & 0x7F
    return 2 + size + int.from_bytes(der[2 : 2 + size], "big")


class JavaStore:
    """A store of the format JKS. ValueError for what is none, or is cut off or changed."""

    SALT = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:8] != b"\xfe\xed\xfe\xed\0\0\0\2":
            raise ValueError("is no store of the format JKS")
        if hashlib.sha1(self.SALT + self.data[:-20]).digest() != self.data[-20:]:
            raise ValueError("is not whole: its digest is another one")
        self.marks = sorted(hashlib.sha256(der).hexdigest() for der in self._entries())

    def _entries(self) -> "Iterator[bytes]":
        at = 12
        try:
            for _ in range(struct.unpack_from(">I", self.data, 8)[0]):
                tag, size = struct.unpack_from(">IH", self.data, at)
                if tag != 2:
                    raise ValueError("holds more than certificates")
                at += 6 + size + 8
                at += 2 + struct.unpack_from(">H", self.data, at)[0]
                (size,) = struct.unpack_from(">I", self.data, at)
                yield self.data[at + 4 : at + 4 + size]
                at += 4 + size
        except struct.error:
            raise ValueError("is cut off") from None

    def add(self, der: bytes) -> None:
        """One certificate more, in the file itself."""
        (count,) = struct.unpack_from(">I", self.data, 8)
        entry = struct.pack(">IH", 2, 5) + b"trial" + struct.pack(">QH", 0, 5) + b"X.509" + struct.pack(">I", len(der))
        body = self.data[:8] + struct.pack(">I", count + 1) + self.data[12:-20] + entry + der
        with open(self.path, "wb") as file:
            file.write(body + hashlib.sha1(self.SALT + body).digest())


def java_stores() -> "List[str]":
    """Every Java's store, each once."""
    below = [os.path.join(home, part) for home in JAVA for part in ("lib/security", "jre/lib/security")]
    paths = [path for folder in below for path in glob.glob(os.path.join(folder, "cacerts"))]
    return sorted({os.path.realpath(path) for path in paths + list(JAVA_OWN) if os.path.isfile(path)})


def java_problems(known: "List[str]") -> "Tuple[List[str], Dict[str, str]]":
    """What is wrong with Java's stores, and what was seen."""
    problems, seen = [], {}
    for path in java_stores():
        try:
            problems += differing("Java's store " + path, JavaStore(path).marks, known)
        except ValueError as error:
            problems.append("Java's store {} {}".format(path, error))
        seen["Java's store " + path] = path
    return problems, seen


def bundle_copies(known: "List[str]") -> "List[str]":
    """What is wrong with the bundles that the RHEL family has beside the one."""
    return [p for path in BUNDLES if os.path.isfile(path) for p in differing(path, marks(text_of(path)), known)]


def differing(where: str, found: "List[str]", known: "List[str]") -> "List[str]":
    beyond, lacking = set(found) - set(known), set(known) - set(found)
    problems = []
    if beyond:
        problems.append("{} has {} certificates that are not in the bundle".format(where, len(beyond)))
    if lacking:
        problems.append("{} lacks {} certificates of the bundle".format(where, len(lacking)))
    return problems


def source_problems(known: "List[str]") -> "List[str]":
    """What the next run of `update-ca-certificates` or `update-ca-trust` would bring back."""
    problems = []
    told = re.search(r"(?m)^x-init-reserved:.*paths=", text_of(P11_KIT)) if os.path.isfile(P11_KIT) else None
    for folder in SOURCES if told else (*SOURCES, SHIPPED):
        for path in sorted(glob.glob(os.path.join(folder, "**", "*"), recursive=True)):
            if os.path.isfile(path) and set(marks(text_of(path))) - set(known):
                text = "{} is not in the bundle and would enter it with the next run of the distribution's own tool"
                problems.append(text.format(path))
    path = "/etc/ca-certificates.conf"
    lines = text_of(path).splitlines() if os.path.isfile(path) else []
    chosen = [line for line in lines if line.strip() and line[0] not in "#!"]
    brought = [mark for c in chosen for mark in marks_of("/usr/share/ca-certificates/" + c)]
    if set(brought) - set(known):
        text = "{} selects {} certificates that are not in the bundle, {} for one: `update-ca-certificates` brings them"
        problems.append(text.format(path, len(set(brought) - set(known)), chosen[0]))
    return problems


def marks_of(path: str) -> "List[str]":
    return marks(text_of(path)) if os.path.isfile(path) else []
