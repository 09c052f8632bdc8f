"""Makes a root file system from locked .deb files alone: offline, and the same bytes on every host."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from builder.adapters.store.partial import hash_file
from builder.errors import BuildError, HostError, LockError
from builder.models.lock import Package

_OLDEST = (1, 3)
_SOURCES = """\
# Empty on purpose: this image was made offline, from packages locked by hash.
# Name a mirror of the distribution here to install more.
"""
_EMPTIED = ("var/log", "var/cache/apt", "var/cache/ldconfig", "var/lib/apt/lists")
# What would tell of the host, of this run, or of nothing, beyond what mmdebstrap removes by itself. Run by sh with the
# root as $1; constant text. The address of the local repository goes too: apt in the image starts without a source.
# Never anything in /tmp: what ties mmdebstrap's apt to the new root lies there, and without it apt turns to the host.
_CLEAN = (
    'rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1"/var/cache/debconf/*-old',
    f'cd "$1" && find {" ".join(_EMPTIED)} -mindepth 1 -not -type d -delete',
    'rm -rf "$1/var/lib/apt/lists/auxfiles"',  # only newer versions of the host's apt make it
    f"printf '%s' {shlex.quote(_SOURCES)} > \"$1/etc/apt/sources.list\"",
)


def make_rootfs(packages: Mapping[Path, Package], *, suite: str, arch: str, epoch: int, out: Path) -> None:
    """Writes the tar archive of a root file system in which exactly these packages are installed.

    packages: the .deb files, hashes already verified. epoch: the newest time of any file in it, seconds since 1970.
    Raises HostError when mmdebstrap or dpkg-deb is missing, BuildError when mmdebstrap fails.
    """
    require("mmdebstrap", "dpkg-deb", "apt-get")
    _require_version()
    with _repository(packages) as folder:
        argv = [
            *("mmdebstrap", "--quiet", "--variant=custom", "--format=tar", f"--architectures={arch}"),
            # No device nodes: an engine makes its own, and unpacking them needs rights that a build lacks.
            # Nor another update to clear the lists: _CLEAN removes them.
            *(
                "--skip=output/dev",
                "--skip=cleanup/apt",
                f"--include={','.join(sorted(p.name for p in packages.values()))}",
            ),
            *(f"--customize-hook={line}" for line in _CLEAN),
            # Trusted: the repository is this folder, whose every file has the hash that the lock names.
            *(suite, str(out), f"deb [trusted=yes] copy:{quote(str(folder))} ./"),
        ]
        env = {**_environment(), "SOURCE_DATE_EPOCH": str(epoch)}
        # A umask of the host's would end in the modes of files that maintainer scripts make.
        done = subprocess.run(
            argv,
            cwd=folder,
            env=env,
            umask=0o022,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()[-5:]
        raise BuildError(
            "mmdebstrap cannot make the root file system",
            where=suite,
            seen="; ".join(errors)[:600].replace(str(folder), "(packages)"),
            remedy="run as root, or give this user subordinate ids (package uidmap, /etc/subuid) for its unshare mode",
        )


def installed_status(rootfs: Path) -> str:
    """The dpkg status inside a root file system's archive: what is installed there."""
    with tarfile.open(rootfs) as archive:
        for name in ("./var/lib/dpkg/status", "var/lib/dpkg/status"):
            try:
                member = archive.extractfile(name)
            except KeyError:
                continue
            if member:
                return member.read().decode()
    raise LockError("the base has no dpkg status: it is no Debian system", where=rootfs.name)


@contextmanager
def unpacked_deb(deb: Path) -> Iterator[tarfile.TarFile]:
    """The files of a .deb as a tar stream, to be read once and in order."""
    require("dpkg-deb")
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None  # noqa: S101 - a pipe was asked for
        with tarfile.open(fileobj=child.stdout, mode="r|") as archive:
            yield archive
        _drain(child.stdout)


def require(*programs: str) -> None:
    """Raises HostError naming the Debian package of each program that this host lacks."""
    package = {"mmdebstrap": "mmdebstrap", "dpkg-deb": "dpkg", "apt-get": "apt"}
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise HostError(
            f"{' and '.join(missing)} missing: a Debian base is made with it",
            remedy=f"run `apt-get install {' '.join(package[program] for program in missing)}`",
        )


def _require_version() -> None:
    """The oldest one that the result was compared with; those before 1.0 write device nodes into the archive."""
    done = subprocess.run(["mmdebstrap", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    if not found or (int(found[1]), int(found[2])) < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        remedy = "install it from Debian 12, Ubuntu 24.04 or later: it is one Perl script that runs on older ones too"
        raise HostError(f"mmdebstrap {wanted} or newer is needed", seen=done.stdout.strip(), remedy=remedy)


@contextmanager
def _repository(packages: Mapping[Path, Package]) -> Iterator[Path]:
    """A flat apt repository of the files, readable by the user that mmdebstrap and apt work as."""
    with tempfile.TemporaryDirectory(prefix="builder-debs-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            entries = list(pool.map(lambda path: _placed(path, folder), sorted(packages)))
        (folder / "Packages").write_text("\n".join(entries), encoding="utf-8")
        (folder / "Packages").chmod(0o644)  # whatever the umask: apt reads it as a user of its own
        yield folder


def _placed(deb: Path, folder: Path) -> str:
    """Puts a file into the repository and gives its entry in `Packages`."""
    target = folder / deb.name
    try:
        os.link(deb, target)
    except OSError:  # another file system
        shutil.copyfile(deb, target)
        target.chmod(0o444)
    control = subprocess.run(["dpkg-deb", "--field", str(deb)], check=True, capture_output=True, text=True).stdout
    digest, size = hash_file(deb)
    facts = f"Filename: ./{deb.name}\nSize: {size}\nSHA256: {digest}\n"
    return f"{control.rstrip()}\n{facts}"


def _environment() -> dict[str, str]:
    """Little of the host's: maintainer scripts run under it, and what they see may end in files."""
    kept = ("HOME", "USER", "LOGNAME", "TMPDIR")
    # dpkg refuses to work where PATH lacks ldconfig, and that of a plain user on Debian does.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    own = {"PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return {**{key: os.environ[key] for key in kept if key in os.environ}, **own}


def _drain(stream: IO[bytes]) -> None:
    while stream.read(1 << 16):
        pass
