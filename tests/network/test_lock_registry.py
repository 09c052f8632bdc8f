"""Registry bases by digest: buildx against a registry's API on loopback, and the next registry when one is dead."""

from __future__ import annotations

import shutil

import pytest
from image_registry import Content, image, index, registry

from builder.adapters.catalog import load_catalog
from builder.adapters.engine.registry import Registry
from builder.errors import LockError, NetworkError
from builder.models.catalog import ImageEntry

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(shutil.which("docker") is None, reason="no docker client on this host"),
]


def entry(*registries: str, tag: str = "v1") -> ImageEntry:
    base = load_catalog().bases["debian-bookworm-slim"]
    assert isinstance(base, ImageEntry)
    return base.model_copy(update={"registries": registries, "repository": "library/thing", "tag": tag})


def test_a_single_platform_image_is_locked_by_its_manifest_and_creation_time() -> None:
    content: Content = {}
    described = image(content, "amd64", tag="v1")
    with registry(content) as host:
        base = Registry().image(entry(host))
    assert (base.reference, base.digest, base.epoch) == (f"{host}/library/thing:v1", described["digest"], 1735787045)


def test_of_an_index_the_platforms_own_manifest_is_locked() -> None:
    content: Content = {}
    index(content, "arm64", "amd64", tag="v1")
    wanted = image({}, "amd64")
    with registry(content) as host:
        assert Registry().image(entry(host)).digest == wanted["digest"]


def test_a_dead_registry_is_passed_over_and_the_first_one_still_names_the_image() -> None:
    content: Content = {}
    described = image(content, "amd64", tag="v1")
    with registry(content) as host:
        base = Registry().image(entry("127.0.0.1:9", host))
    assert (base.reference, base.digest) == ("127.0.0.1:9/library/thing:v1", described["digest"])


def test_an_image_without_the_platform_is_refused() -> None:
    content: Content = {}
    index(content, "arm64", "riscv64", tag="v1")
    with registry(content) as host, pytest.raises(LockError, match="has no image for linux/amd64"):
        Registry().image(entry(host))


@pytest.mark.engine
def test_a_build_takes_the_first_registry_that_has_the_digest() -> None:
    content: Content = {}
    digest = str(image(content, "amd64")["digest"])
    with registry({}) as empty, registry(content) as host, registry(content) as other:
        assert Registry().having(entry("127.0.0.1:9", empty, host, other), digest) == host


@pytest.mark.engine
def test_when_no_registry_has_the_digest_each_is_named_with_what_it_said() -> None:
    digest = str(image({}, "amd64")["digest"])
    with registry({}) as host, pytest.raises(NetworkError) as caught:
        Registry().having(entry("127.0.0.1:9", host), digest)
    assert caught.value.what == f"no registry gives library/thing@{digest}"
    assert [fault.where for fault in caught.value.faults] == ["127.0.0.1:9", host]
    assert "connection refused" in (caught.value.faults[0].seen or "")
    assert "not found" in (caught.value.faults[1].seen or "")


def test_when_no_registry_has_the_tag_each_is_named_with_what_it_said() -> None:
    with registry({}) as host, pytest.raises(NetworkError) as caught:
        Registry().image(entry("127.0.0.1:9", host, tag="nosuch"))
    assert caught.value.what == "no registry gives library/thing:nosuch"
    assert [fault.where for fault in caught.value.faults] == ["127.0.0.1:9", host]
    assert "connection refused" in (caught.value.faults[0].seen or "")
    assert "not found" in (caught.value.faults[1].seen or "")
