"""Locking against repodata of conda-forge's size, through three HTTPS mirrors: seconds and memory of the lock alone."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard
from farm import Channel, Farm
from tests_root import ROOT

pytestmark = pytest.mark.bench

RECORDS = {"linux-64": 600_000, "noarch": 300_000}
VERSIONS = 30
CORE = 200
"""Names that everything depends on, as an environment of real packages has a few hundred."""
SECONDS, MEMORY = 20.0, 1_500_000_000
LOCK = """
import json, resource, sys, time
from pathlib import Path
began = time.monotonic()
from builder.adapters.conda.channels import MirroredChannels
from builder.mirrors.catalogue import Mirrors
from builder.mirrors.entry import Catalogue
from builder.models.resolved import CondaAsked
entries, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
mirrors = Mirrors(Catalogue.model_validate_json(json.dumps(entries)).root, clients=None)
specs = (*(f"pkg{n:05d}" for n in range(5000, 5010)), "python 3.9.*")
virtual = ("__archspec=1=x86_64", "__glibc=2.36", "__linux=4.18", "__unix=0")
asked = CondaAsked(specs=specs, channels=("conda-forge",), subdir="linux-64", virtual=virtual)
found = MirroredChannels(mirrors, folder=folder).solve(
    asked, keep=(), mirrors=tuple(entries), where="bench", tell=lambda _: None
)
print(json.dumps({
    "seconds": time.monotonic() - began,
    "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "packages": len(found.packages),
    "digest": found.packages[0].artifact.sha256,
    "notes": found.notes,
}))
"""


@dataclass(frozen=True)
class Measured:
    seconds: float
    bytes: int
    packages: int
    digest: str
    notes: list[str]


def records(subdir: str, count: int) -> Iterator[str]:
    """`"file": {record}` of a world where all depend on a few hundred; as text, for json.dumps takes minutes."""
    dice = random.Random(subdir)
    first, noarch = (0, "") if subdir == "linux-64" else (25_000, '"noarch": "generic", ')
    for n in range(count):
        number, python, digest = first + n // VERSIONS, 9 + n % 5, hashlib.sha256(f"{subdir}{n}".encode()).hexdigest()
        name, version, build = (
            f"pkg{number:05d}",
            f"{n % VERSIONS}.{n % 7}.{n % 3}",
            f"py3{python}h{digest[:7]}_{n % 4}",
        )
        core = [dice.randrange(min(number, CORE)) for _ in range(4)] if number else []
        needs = [f"pkg{other:05d} >={dice.randrange(3)}.0,<99.0a0" for other in core]
        native = ["libgcc >=13", "__glibc >=2.17,<3.0.a0", f"python_abi 3.{python}.* *_cp3{python}"]
        yield (
            f'"{name}-{version}-{build}.conda": {{"build": "{build}", "build_number": {n % 4}, '
            f'"constrains": ["gone <0a0"], "depends": {json.dumps(needs if noarch else needs + native)}, '
            f'"license": "BSD-3-Clause", "md5": "{digest[:32]}", "name": "{name}", {noarch}"sha256": "{digest}", '
            f'"size": {100_000 + n}, "subdir": "{subdir}", "timestamp": {1_600_000_000_000 + n * 1000}, '
            f'"version": "{version}"}}'
        )


def few() -> Iterator[str]:
    """What the others count on."""
    for name, version, build in (
        ("python", "3.9.23", "0_cpython"),
        ("python_abi", "3.9", "8_cp39"),
        ("libgcc", "15.2.0", "0"),
    ):
        facts = {"depends": [], "build_number": 0, "size": 1, "subdir": "linux-64", "timestamp": 1_700_000_000_000}
        digest = hashlib.sha256(name.encode()).hexdigest()
        record = {"name": name, "version": version, "build": build, "sha256": digest, "md5": digest[:32], **facts}
        yield f'"{name}-{version}-{build}.conda": {json.dumps(record)}'


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A channel's folder; removed afterwards, as it is half a gigabyte with the mirrors' copies."""
    folder = tmp_path_factory.mktemp("channel")
    for subdir, count in RECORDS.items():
        (folder / subdir).mkdir()
        packed = folder / subdir / "repodata.json.zst"
        with packed.open("wb") as file, zstandard.ZstdCompressor(level=6, threads=-1).stream_writer(file) as out:
            out.write(f'{{"info": {{"subdir": "{subdir}"}}, "packages": {{}}, "packages.conda": {{'.encode())
            lines = [*(few() if subdir == "linux-64" else ()), *records(subdir, count)]
            for begin in range(0, len(lines), 1000):
                out.write((",\n" if begin else "").encode() + ",\n".join(lines[begin : begin + 1000]).encode())
            out.write(b'}, "removed": [], "repodata_version": 1}\n')
        say(f"{subdir}: {count:,} records, {packed.stat().st_size / 1e6:.1f} MB of repodata.json.zst")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder for gigabytes, which pytest would keep."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def lock(farms: list[Farm], folder: Path) -> Measured:
    """A process of its own, so that its memory is its own; the mirrors are in this one."""
    entries = {
        f"{letter}-{name}": e for letter, farm in zip("abc", farms, strict=False) for name, e in farm.entries().items()
    }
    trusted = folder.with_suffix(".pem")
    trusted.write_text("".join(farm.ca_pem.read_text() for farm in farms))
    env = {**os.environ, "SSL_CERT_FILE": str(trusted), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", LOCK, json.dumps(entries), str(folder)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return Measured(**json.loads(done.stdout))


def tell(what: str, measured: Measured) -> None:
    figures = f"{measured.seconds:.1f} s, {measured.bytes / 1e9:.2f} GB, {measured.packages} packages"
    say("\n  ".join((f"{what}: {figures}", *measured.notes)))


def say(text: str) -> None:
    print(text)  # noqa: T201


def test_mirrors_that_agree(channel: Path, scratch: Path) -> None:
    with Farm(scratch / "farm", channel=Channel(folder=channel, records={})) as farm:
        cold = lock([farm], scratch / "repodata")
        tell("three mirrors that agree, nothing kept", cold)
        warm = lock([farm], scratch / "repodata")
        tell("the same again, nothing changed", warm)
    assert (cold.seconds < SECONDS, cold.bytes < MEMORY) == (True, True)
    assert cold.packages > 100
    assert warm.digest == cold.digest
    assert warm.seconds < cold.seconds / 2


def test_mirrors_that_all_differ(channel: Path, scratch: Path) -> None:
    """The worst case: each mirror's repodata has to be read, and its hashes compared."""
    with ExitStack() as stack:
        farms = []
        for number in range(3):
            own = scratch / f"channel-{number}"
            for subdir in RECORDS:
                (own / subdir).mkdir(parents=True)
                packed = (channel / subdir / "repodata.json.zst").read_bytes()
                # A frame more: other bytes, the same records.
                more = zstandard.compress(b"\n" * number) if number else b""
                (own / subdir / "repodata.json.zst").write_bytes(packed + more)
            farm = Farm(scratch / f"farm-{number}", channel=Channel(folder=own, records={}), mirrors=1)
            farms.append(stack.enter_context(farm))
        measured = lock(farms, scratch / "repodata")
    tell("three mirrors that all differ", measured)
    assert (measured.seconds < SECONDS, measured.bytes < MEMORY) == (True, True)
