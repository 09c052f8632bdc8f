"""What is asked inside an image, by its own Python: does it accept these servers, and what are its stores?

Python 3.6 and its standard library alone. Takes a JSON list of [host, port, address] as its argument and prints one
JSON object; sends nothing to the servers but the TLS greeting.
"""

import base64
import glob
import json
import os
import socket
import ssl
import sys
import time
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass


def main() -> None:
    """Prints the answer."""
    hosts = [ask(*row) for row in json.loads(sys.argv[1])]
    answer = {
        "python": list(sys.version_info[:3]),
        "openssl": ssl.OPENSSL_VERSION,
        "prefix": sys.prefix,
        "time": time.time(),
        "hosts": hosts,
        "stores": list(stores()),
        "pins": pins(),
    }
    print(json.dumps(answer))  # noqa: T201 - this is its answer


def ask(host: str, port: int, address: str) -> Any:
    """Whether Python here accepts the server."""
    try:
        context = ssl.create_default_context()
        with connect(host, port, address) as plain:
            plain.settimeout(4)
            with context.wrap_socket(plain, server_hostname=host):
                return {"ok": True, "code": None, "text": ""}
    except ssl.SSLError as error:
        text = getattr(error, "verify_message", None) or error.reason or str(error)
        return {"ok": False, "code": getattr(error, "verify_code", None), "text": str(text)}
    except (OSError, ValueError) as error:
        return {"ok": False, "code": None, "text": str(error)}


def connect(host: str, port: int, address: str) -> socket.socket:
    """Directly, or by the proxy of the environment."""
    named = "" if address or proxy_bypass(host) else getproxies().get("https", "")
    if not named:
        return socket.create_connection((address or host, port), 4)
    proxy = urlsplit(named if "://" in named else "http://" + named)
    plain = socket.create_connection((str(proxy.hostname), proxy.port or 80), 4)
    lines = ["CONNECT {}:{} HTTP/1.1".format(host, port), "Host: {}:{}".format(host, port)]  # noqa: UP032
    if proxy.username:
        login = unquote(proxy.username) + ":" + unquote(proxy.password or "")
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(login.encode()).decode())
    plain.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 16384:
        more = plain.recv(4096)
        if not more:
            break
        head += more
    if head.split(b" ")[1:2] != [b"200"]:
        raise OSError("the proxy answers " + head[:100].decode("latin-1").partition("\r\n")[0])
    return plain


def stores() -> Any:
    """Name, place, users and text of each file with trust anchors."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        yield store("the image's store", paths.cafile, "Python's ssl")
    elif paths.capath:
        files = sorted(glob.glob(os.path.join(paths.capath, "*.[0-9]")))  # noqa: PTH118, PTH207
        text = "\n".join(read(path) for path in files[:1000])
        yield {"name": "the image's store", "where": paths.capath, "users": "Python's ssl", "text": text}
    else:
        yield {"name": "the image's store", "where": "none", "users": "Python's ssl", "text": ""}
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if named:
        yield store("the image's REQUESTS_CA_BUNDLE", named, "requests, pip, conda")
        return
    places = [path for folder in sys.path for path in glob.glob(folder + "/certifi/cacert.pem")]  # noqa: PTH207
    places += glob.glob("/opt/conda/lib/python3*/site-packages/certifi/cacert.pem")  # noqa: PTH207
    for path in dict.fromkeys(places):
        yield store("the image's certifi", path, "requests, conda, older pip")


def pins() -> str:
    """The file that says which hosts are pinned; empty where there is none."""
    try:
        with open("/etc/builder/pins.json", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(1000000)
    except OSError:
        return ""


def store(name: str, path: str, users: str) -> Any:
    """One of them."""
    return {"name": name, "where": path, "users": users, "text": read(path)}


def read(path: str) -> str:
    """A file's PEM blocks, without the comments between them."""
    try:
        with open(path, encoding="latin-1") as file:  # noqa: PTH123
            lines = file.read(5000000).splitlines()
    except OSError:
        return ""
    kept, inside = [], False
    for line in lines:
        inside = inside or line.startswith("-----BEGIN")
        if inside:
            kept.append(line)
        inside = inside and not line.startswith("-----END")
    return "\n".join(kept) + "\n"


if __name__ == "__main__":
    main()
