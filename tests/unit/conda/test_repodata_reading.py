"""Repodata as it streams by: how new it is, and whether it is repodata at all."""

from __future__ import annotations

import hashlib
import json

import pytest

from builder.conda.repodata import Reading, seconds

NOW = 1_800_000_000.0


def read(data: bytes, *, step: int = 1 << 20) -> Reading:
    reading = Reading(now=NOW)
    for at in range(0, len(data), step):
        reading.feed(data[at : at + step])
    return reading


def repodata(*timestamps: int) -> bytes:
    records = {f"p{n}-1-0.conda": {"name": f"p{n}", "timestamp": t, "size": 1} for n, t in enumerate(timestamps)}
    return json.dumps({"info": {"subdir": "linux-64"}, "packages.conda": records}).encode()


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_the_newest_package_is_found_wherever_the_pieces_are_cut(step: int) -> None:
    data = repodata(1_500_000_000_000, 1_763_856_000_123, 1_400_000_000)
    reading = read(data, step=step)
    assert reading.newest == 1_763_856_000
    assert reading.sha256() == hashlib.sha256(data).hexdigest()
    assert (reading.size, reading.fault()) == (len(data), None)


def test_timestamps_count_seconds_or_milliseconds_by_condas_own_rule() -> None:
    assert seconds(1_400_000_000) == 1_400_000_000
    assert seconds(1_400_000_000_000) == 1_400_000_000


def test_a_package_from_the_future_does_not_make_repodata_new() -> None:
    soon = int((NOW + 3600) * 1000)
    assert read(repodata(1_500_000_000_000, soon, 4_000_000_000_000)).newest == 1_500_000_000


def test_a_key_that_only_ends_in_timestamp_is_none() -> None:
    assert read(b'{"indexed_timestamp": 1700000000000, "x": {}}').newest == 0


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"<!DOCTYPE html><p>sign in</p>", "answers with a page of HTML, not with repodata"),
        (b"  \n<html>", "answers with a page of HTML, not with repodata"),
        (b"sorry", "answers with something that is no repodata"),
        (b"", "answers with nothing"),
        (b'{"info": {}, "packages": {"a', "its repodata breaks off after 28 bytes"),
    ],
)
def test_what_is_no_repodata_is_told(data: bytes, fault: str) -> None:
    assert read(data).fault() == fault
