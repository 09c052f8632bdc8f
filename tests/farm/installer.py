"""An installer of Miniconda's shape, with the real Python 3.9, real requests, and a stand-in for conda."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from conda_package_streaming.extract import extract

from builder.adapters.store.content import default_root
from farm.channel import EPOCH, PLACEHOLDER
from farm.python39 import python_package
from farm.wheels import wheels

NAME: Final = "Miniconda3-py39_25.9.1-3-Linux-x86_64.sh"
WHEELS: Final = (
    "certifi==2025.8.3",
    "charset-normalizer==3.4.3",
    "idna==3.10",
    "pip==25.2",
    "pluggy==1.6.0",
    "requests==2.32.5",
    "ruamel-yaml==0.18.15",
    "urllib3==2.5.0",
)
_STANDIN: Final = Path(__file__).with_name("standin")
_PACKAGES: Final = "lib/python3.9/site-packages"


def make_installer(folder: Path, *, name: str = NAME, python: Path | None = None) -> Path:
    """An installer in the folder, under a name as Miniconda's; the real one that BUILDER_TEST_INSTALLER names, if any.

    The name says conda's version, as in Miniconda3-py39_25.9.1-3-Linux-x86_64.sh. `python` is a package's archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if real := os.environ.get("BUILDER_TEST_INSTALLER"):
        return Path(shutil.copy(real, folder))
    version = _version(name)
    payload = _payload(version, python or python_package())
    header = (_STANDIN / "installer.sh").read_text()
    facts = {"NAME": name, "MD5": hashlib.md5(payload).hexdigest(), "VERSION": version, "PLACEHOLDER": PLACEHOLDER}
    for key, value in {**facts, "LINES": str(header.count("\n"))}.items():
        header = header.replace(f"@{key}@", value)
    made = folder / name
    made.write_bytes(header.encode() + payload)
    made.chmod(0o755)
    return made


def _version(name: str) -> str:
    """conda's version: 25.9.1 of py39_25.9.1-3."""
    return name.split("-")[1].rpartition("_")[2]


def _payload(version: str, python: Path) -> bytes:
    """The prefix as a .tar.gz, made once for each state of these modules and kept beside the store."""
    parts = [Path(__file__), *sorted(p for p in _STANDIN.rglob("*") if p.is_file() and p.suffix != ".pyc"), python]
    key = hashlib.sha256(version.encode() + b"".join(p.read_bytes() for p in parts)).hexdigest()[:16]
    kept = default_root().parent / "farm" / f"installer-{key}.tar.gz"
    if not kept.is_file():
        content = make_payload(version, python)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, prefix=".making-", delete=False) as made:
            made.write(content)
        Path(made.name).replace(kept)
    return kept.read_bytes()


def make_payload(version: str, python: Path) -> bytes:
    """Makes it, without a look at what was made before."""
    with tempfile.TemporaryDirectory(prefix="farm-") as bench:
        return _packed(_prefix(Path(bench), version, python))


def _prefix(bench: Path, version: str, python: Path) -> Path:
    """The whole installation, with the placeholder where its own path stands."""
    root = bench / "prefix"
    extract(str(python), root)
    python_info = root / "info"
    records = {python.name.removesuffix(".conda"): json.loads((python_info / "index.json").read_text())}
    files = {next(iter(records)): (python_info / "files").read_text().splitlines()}
    shutil.rmtree(python_info)
    _install_wheels(root)
    _install_standin(root, version)
    _hold_place(root)
    for stem, record, paths in _described(root, version):
        records[stem], files[stem] = record, paths
    _leave_caches(root, records)
    _write_records(root, records, files)
    _list_held(root)
    return root


def _install_wheels(root: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    how = ("--quiet", "--offline", "--no-index", "--no-deps", "--link-mode", "copy")
    where = ("--python", root / "bin/python", "--prefix", root)
    subprocess.run((uv, "pip", "install", *how, *where, *wheels(WHEELS)), check=True)
    (root / ".lock").unlink(missing_ok=True)  # uv's own, which anybody may write
    for info in (root / _PACKAGES).glob("*.dist-info"):
        _forget_host(info)


def _forget_host(info: Path) -> None:
    """Takes out what uv notes about the place and time of the installation, and the hashes of scripts."""
    for name in ("direct_url.json", "uv_cache.json"):
        (info / name).unlink(missing_ok=True)
    lines = (info / "RECORD").read_text().splitlines()
    kept = (line for line in lines if "direct_url.json" not in line and "uv_cache.json" not in line)
    plain = (line.split(",")[0] + ",," if line.startswith("../../../bin/") else line for line in kept)
    (info / "RECORD").write_text("".join(f"{line}\n" for line in plain))


def _install_standin(root: Path, version: str) -> None:
    packages = root / _PACKAGES
    shutil.copytree(_STANDIN / "conda", packages / "conda", ignore=shutil.ignore_patterns("__pycache__"))
    module = packages / "conda/__init__.py"
    module.write_text(module.read_text().replace("@VERSION@", version))
    info = packages / f"conda-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: conda\nVersion: {version}\nSummary: A stand-in.\n")
    (info / "INSTALLER").write_text("conda\n")
    script = f"#!{root}/bin/python\nimport sys\n\nfrom conda.cli import main\n\nsys.exit(main())\n"
    for place in ("bin/conda", "condabin/conda"):
        (root / place).parent.mkdir(exist_ok=True)
        (root / place).write_text(script)
        (root / place).chmod(0o755)
    profile = root / "etc/profile.d/conda.sh"
    profile.parent.mkdir(parents=True)
    profile.write_text((_STANDIN / "conda.sh").read_text().replace("@PREFIX@", str(root)))
    (root / "ssl").mkdir()
    shutil.copy(packages / "certifi/cacert.pem", root / "ssl/cacert.pem")
    (root / "ssl/cert.pem").symlink_to("cacert.pem")


def _described(root: Path, version: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Stem, record and files of each package but Python's."""
    yield _record(root, "ca-certificates", "2025.9.9", ["ssl/cacert.pem", "ssl/cert.pem"])
    for info in sorted((root / _PACKAGES).glob("*.dist-info")):
        name, _, found = info.name.removesuffix(".dist-info").rpartition("-")
        if name == "conda":
            own = ["bin/conda", "condabin/conda", "etc/profile.d/conda.sh"]
            paths = [*own, *_below(root, f"{_PACKAGES}/conda"), *_below(root, f"{_PACKAGES}/{info.name}")]
        else:
            rows = (info / "RECORD").read_text().splitlines()
            places = (root / _PACKAGES / row.split(",")[0] for row in rows)
            paths = sorted(os.path.relpath(os.path.normpath(p), root) for p in places if p.is_file())
        yield _record(root, name.replace("_", "-").lower(), version if name == "conda" else found, paths)


def _below(root: Path, folder: str) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in (root / folder).rglob("*") if p.is_file())


def _record(root: Path, name: str, version: str, paths: list[str]) -> tuple[str, dict[str, Any], list[str]]:
    build = "h06a4308_0" if name == "ca-certificates" else "py39h06a4308_0"
    index = {"build": build, "build_number": 0, "depends": [], "name": name, "subdir": "linux-64", "version": version}
    return f"{name}-{version}-{build}", {**index, "timestamp": EPOCH * 1000}, paths


def _leave_caches(root: Path, records: dict[str, dict[str, Any]]) -> None:
    """What Miniconda leaves in pkgs/: unpacked packages with certificates of their own, lists, a repodata cache."""
    pkgs, packages = root / "pkgs", root / _PACKAGES
    stems = {record["name"]: stem for stem, record in records.items()}
    for stem, source, place in (
        (stems["ca-certificates"], root / "ssl/cacert.pem", "ssl/cacert.pem"),
        (stems["certifi"], packages / "certifi/cacert.pem", f"{_PACKAGES}/certifi/cacert.pem"),
    ):
        (pkgs / stem / place).parent.mkdir(parents=True)
        shutil.copy(source, pkgs / stem / place)
        (pkgs / stem / "info").mkdir()
        (pkgs / stem / "info/index.json").write_text(json.dumps(records[stem], sort_keys=True))
        (pkgs / f"{stem}.conda").write_bytes(b"a package's archive in the cache\n")
    (pkgs / "cache").mkdir()
    (pkgs / "cache/497deca9.json").write_text('{"_url": "https://repo.anaconda.com/pkgs/main/linux-64"}\n')
    (pkgs / "urls").write_text("".join(f"{_url(stem)}\n" for stem in sorted(records)))
    (pkgs / "urls.txt").write_text("".join(f"{_url(stem)}\n" for stem in sorted(records)))


def _write_records(root: Path, records: dict[str, dict[str, Any]], files: dict[str, list[str]]) -> None:
    meta = root / "conda-meta"
    meta.mkdir()
    (meta / "initial-state.explicit.txt").write_text("@EXPLICIT\n" + "".join(f"{_url(s)}\n" for s in sorted(records)))
    for stem, record in records.items():
        link = {"source": f"{PLACEHOLDER}/pkgs/{stem}", "type": 1}
        own = {"channel": "https://repo.anaconda.com/pkgs/main/linux-64", "fn": f"{stem}.conda", "url": _url(stem)}
        paths = {"paths": [_path(root, p) for p in files[stem]], "paths_version": 1}
        places = {"extracted_package_dir": link["source"], "package_tarball_full_path": f"{link['source']}.conda"}
        whole = {**record, **own, **places, "files": files[stem], "link": link, "paths_data": paths}
        (meta / f"{stem}.json").write_text(json.dumps(whole, indent=2, sort_keys=True))


def _path(root: Path, path: str) -> dict[str, Any]:
    place = root / path
    if place.is_symlink():
        return {"_path": path, "path_type": "softlink"}
    content = place.read_bytes()
    held = {"file_mode": "text", "prefix_placeholder": PLACEHOLDER} if PLACEHOLDER.encode() in content else {}
    digest = hashlib.sha256(content).hexdigest()
    return {"_path": path, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(content), **held}


def _url(stem: str) -> str:
    return f"https://repo.anaconda.com/pkgs/main/linux-64/{stem}.conda"


def _hold_place(root: Path) -> None:
    """Puts the placeholder where this prefix stands."""
    for path in _files(root):
        content = path.read_bytes()
        if str(root).encode() in content:
            path.write_bytes(content.replace(str(root).encode(), PLACEHOLDER.encode()))


def _list_held(root: Path) -> None:
    """Lists the files with the placeholder, for the installer's sed."""
    found = [path.relative_to(root).as_posix() for path in _files(root) if PLACEHOLDER.encode() in path.read_bytes()]
    (root / ".has-prefix").write_text("".join(f"{path}\n" for path in found))


def _files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())


def _packed(root: Path) -> bytes:
    """The folder as a .tar.gz with no time and no owner in it."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as zipped:  # noqa: SIM117
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path in sorted(p for p in root.rglob("*") if "__pycache__" not in p.parts):
                tar.add(path, path.relative_to(root).as_posix(), recursive=False, filter=_settled)
    return packed.getvalue()


def _settled(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime, member.mode = EPOCH, member.mode | 0o644
    return member
