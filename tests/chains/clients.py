"""The clients of this machine, each asked the same: does it accept this server, with these anchors, by this name?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

_PYTHON = """
import socket, ssl, sys
port, name, anchors = sys.argv[1:]
context = ssl.create_default_context(cafile=anchors)
with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as plain:
    context.wrap_socket(plain, server_hostname=name).close()
"""
_REQUESTS = """
import sys, urllib3
port, name, anchors = sys.argv[1:]
pool = urllib3.HTTPSConnectionPool("127.0.0.1", int(port), ca_certs=anchors, server_hostname=name, assert_hostname=name)
pool.request("GET", "/", retries=False, timeout=5)
"""
_NODE = """
const [port, name, anchors] = process.argv.slice(1);
const ca = require('fs').readFileSync(anchors);
const identity = (_, cert) => require('tls').checkServerIdentity(name, cert);
const options = {host: '127.0.0.1', port: +port, ca, checkServerIdentity: identity};
if (!/^[0-9.]+$/.test(name)) options.servername = name;
require('tls').connect(options, () => process.exit(0)).on('error', e => { console.error(e.code); process.exit(1); });
"""
_JAVA = Path(__file__).with_name("Asks.java")
Ask = Callable[[int, str, Path], bool]


def pythons() -> dict[str, str]:
    """`3.9` to the interpreter, for each that pyenv has here; and the one that runs this."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python")):
        found.setdefault(".".join(path.parts[-3].split(".")[:2]), str(path))
    return found


def clients() -> Mapping[str, Ask]:
    """Every client that is here, by name."""
    found: dict[str, Ask] = {f"python {v}": _by(p, "-c", _PYTHON) for v, p in pythons().items()}
    found["urllib3"] = _by(sys.executable, "-c", _REQUESTS)
    if node := shutil.which("node"):
        found["node"] = _by(node, "-e", _NODE)
    if (java := shutil.which("java")) and shutil.which("javac"):
        found["java"] = _java(java)
    if curl := shutil.which("curl"):
        found["curl"] = lambda port, name, anchors: _ran(
            [
                curl,
                "-sS",
                "-o",
                "/dev/null",
                "--cacert",
                str(anchors),
                "--connect-to",
                f"{name}:{port}:127.0.0.1:{port}",
                f"https://{name}:{port}/",
            ]
        )
    if git := shutil.which("git"):
        found["git"] = lambda port, name, anchors: "SSL" not in _said(git, port, name, anchors)
    return found


def _by(*program: str) -> Ask:
    return lambda port, name, anchors: _ran([*program, str(port), name, str(anchors)])


def _java(program: str) -> Ask:
    """Compiled once; the anchors as a PKCS#12 trust store."""
    classes = tempfile.TemporaryDirectory(prefix="builder-java-")

    def ask(port: int, name: str, anchors: Path) -> bool:
        folder = Path(classes.name)
        if not (folder / "Asks.class").exists():
            _run([str(Path(program).with_name("javac")), "-d", str(folder), str(_JAVA)]).check_returncode()
        certs = x509.load_pem_x509_certificates(anchors.read_bytes())
        entries = [pkcs12.PKCS12Certificate(c, str(n).encode()) for n, c in enumerate(certs)]
        secret = serialization.BestAvailableEncryption(b"changeit")
        store = folder / "anchors.p12"
        store.write_bytes(pkcs12.serialize_java_truststore(entries, secret))
        return _ran(
            [
                program,
                "-Xshare:auto",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                str(folder),
                "Asks",
                str(port),
                name,
                str(store),
            ]
        )

    return ask


def _said(git: str, port: int, name: str, anchors: Path) -> str:
    argv = [git, "-c", f"http.sslCAInfo={anchors}", "-c", f"http.curloptResolve={name}:{port}:127.0.0.1"]
    said = _run([*argv, "ls-remote", f"https://{name}:{port}/x"]).stderr
    return "SSL" if "certificate" in said.lower() or "ssl" in said.lower() else said


def _ran(argv: list[str]) -> bool:
    return _run(argv).returncode == 0


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    hidden = ("SSL_CERT", "CURL_CA", "GIT_SSL", "NODE_EXTRA", "REQUESTS_CA")
    env = {k: v for k, v in os.environ.items() if not k.startswith(hidden) and not k.lower().endswith("_proxy")}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=20)


def openssl_at(moment: float, port: int, name: str, anchors: Path) -> bool:
    """`openssl s_client` as if it were another time."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-verify_hostname", name]
    argv += ["-CAfile", str(anchors), "-no-CApath", "-attime", str(int(moment)), "-verify_return_error", "-quiet"]
    done = subprocess.run(
        [*argv, "-no_ign_eof"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20
    )
    return b"verify error" not in done.stderr and b"connect:errno" not in done.stderr
