"""A small world of conda packages: dependencies, both archives, prefixes to replace, links, two large ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from farm.channel import PLACEHOLDER, Link, Package, later
from farm.python39 import python_package

LARGE: Final = 4 << 20
"""Bytes of each large package, where a test names no other size."""

_MAIN: Final = '''"""Says hello, and from where."""
import sys


def main():
    print("hello from", sys.prefix)
    return 0
'''
_POST_LINK: Final = '#!/bin/sh\nmkdir -p "$PREFIX/etc" && echo "linked $PKG_NAME" > "$PREFIX/etc/post-link-was-here"\n'
_BINARY: Final = b"\x7fFARM\0" + PLACEHOLDER.encode() + b"/share/greeting\0tail\0"


def default_packages(*, large: int = LARGE) -> tuple[Package | Path, ...]:
    """The whole world, the real Python 3.9 included: Debian's packages are fetched the first time."""
    return (python_package(), *small_packages(large=large))


def small_packages(*, large: int = LARGE) -> tuple[Package, ...]:
    """All but Python: in a second, without a network."""
    return (*_base(), *_python_packages(), *_large(large))


def _base() -> Iterator[Package]:
    yield Package(
        name="ca-certificates",
        version="2025.10.5",
        build="hbd8a1cb_0",
        noarch="generic",
        files={"ssl/cacert.pem": "# a stand-in for Mozilla's roots\n", "ssl/cert.pem": Link("cacert.pem")},
    )
    libgcc = Package(name="libgcc", version="14.1.0", files={"lib/libfarmgcc.so.1": b"\0farm\0"})
    yield libgcc
    yield later(libgcc, "15.2.0", constrains=["libgomp >=14"])
    openssl = Package(
        name="openssl",
        version="3.5.3",
        build="h26f9b46_1",
        build_number=1,
        depends=["ca-certificates", "libgcc >=14"],
        files={"etc/farm-openssl.cnf": f"openssldir = {PLACEHOLDER}/ssl\n"},
    )
    yield openssl
    yield later(openssl, "3.5.4")
    yield Package(
        name="zlib",
        version="1.3.1",
        archive=".tar.bz2",
        depends=["libgcc >=14"],
        files={"lib/libfarmz.so.1.3.1": b"\0zlib\0", "lib/libfarmz.so.1": Link("libfarmz.so.1.3.1")},
    )
    yield Package(name="tzdata", version="2025b", noarch="generic", files={"share/farm-zones/UTC": "UTC0\n"})
    yield Package(
        name="greeting",
        version="1.0",
        depends=["zlib >=1.3,<2"],
        files={
            "bin/greeting": f"#!/bin/sh\ncat {PLACEHOLDER}/share/greeting\n",
            "lib/greeting.bin": _BINARY,
            "share/greeting": "hello\n",
        },
    )
    yield Package(
        name="post-linked",
        version="0.3",
        archive=".tar.bz2",
        files={"bin/.post-linked-post-link.sh": _POST_LINK, "share/post-linked": "data\n"},
    )


def _python_packages() -> Iterator[Package]:
    hello = Package(
        name="hello-conda",
        version="1.0.0",
        build="pyhd8ed1ab_0",
        noarch="python",
        depends=["python >=3.9", "farm-colour >=0.4"],
        files={
            "site-packages/hello_conda/__init__.py": '__version__ = "1.0.0"\n',
            "site-packages/hello_conda/main.py": _MAIN,
            **_dist_info("hello-conda", "1.0.0"),
        },
        entry_points=["hello-conda = hello_conda.main:main"],
    )
    yield hello
    newer = {**hello.files, "site-packages/hello_conda/__init__.py": '__version__ = "1.1.0"\n'}
    newer = {path: content for path, content in newer.items() if "dist-info" not in path}
    yield later(hello, "1.1.0", files={**newer, **_dist_info("hello-conda", "1.1.0")})
    yield Package(
        name="farm-colour",
        version="0.4.6",
        build="pyhd8ed1ab_1",
        build_number=1,
        noarch="python",
        archive=".tar.bz2",
        depends=["python >=3.8"],
        files={"site-packages/farm_colour.py": "RED = 31\n", **_dist_info("farm-colour", "0.4.6")},
    )
    yield Package(
        name="farm-native",
        version="2.1",
        build="py39_0",
        depends=["python >=3.9,<3.10.0a0", "greeting", "openssl >=3.5,<4.0a0"],
        files={"lib/python3.9/site-packages/farm_native.py": f'PREFIX = "{PLACEHOLDER}"\n'},
    )


def _dist_info(name: str, version: str) -> dict[str, str]:
    folder = f"site-packages/{name.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return {f"{folder}/METADATA": metadata, f"{folder}/INSTALLER": "conda\n"}


def _large(size: int) -> Iterator[Package]:
    for name, version, depends in (("bigcuda", "12.8", []), ("bigmath", "2025.3", ["libgcc >=14"])):
        noise = random.Random(name)
        files = {f"lib/lib{name}-{n}.so": noise.randbytes(-(-size // 4)) for n in range(4)}
        yield Package(name=name, version=version, depends=depends, files=files)
