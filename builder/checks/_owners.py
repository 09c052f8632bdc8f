# Which package each file belongs to, by the packages' own records: wheels' RECORD, conda's metadata, dpkg's lists.
# After the prelude.
import base64
import csv
import glob
import hashlib
import json
import os
import re
import sys
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

DPKG = "/var/lib/dpkg"


class Record(NamedTuple):
    """What a package says of one of its files."""

    owner: str
    algorithm: str
    """Empty where the package says nothing of the content."""
    digest: str
    size: int
    """Bytes; -1 where the package does not say."""


Records = Dict[str, Record]
"""By absolute path."""


class Distribution(NamedTuple):
    """A Python distribution that is installed."""

    name: str
    version: str
    info: str
    """Its dist-info or egg-info."""


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def text_of(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def sites(prefix: str = sys.prefix) -> "List[str]":
    """Where Pythons of the image look for packages; the environment's own first."""
    patterns = (
        "/usr/lib/python3*",
        "/usr/local/lib/python3*",
        "/root/.local/lib/python3*",
        "/home/*/.local/lib/python3*",
    )
    found = glob.glob(prefix + "/lib/python3*/site-packages") + glob.glob("/opt/conda/lib/python3*/site-packages")
    found += [
        p for pattern in patterns for kind in ("site", "dist") for p in glob.glob(pattern + "/" + kind + "-packages")
    ]
    return [path for path in dict.fromkeys(found) if os.path.isdir(path)]


def distributions(site: str) -> "List[Distribution]":
    """Every distribution of one folder, also those that were installed without a wheel."""
    found = []
    for info in sorted(glob.glob(site + "/*.dist-info") + glob.glob(site + "/*.egg-info")):
        paths = [info + "/METADATA", info + "/PKG-INFO", info]
        text = next((text_of(p) for p in paths if os.path.isfile(p)), "").partition("\n\n")[0]
        fields = dict(re.findall(r"(?m)^(Name|Version):[ \t]*(\S+)", text))
        if "Name" in fields:
            found.append(Distribution(normal(fields["Name"]), fields.get("Version", ""), info))
        else:
            name, _, version = os.path.basename(info).rpartition(".")[0].partition("-")
            found.append(Distribution(normal(name), version, info))
    return found


def of_wheel(one: Distribution) -> Records:
    """What a wheel's RECORD says of its files."""
    path = one.info + "/RECORD"
    if not os.path.isfile(path):
        return {}
    site, owner = os.path.dirname(one.info), "{} {}".format(one.name, one.version)
    found = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if row:
                name, mark, size = ([*row, "", ""])[:3]
                algorithm, _, digest = mark.partition("=")
                where = os.path.normpath(os.path.join(site, name))
                found[where] = Record(owner, algorithm, _hex(digest), int(size) if size.isdigit() else -1)
    return found


def _hex(digest: str) -> str:
    return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex() if digest else ""


class CondaPackage(NamedTuple):
    """A conda package that is linked."""

    name: str
    version: str
    build: str
    files: Records


def conda_packages(prefix: str) -> "List[CondaPackage]":
    """Every package that a conda environment's records name."""
    found = []
    for path in sorted(glob.glob(prefix + "/conda-meta/*.json")):
        data = json.loads(text_of(path))
        if "name" in data:
            owner = "{} {}".format(data["name"], data["version"])
            entries = data.get("paths_data", {}).get("paths", [])
            known = {os.path.join(prefix, entry["_path"]): _of_conda(entry, owner) for entry in entries}
            for name in data.get("files", []):
                known.setdefault(os.path.join(prefix, name), Record(owner, "", "", -1))
            found.append(CondaPackage(data["name"], data["version"], data.get("build", ""), known))
    return found


def _of_conda(entry: "Dict[str, object]", owner: str) -> Record:
    digest = entry.get("sha256_in_prefix") or ("" if entry.get("prefix_placeholder") else entry.get("sha256"))
    if not digest or entry.get("path_type") not in ("hardlink", None):
        return Record(owner, "", "", -1)
    return Record(owner, "sha256", str(digest), -1)


def debs() -> "Dict[str, str]":
    """The version of every installed Debian package, by name."""
    files = [DPKG + "/status", *sorted(glob.glob(DPKG + "/status.d/*"))]
    paragraphs = [p for path in files if os.path.isfile(path) for p in text_of(path).split("\n\n")]
    fields = [dict(re.findall(r"(?m)^(Package|Status|Version):[ \t]*(.+?)[ \t]*$", p)) for p in paragraphs]
    return {
        f["Package"]: f.get("Version", "")
        for f in fields
        if "Package" in f and " installed" in f.get("Status", " installed")
    }


def of_debs() -> Records:
    """What dpkg knows of the files that Debian packages brought; of configuration as it came, too."""
    real: Dict[str, str] = {}
    found = {}
    for name, path, digest in _dpkg_lines():
        folder = os.path.dirname(path)
        if folder not in real:
            real[folder] = os.path.realpath(folder)  # /bin is /usr/bin
        found[os.path.join(real[folder], os.path.basename(path))] = Record(name, "md5" if digest else "", digest, -1)
    return found


def _dpkg_lines() -> "Iterator[Tuple[str, str, str]]":
    """Package, path, MD5 or nothing."""
    for path in sorted(glob.glob(DPKG + "/info/*.list")):
        name = os.path.basename(path)[:-5].partition(":")[0]
        for line in text_of(path).splitlines():
            yield name, line, ""
    for path in sorted(glob.glob(DPKG + "/info/*.md5sums")):
        name = os.path.basename(path)[:-8].partition(":")[0]
        for digest, file in re.findall(r"(?m)^([0-9a-f]{32})\s+(.+)$", text_of(path)):
            yield name, "/" + file, digest
    if os.path.isfile(DPKG + "/status"):
        for paragraph in text_of(DPKG + "/status").split("\n\n"):
            owner = re.search(r"(?m)^Package: (\S+)", paragraph)
            for file, digest in re.findall(r"(?m)^ (/\S+) ([0-9a-f]{32})", paragraph):
                yield owner.group(1) if owner else "dpkg", file, digest


def digest_of(path: str, algorithm: str) -> "Optional[str]":
    """A file's hash; None where it cannot be read or the hash is unknown."""
    try:
        state = hashlib.new(algorithm)
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                state.update(block)
    except (OSError, ValueError):
        return None
    return state.hexdigest()
