"""Mirrors held against each other, by values alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from builder.adapters.conda.download import Copy
from builder.adapters.conda.quorum import compared, newest
from builder.adapters.conda.repodata import Gathered
from builder.conda.solve import Part
from builder.errors import IntegrityError
from builder.models.lock import CondaPackage

NOW = 1_790_000_000
HOUR = 3600


def copy(mirror: str, content: str, *, age: int) -> Copy:
    part = Part(source="c/noarch", path=Path(mirror))
    return Copy(mirror=mirror, part=part, sha256=content * 64, newest=NOW - age)


@pytest.mark.parametrize(
    ("copies", "taken"),
    [
        ((copy("a", "1", age=HOUR), copy("b", "2", age=0)), "b"),
        ((copy("a", "1", age=0), copy("b", "2", age=0)), "a"),
        ((copy("a", "1", age=0), copy("b", "2", age=0), copy("c", "2", age=0)), "b"),
        ((copy("a", "1", age=0), copy("b", "2", age=20 * HOUR), copy("c", "2", age=20 * HOUR)), "b"),
        ((copy("a", "1", age=0), copy("b", "2", age=24 * HOUR), copy("c", "2", age=24 * HOUR)), "a"),
    ],
    ids=["newer", "first of equals", "most of equals", "agreed on within a day", "a day behind"],
)
def test_the_newest_is_taken_unless_others_agree_on_one_hardly_older(copies: tuple[Copy, ...], taken: str) -> None:
    assert newest(copies).mirror == taken


SOURCE = "c/linux-64"
FILE = "a-1-0.conda"
ARTIFACT = {"source": SOURCE, "path": FILE, "sha256": "ab" * 32, "size": 10}
LOCKED = CondaPackage.model_validate_json(
    json.dumps({"name": "a", "version": "1", "build": "0", "build_number": 0, "md5": "cd" * 16, "artifact": ARTIFACT})
)


def listing(folder: Path, mirror: str, **changes: object) -> Copy:
    """A mirror that lists that file, with changes; nothing at all if one of them is `name=None`."""
    record = {"name": "a", "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"}
    record |= {"sha256": "ab" * 32, "size": 10, **changes}
    text = json.dumps({"info": {}, "packages": {}, "packages.conda": {FILE: record} if record["name"] else {}})
    path = folder / f"{mirror}.json"
    path.write_text(text)
    return Copy(
        mirror=mirror, part=Part(source=SOURCE, path=path), sha256=hashlib.sha256(text.encode()).hexdigest(), newest=NOW
    )


def said(*copies: Copy) -> tuple[str, ...]:
    return compared(Gathered(source=SOURCE, copies=copies, failed={}, slow=()), copies[0], [LOCKED])


@pytest.mark.parametrize(
    ("changes", "what", "seen"),
    [
        ({"sha256": "ef" * 32}, "hashes", f"x: sha256 {'ab' * 32}\ny: sha256 {'ef' * 32}"),
        ({"size": 11}, "sizes", "x: size 10\ny: size 11"),
    ],
)
def test_two_mirrors_that_say_two_things_of_one_file_are_an_alarm(
    tmp_path: Path, changes: dict[str, object], what: str, seen: str
) -> None:
    with pytest.raises(IntegrityError) as caught:
        said(listing(tmp_path, "x"), listing(tmp_path, "y", **changes))
    assert (caught.value.what, caught.value.where) == (f"two mirrors give two {what} for {FILE}", SOURCE)
    assert caught.value.seen == seen


ALONE = "x: it alone lists the locked a"


def test_a_file_that_one_mirror_alone_lists_is_told(tmp_path: Path) -> None:
    one, empty = listing(tmp_path, "x"), listing(tmp_path, "y", name=None)
    assert said(one, empty)[-1] == ALONE
    assert ALONE not in said(one, empty, listing(tmp_path, "z", license="MIT"))
    assert said(one, listing(tmp_path, "z")) == ()


def test_of_one_mirror_alone_nothing_is_told(tmp_path: Path) -> None:
    assert said(listing(tmp_path, "x")) == ()
