"""The chain's tests share one store and one first build, made behind a proxy that re-signs TLS.

Other tests here build without a registry and bring their fixtures along by import.
"""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from chain_project import MEASURED, PREFIX, Place, Ran, host_roots, remove_images
from proxy import Interceptor, intercepting

from builder.adapters.clients import HostClients

Projects = Callable[..., Place]


@dataclass(frozen=True)
class Host:
    """A host behind a company's proxy, whose root only this host knows."""

    root: trustme.CA
    proxy: str
    env: Mapping[str, str]
    interceptor: Interceptor | None
    """None where this host has a proxy already: then that one is used, and it is not ours to re-sign."""

    def hosts(self) -> set[str]:
        """Every registry that was or would be asked."""
        clients = HostClients()
        roots = [clients.pypi_index(), *clients.apt_roots("debian"), *clients.apt_roots("debian-security")]
        return {urlsplit(r).hostname or "" for r in roots} | (self.interceptor.hosts if self.interceptor else set())


@dataclass(frozen=True)
class First:
    """The first build of all, from nothing: no lock, an empty store, behind the proxy."""

    place: Place
    name: str
    ran: Ran
    host: Host

    @property
    def tag(self) -> str:
        return f"{self.name}:1.0"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MEASURED:
        terminalreporter.section("measured")
        for line in MEASURED:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that does not outlive the tests, as pytest's own do: a store takes 200 MB."""
    folder = tmp_path_factory.mktemp("chain")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def host(scratch: Path) -> Iterator[Host]:
    """This host, moved behind a proxy."""
    there = urllib.request.getproxies().get("https")
    with intercepting() as found:
        bundle = scratch / "host-roots.pem"
        bundle.write_bytes(host_roots() + found.root.cert_pem.bytes())
        env = {"SSL_CERT_FILE": str(bundle)}
        if there:
            yield Host(root=found.root, proxy=there, env=env, interceptor=None)
        else:
            proxied = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), found.url)
            yield Host(root=found.root, proxy=found.url, env={**env, **proxied}, interceptor=found)


@pytest.fixture(scope="session")
def first(scratch: Path, host: Host) -> Iterator[First]:
    """Built once; tests read it and change nothing of it."""
    name = PREFIX
    remove_images(name)
    folder = scratch / "first"
    place = Place(root=folder / "project", store=scratch / "store", state=folder / "state", env=host.env)
    place.write(name)
    ran = place.builder("build", name)
    assert ran.code == 0, ran.out + ran.err
    yield First(place, name, ran, host)
    remove_images(name)


@pytest.fixture
def project(first: First, tmp_path: Path) -> Iterator[Projects]:
    """Makes projects with one small recipe each, the first build's lock and its store, a state of their own."""
    made: list[str] = []

    def make(topic: str, *, program: tuple[str, ...] = first.place.program, **changes: object) -> Place:
        name = f"{PREFIX}-{topic}"
        remove_images(name)
        made.append(name)
        folder = tmp_path / topic
        place = Place(folder / "project", first.place.store, folder / "state", env={}, program=program)
        place.write(name, **changes)
        shutil.copyfile(first.place.lock(first.name), place.lock(name))
        return place

    yield make
    for name in made:
        remove_images(name)
