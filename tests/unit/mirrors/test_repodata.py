"""What is learnt of a repodata while it comes, however it is cut into pieces."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from builder.mirrors.repodata import Scanner

NOW = 1_800_000_000.0


def record(stamp: int | None, size: int) -> dict[str, object]:
    timed = {} if stamp is None else {"timestamp": stamp}
    return {"build_number": 0, "depends": ["python >=3.9"], "size": size, "subdir": "linux-64", **timed}


def repodata(**packages: dict[str, object]) -> bytes:
    named = {f"{name}-1.0-0.conda": record for name, record in packages.items()}
    return json.dumps({"info": {}, "packages": {"old-1-0.tar.bz2": record(None, 7)}, "packages.conda": named}).encode()


TWO = repodata(a=record(1_700_000_000_000, 11), b=record(1_710_000_000_000, 22), c=record(1_600_000_000_000, 33))


def scanned(data: bytes, step: int = 1 << 16) -> Scanner:
    scanner = Scanner(now=NOW)
    for begin in range(0, len(data), step):
        scanner.feed(data[begin : begin + step])
    scanner.end()
    return scanner


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
def test_the_newest_package_is_found_with_its_size(step: int) -> None:
    found = scanned(TWO, step)
    assert (found.newest, found.file, found.file_size) == (1_710_000_000.0, "b-1.0-0.conda", 22)
    assert (found.packages, found.size, found.is_whole) == (4, len(TWO), True)


def test_the_newest_is_found_across_blocks() -> None:
    many = {f"p{i}": record(1_600_000_000_000 + i, i) for i in range(20_000)}
    many["p7000"] = record(1_750_000_000_000, 123)
    found = scanned(repodata(**many), 100_003)
    assert (found.newest, found.file, found.file_size) == (1_750_000_000.0, "p7000-1.0-0.conda", 123)
    assert found.packages == 20_001


def test_seconds_and_milliseconds_are_told_apart() -> None:
    found = scanned(repodata(a=record(1_500_000_000, 1), b=record(1_499_999_999_000, 2)))
    assert (found.newest, found.file) == (1_500_000_000.0, "a-1.0-0.conda")


def test_a_package_from_the_far_future_is_a_mistake() -> None:
    found = scanned(repodata(a=record(9_999_999_999_999, 1), b=record(1_700_000_000_000, 2)))
    assert (found.newest, found.file) == (1_700_000_000.0, "b-1.0-0.conda")


def test_without_times_the_first_package_serves() -> None:
    found = scanned(repodata(a=record(None, 1)))
    assert (found.newest, found.file, found.file_size) == (None, "old-1-0.tar.bz2", 7)


def test_an_empty_repodata_is_one() -> None:
    found = scanned(b'{"info": {"subdir": "linux-64"}, "packages": {}}')
    assert (found.is_repodata, found.is_whole, found.packages, found.file) == (True, True, 0, None)


@pytest.mark.parametrize(
    "data", [b"<html>sign in</html>", b"", b"[]", b'{"error": "no such channel"}', b"<" * (1 << 21)]
)
def test_what_is_no_repodata_is_told(data: bytes) -> None:
    assert not scanned(data).is_repodata


def test_a_repodata_without_an_end_is_told() -> None:
    assert not scanned(TWO[:-3]).is_whole
    assert scanned(TWO[:-3]).is_repodata


def test_a_large_repodata_takes_no_memory() -> None:
    piece = TWO.replace(b"}}", b"},") * 100  # no JSON any more, but records as dense as real ones
    scanner = Scanner(now=NOW)
    tracemalloc.start()
    for _ in range(30_000_000 // len(piece)):
        scanner.feed(piece)
    scanner.end()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scanner.size > 29_000_000
    assert peak < 16_000_000
