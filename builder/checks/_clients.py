# Each client that is there, before a good server and a bad one, both on the container's own loopback.
#
# The certificates are made outside and sent in. The trial's root is appended to the bundle, in this container alone: a
# client that then talks to the good server read that very bundle, and one that talks to the bad server, whose issuer
# is in no store, verifies nothing. Who got through is what the servers saw: a request, or no request.
#
# Each is asked twice: with the image's variables, and with none of them, as cron, sudo and `env -i` leave a process.
import base64
import http.server
import os
import re
import shutil
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Set, Tuple

if TYPE_CHECKING:
    from builder.checks._stores import JavaStore, java_stores

PATIENCE = 40  # seconds for one client

ONLY_VARIABLES = ("node", "uv")
"""They read no file of settings that names a bundle; without variables they trust what they were compiled with."""

KEPT = ("PATH", "HOME", "LANG")
"""What is left of the variables."""

_FETCH = {
    "python": "import urllib.request as r; r.urlopen({url!r}, timeout=15).read()",
    "requests": "import requests; requests.get({url!r}, timeout=15)",
    "conda": "from conda.base.context import reset_context; reset_context()\n"
    "from conda.gateways.connection.session import CondaSession; CondaSession().get({url!r}, timeout=15)",
}
_NODE = "require('https').get('{url}', a => a.resume()).on('error', e => {{ console.error(e.code); process.exit(1) }})"


class _Answering(http.server.BaseHTTPRequestHandler):
    """Answers everything, and notes under which path it was asked."""

    protocol_version = "HTTP/1.0"
    timeout = 15

    def do_GET(self) -> None:
        self.server.asked.add(self.path.split("/")[1])  # type: ignore[attr-defined]
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_ignored: Any) -> None:
        """Nothing is logged."""


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """HTTPS on a free port of loopback; the handshake is the connection's own thread's."""

    daemon_threads = True

    def __init__(self, pem: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.asked: Set[str] = set()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            self.context.load_cert_chain(file.name)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(15)
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                _Answering(tls, client_address, self)
        except (OSError, ValueError):
            return  # a client that refuses

    def url(self, client: str) -> str:
        """Where a client is sent; the first part of the path tells it from the others."""
        return "https://localhost:{}/{}/".format(self.server_address[1], client)


Client = Callable[[str, str], List[str]]
"""A URL and a folder of its own give the command that asks it."""


def pythons() -> "List[Tuple[str, str]]":
    """Every Python of the image, once: what it is called here, and its path."""
    named = (
        ("python", sys.executable),
        ("conda's python", "/opt/conda/bin/python"),
        ("system's python", "/usr/bin/python3"),
    )
    found: Dict[str, Tuple[str, str]] = {}
    for name, path in named:
        if os.access(path, os.X_OK):
            found.setdefault(os.path.realpath(path) + os.path.dirname(path), (name, path))
    return list(found.values())


def modules(python: str) -> "List[str]":
    """Which of the Python clients can be imported there."""
    code = "import importlib.util as u; print([m for m in {!r} if u.find_spec(m)])".format(("requests", "pip", "conda"))
    done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return re.findall(r"\w+", done.stdout.decode())


def clients() -> "Dict[str, Client]":
    """Each client that is there, and how it is made to ask a URL."""
    found: Dict[str, Client] = {}
    for name, python in pythons():
        found[name] = _python(python, "python")
        there = modules(python)
        if "requests" in there:
            found["requests of " + name] = _python(python, "requests")
        if "pip" in there:
            found["pip of " + name] = _pip(python)
        if "conda" in there:
            found["conda"] = _python(python, "conda")
    found.update({name: ask for name, ask in PROGRAMS.items() if shutil.which(name)})
    return found


def _python(python: str, fetch: str) -> Client:
    return lambda url, _: [python, "-c", _FETCH[fetch].format(url=url)]


def _pip(python: str) -> Client:
    options = ["--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--retries=0", "--timeout=15"]
    return lambda url, folder: [
        *[python, "-m", "pip", "download", *options],
        *["--dest", folder, "--index-url", url, "nothing"],
    ]


def _apt(url: str, folder: str) -> "List[str]":
    sources = os.path.join(folder, "apt.list")
    with open(sources, "w") as file:
        file.write("deb [trusted=yes] {} x main\n".format(url))
    settings = ("Dir::Etc::sourcelist=" + sources, "Dir::Etc::sourceparts=/dev/null", "Dir::State::lists=" + folder)
    more = ("Dir::Cache=" + folder, "APT::Sandbox::User=root", "Acquire::Retries=0", "Acquire::https::Timeout=15")
    return ["apt-get", "update", "-qq"] + [word for setting in settings + more for word in ("-o", setting)]


def _openssl(url: str, _: str) -> "List[str]":
    _, _, host, path, _ = url.split("/")
    ask = "printf 'GET /{}/ HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error -connect {}"
    return ["sh", "-c", ask.format(path, host)]


def _java(url: str, folder: str) -> "List[str]":
    """A class that every Java since 8 runs, so that no compiler has to be there."""
    with open(os.path.join(folder, "Ask.class"), "wb") as file:
        file.write(base64.b64decode(_JAVA))
    return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", folder, "Ask", url]


PROGRAMS: "Dict[str, Client]" = {
    "curl": lambda url, _: ["curl", "--silent", "--max-time", "15", url],
    "wget": lambda url, _: ["wget", "--quiet", "--tries=1", "--timeout=15", "-O", "/dev/null", url],
    "git": lambda url, _: ["git", "ls-remote", url],
    "apt-get": _apt,
    "openssl": _openssl,
    "node": lambda url, _: ["node", "-e", _NODE.format(url=url)],
    "uv": lambda url, folder: [
        *["uv", "pip", "install", "--dry-run", "--no-cache", "--target", folder],
        *["--index-url", url, "nothing"],
    ],
    "java": _java,
}


# public class Ask {
#     public static void main(String[] urls) throws Exception {
#         ((java.net.HttpURLConnection) new java.net.URL(urls[0]).openConnection()).getResponseCode();
#     }
# }
#
# by `javac -g:none --release 8 Ask.java`; tests/unit/checks/test_client_class.py makes it again.
_JAVA = (
    "yv66vgAAADQAHgoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWBwAIAQAMamF2YS9uZXQvVVJM"
    "CgAHAAoMAAUACwEAFShMamF2YS9sYW5nL1N0cmluZzspVgoABwANDAAOAA8BAA5vcGVuQ29ubmVjdGlvbgEAGigpTGphdmEvbmV0"
    "L1VSTENvbm5lY3Rpb247BwARAQAaamF2YS9uZXQvSHR0cFVSTENvbm5lY3Rpb24KABAAEwwAFAAVAQAPZ2V0UmVzcG9uc2VDb2Rl"
    "AQADKClJBwAXAQADQXNrAQAEQ29kZQEABG1haW4BABYoW0xqYXZhL2xhbmcvU3RyaW5nOylWAQAKRXhjZXB0aW9ucwcAHQEAE2ph"
    "dmEvbGFuZy9FeGNlcHRpb24AIQAWAAIAAAAAAAIAAQAFAAYAAQAYAAAAEQABAAEAAAAFKrcAAbEAAAAAAAkAGQAaAAIAGAAAACEA"
    "BAABAAAAFbsAB1kqAzK3AAm2AAzAABC2ABJXsQAAAAAAGwAAAAQAAQAcAAA="
)


def tried(trial: "Dict[str, str]", bundle: str, environment: "Dict[str, str]") -> "Dict[str, List[bool]]":
    """Client: whether it got through to the good server, and to the bad one. RuntimeError outside a container."""
    if not any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))):
        raise RuntimeError("a trial changes the bundle: in a container that is thrown away, and nowhere else")
    _trust_root(trial["root"], bundle)
    home = tempfile.mkdtemp()
    servers = [_Server(trial[name]) for name in ("good", "bad")]
    jobs, marks = [], {}
    for name, ask in clients().items():
        for shown, variables in _ways(name, environment):
            marks[shown] = _mark(shown)
            for server in servers:
                jobs.append((ask(server.url(marks[shown]), tempfile.mkdtemp(dir=home)), variables))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda job: _ask(*job), jobs))
    for server in servers:
        server.shutdown()
    return {name: [mark in server.asked for server in servers] for name, mark in marks.items()}


def _trust_root(root: str, bundle: str) -> None:
    """The trial's root, in the bundle and in Java's stores of it."""
    for path in (bundle, *java_stores()):
        os.chmod(path, 0o644)  # the RHEL family writes them read-only, and this root has no right to pass over that
    with open(bundle, "a") as file:
        file.write("\n" + root)
    for path in java_stores():
        try:
            JavaStore(path).add(ssl.PEM_cert_to_DER_cert(root))
        except ValueError:
            continue  # told already; that Java then refuses the good server


def _ways(name: str, environment: "Dict[str, str]") -> "List[Tuple[str, Dict[str, str]]]":
    """How a client is asked: as it is called then, and its variables."""
    bare = {key: value for key, value in environment.items() if key in KEPT}
    return [(name, environment)] + ([] if name in ONLY_VARIABLES else [(name + BARE, bare)])


BARE = " without the image's variables"


def _mark(name: str) -> str:
    return re.sub(r"\W", "", name)


def _ask(argv: "List[str]", environment: "Dict[str, str]") -> None:
    environment = dict(environment, GIT_TERMINAL_PROMPT="0", CONDA_REMOTE_MAX_RETRIES="0", no_proxy="localhost")
    null = subprocess.DEVNULL
    try:
        subprocess.run(argv, env=environment, stdin=null, stdout=null, stderr=null, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return  # what the servers saw decides


def client_problems(trial: "Dict[str, str]", bundle: str) -> "Tuple[List[str], Dict[str, str]]":
    """What is wrong, and how each client did, in words."""
    problems: List[str] = []
    did: Dict[str, str] = {}
    for name, (good, bad) in sorted(tried(trial, bundle, dict(os.environ)).items()):
        plain = name.replace(BARE, "")
        sound = good and not bad and did.get(plain) != "fails"
        did[plain] = "accepts the good server, refuses the bad one" if sound else "fails"
        if not good:
            problems.append("{} refuses a server whose root is in {}: it reads another store".format(name, bundle))
        if bad:
            problems.append("{} talks to a server that nobody vouches for: it verifies nothing".format(name))
    return problems, did
