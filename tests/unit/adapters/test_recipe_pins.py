"""A pin written into a recipe: nothing else of the file changes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from builder.adapters.recipe_pins import with_pin, write
from builder.errors import DiskError, RecipeError
from builder.models.pin import Pin
from builder.stages.load import parse_recipe

PIN = Pin.model_validate({"host": "m.site:8443", "root": "a" * 64, "backup": "b" * 64, "key": "q" * 43 + "="})
HEAD = "# about\nname: r\nbase: b   # which\n"
END = "\n# the gate\nchecks:\n- trust\n"
C, D = "c" * 64, "d" * 64
BODIES = {
    "no trust": "",
    "a block": "trust:\n    extra: [a.pem]   # ours\n    # keep\n",
    "a list in a block": "trust:\n  extra:\n  - a.pem   # ours\n\n  # keep\n",
    "braces": "trust: {extra: [a.pem]}   # x\n",
    "empty braces": "trust: {}   # x\n",
    "no pins": "trust:\n  pins: []  # none\n",
    "no pins in braces": "trust: {pins: []}\n",
    "another pin": f"trust:\n  pins:\n    # why\n    - host: n.site  # n\n      root: {C}\n      backup: {D}\n",
    "another pin in braces": f"trust: {{pins: [{{host: n.site, root: {C}, backup: {D}}}]}} # x\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_pin_is_added_and_every_other_line_stays(body: str) -> None:
    before = HEAD + body + END
    after = with_pin(before, PIN, where="r.yaml")
    old, new = parse_recipe(before, "r.yaml"), parse_recipe(after, "r.yaml")
    assert new.trust.pins == (*old.trust.pins, PIN)
    assert new.model_copy(update={"trust": old.trust}) == old
    touched = [line for line in before.splitlines() if line not in after.splitlines()]
    assert len(touched) <= 1, "only where the pin goes into a line that is there"
    assert all(line.partition("#")[2] in after for line in before.splitlines())


@pytest.mark.parametrize(
    "body",
    [
        (
            f"trust:\n  pins:\n  - host: m.site:8443 # m\n    root: {C} # 1\n    backup: {D} # 2\n"
            f"  - host: n.site\n    root: {C}\n    backup: {D}\n"
        ),
        f'trust: {{pins: [{{host: "m.site:8443", root: {C}, backup: {D}}}]}} # x\n',
    ],
)
def test_a_pin_takes_the_place_of_the_host_s_earlier_one(body: str) -> None:
    after = with_pin(HEAD + body + END, PIN, where="r.yaml")
    pins = parse_recipe(after, "r.yaml").trust.pins
    assert pins[0] == PIN
    assert len(pins) == body.count("host:")
    assert all(line.partition("#")[2] in after for line in body.splitlines())
    assert with_pin(after, PIN, where="r.yaml") == after, "a second time changes nothing"


def test_the_recipes_of_this_repository_keep_every_line() -> None:
    for path in sorted(Path(__file__).parents[3].glob("recipes/*.yaml")):
        before = path.read_text(encoding="utf-8")
        after = with_pin(before, PIN, where=path.name)
        rest = iter(after.splitlines())
        assert all(line in rest for line in before.splitlines()), "the same lines in the same order"
        assert PIN in parse_recipe(after, path.name).trust.pins


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "a: [\n",
        "",
        "trust: [a]\n",
        "just words\n",
        "trust:\n",
        "trust:\n  pins:\n",
        "trust:\n  pins:\n  - {root: a}\n",
    ],
)
def test_a_text_that_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="the pin cannot be written"):
        with_pin(text, PIN, where="r.yaml")


def test_a_file_keeps_its_mode_and_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("old")
    path.chmod(0o640)
    write(path, "new ö\n")
    assert (path.read_text(encoding="utf-8"), stat.S_IMODE(path.stat().st_mode)) == ("new ö\n", 0o640)
    with pytest.raises(DiskError):
        write(tmp_path / "none.yaml", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["r.yaml"]
