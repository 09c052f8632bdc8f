"""Reading uv's answer: the wheel for the image's Python and glibc, whatever this machine is."""

from __future__ import annotations

import pytest

from builder.adapters.lock.pylock import read_pylock, written_preferences
from builder.errors import LockError
from builder.models.resolved import Target, Wheel

TARGET = Target(python="3.9.2", glibc="2.31")


def entry(name: str, *files: str, marker: str = "", facts: str = "size = 5, upload-time = 2025-01-02T03:04:05Z") -> str:
    rows = [
        f'{{ url = "https://index.example/{file}", {facts}{", " if facts else ""}hashes = {{ sha256 = "{n:064x}" }} }}'
        for n, file in enumerate(files)
    ]
    line = f'marker = "{marker}"\n' if marker else ""
    return f'[[packages]]\nname = "{name}"\nversion = "1.0"\n{line}wheels = [{", ".join(rows)}]\n'


def read(*entries: str, target: Target = TARGET, size: int | None = None) -> tuple[Wheel, ...]:
    text = "\n".join(('lock-version = "1.0"', 'created-by = "uv"', *entries))
    return read_pylock(text, target=target, mirror="nearby", where="recipes/a.yaml: pip", measure=lambda _: size)


def chosen(*files: str, target: Target = TARGET) -> str:
    (wheel,) = read(entry("x", *files), target=target)
    return wheel.package.artifact.path


def test_name_version_hash_size_and_upload_time_are_read_and_no_address() -> None:
    (wheel,) = read(entry("x", "x-1.0-py3-none-any.whl"))
    assert wheel.model_dump() == {
        "package": {
            "name": "x",
            "version": "1.0",
            "artifact": {"source": "pypi", "path": "x-1.0-py3-none-any.whl", "sha256": "0" * 64, "size": 5},
        },
        "uploaded": 1735787045,
    }


def test_packages_are_sorted_by_name() -> None:
    both = read(entry("b", "b-1.0-py3-none-any.whl"), entry("a", "a-1.0-py3-none-any.whl"))
    assert [wheel.package.name for wheel in both] == ["a", "b"]


def test_the_own_interpreters_wheel_beats_the_pure_one() -> None:
    pure, own = "x-1.0-py3-none-any.whl", "x-1.0-cp39-cp39-manylinux2014_x86_64.whl"
    assert chosen(pure, own) == own


def test_the_newest_manylinux_that_the_glibc_takes_is_chosen() -> None:
    old, fits, new = (f"x-1.0-cp39-cp39-manylinux_2_{n}_x86_64.whl" for n in (17, 28, 34))
    assert chosen(old, fits, new) == fits
    assert chosen(old, fits, new, target=Target(python="3.9.2", glibc="2.36")) == new


def test_an_abi3_wheel_of_an_older_python_is_taken() -> None:
    assert chosen("x-1.0-cp37-abi3-manylinux2014_x86_64.whl") == "x-1.0-cp37-abi3-manylinux2014_x86_64.whl"


@pytest.mark.parametrize(
    "file",
    [
        "x-1.0-cp310-cp310-manylinux2014_x86_64.whl",
        "x-1.0-cp39-cp39-manylinux2014_aarch64.whl",
        "x-1.0-cp39-cp39-musllinux_1_2_x86_64.whl",
        "x-1.0-cp39-cp39-manylinux_2_34_x86_64.whl",
    ],
)
def test_a_wheel_for_something_else_is_refused(file: str) -> None:
    with pytest.raises(LockError) as caught:
        read(entry("x", file))
    assert caught.value.what == "uv's answer does not fit the image's Python"


def test_markers_are_judged_for_the_image_and_not_for_this_machine() -> None:
    old = entry("old", "old-1.0-py3-none-any.whl", marker="python_full_version < '3.10'")
    new = entry("new", "new-1.0-py3-none-any.whl", marker="python_full_version >= '3.10'")
    assert [wheel.package.name for wheel in read(old, new)] == ["old"]


def test_a_size_that_the_index_does_not_tell_is_measured() -> None:
    (wheel,) = read(entry("x", "x-1.0-py3-none-any.whl", facts=""), size=77)
    assert (wheel.package.artifact.size, wheel.uploaded) == (77, None)


def test_a_size_that_nobody_tells_is_an_error() -> None:
    with pytest.raises(LockError) as caught:
        read(entry("x", "x-1.0-py3-none-any.whl", facts=""))
    assert caught.value.what == "the package index nearby does not tell the size of x-1.0-py3-none-any.whl"
    assert caught.value.where == "recipes/a.yaml: pip"


def test_preferences_are_sorted_and_readable_as_a_lock() -> None:
    text = written_preferences({"b": "2", "a": "1"})
    assert text.index('name = "a"') < text.index('name = "b"')
