"""The trust stores of this host that clients really use: the system's, certifi's, each conda's, a named bundle."""

from __future__ import annotations

import importlib.util
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from builder.errors import RecipeError
from builder.trust.certs import split_pem
from builder.trust.graph import Anchors

_CONDAS: Final = ("miniconda3", "miniforge3", "mambaforge", "anaconda3", "micromamba")
_MOST: Final = 20_000_000


@dataclass(frozen=True)
class Store:
    """One set of trust anchors."""

    name: str
    """`the system's store`."""
    where: str
    users: str
    """Which clients use it here."""
    ders: tuple[bytes, ...]
    decisive: bool = True
    """False for one that no client here uses as things are set."""

    @cached_property
    def anchors(self) -> Anchors:
        """Its certificates, read."""
        return Anchors.of(self.ders)


def find_stores() -> tuple[Store, ...]:
    """Each once, the system's first. Stores with the same certificates are one, with all their users."""
    found: dict[frozenset[bytes], Store] = {}
    for store in _all():
        same = found.get(frozenset(store.ders))
        if same is None:
            found[frozenset(store.ders)] = store
        elif store.decisive and store.users not in same.users:
            users = f"{same.users}, {store.users}" if same.decisive else store.users
            found[frozenset(store.ders)] = Store(same.name, same.where, users, same.ders)
    return tuple(found.values())


def bundle_store(path: Path) -> Store:
    """A file with certificates, PEM, DER or PKCS#7. Raises RecipeError when there are none."""
    ders = _read(path)
    if not ders:
        seen = "no such file" if not path.exists() else "no certificate in it"
        raise RecipeError("the bundle cannot be read", where=str(path), seen=seen)
    return Store(f"the bundle {path.name}", str(path), "whatever is pointed at it", ders)


def override() -> Path | None:
    """What requests reads, and so conda and pip, whatever they are configured with: it beats `ssl_verify`, too."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return Path(named) if named else None


def find_condas() -> tuple[Path, ...]:
    """The roots of conda installations, each once."""
    named = [os.environ.get(name) for name in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX")]
    program = os.environ.get("CONDA_EXE")
    places = [Path(p) for p in named if p] + ([Path(program).parent.parent] if program else [])
    places += [Path("/opt/conda"), *(base / name for base in (Path.home(), Path("/opt")) for name in _CONDAS)]
    return tuple(dict.fromkeys(p.resolve() for p in places if (p / "conda-meta").is_dir()))


def _all() -> Iterator[Store]:
    yield _system()
    instead = override()
    if instead and instead.exists():
        users = "requests, pip, conda (REQUESTS_CA_BUNDLE)"
        yield Store(f"the bundle {instead.name}", str(instead), users, _read(instead))
    here = importlib.util.find_spec("certifi")
    files = [Path(here.origin).with_name("cacert.pem")] if here and here.origin else []
    for path in files:
        yield from _store("certifi's roots", path, "requests, older pip", decisive=not instead)
    for conda in find_condas():
        for path in sorted(conda.glob("lib/python3*/site-packages/certifi/cacert.pem")):
            yield from _store(f"the certifi of {conda}", path, f"conda and requests of {conda}", decisive=not instead)
        set_file = os.environ.get("SSL_CERT_FILE")
        yield from _store(
            f"the store of {conda}", conda / "ssl" / "cert.pem", f"Python of {conda}", decisive=not set_file
        )


def _store(name: str, path: Path, users: str, *, decisive: bool) -> Iterator[Store]:
    if ders := _read(path):
        yield Store(name, str(path), users, ders, decisive)


def _system() -> Store:
    """What Python's ssl, curl and openssl use: SSL_CERT_FILE and SSL_CERT_DIR, or the compiled places."""
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.capath) if paths.capath else None
    ders = _read(Path(paths.cafile)) if paths.cafile else ()
    if not ders and folder:  # hash links are tried only when there is no file: 140 small files are slow
        links = sorted(p for p in folder.glob("*.[0-9]") if p.is_file())
        ders = tuple(der for link in links[:1000] for der in _read(link))
    return Store("the system's store", str(paths.cafile or paths.capath or "none"), "Python's ssl, curl, openssl", ders)


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        if path.is_dir():
            return tuple(der for p in sorted(path.glob("*.[0-9]"))[:1000] for der in _read(p))
        with path.open("rb") as file:
            return split_pem(file.read(_MOST))
    except OSError:
        return ()
