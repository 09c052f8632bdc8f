"""No text can break out of its place in a Dockerfile: read back by a parser of our own, written from BuildKit's rules.

`tests/e2e/test_quoting.py` asks BuildKit itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests_root import ROOT

from builder.adapters.project import Project
from builder.errors import LockError
from builder.models.lock import Lock
from builder.models.lockfile import dump_lock, parse_lock
from builder.models.plan import ImageConfig, Plan
from builder.pipeline import Workplace, described
from builder.stages.render import exec_form, quoted, render

SPECIAL = "\"'`$\\{}()<>|&;#= \t%~*?!-"
one_line = st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8"))
nasty = st.one_of(one_line, st.text(SPECIAL + "ab", max_size=12))


def words(line: str) -> Iterator[str]:
    """The words of an ENV or LABEL instruction after its keyword, as BuildKit's `shell.Lex` takes them.

    Raises ValueError for what would be expanded or would go on in the next line.
    """
    rest = iter(line.partition(" ")[2] + " ")
    word: list[str] = []
    inside = False
    for char in rest:
        if char == '"':
            inside = not inside
            word.append("")  # an empty word in quotes is one, too
        elif char == "\\":
            word.append(escaped(next(rest), inside=inside))
        elif char == "$" or (char == "'" and not inside):
            raise ValueError(f"not taken as it is: {char}")
        elif char not in " \t" or inside:
            word.append(char)
        elif word:
            yield "".join(word)
            word.clear()
    if inside:
        raise ValueError("a quote stays open")


def escaped(char: str, *, inside: bool) -> str:
    """What a backslash and this stand for: in double quotes it means something before three characters alone."""
    return char if not inside or char in '"$\\' else "\\" + char


@given(nasty)
@example("$(touch /tmp/x) ${PATH} `id`")
@example('" RUN id "')
@example("ends in a backslash \\")
@example('\\" \\$HOME \\\\')
@example("\x0b\x0c\x1c\x85\u2028\u2029 <<EOF")
def test_quoted_text_is_one_word_and_reads_back_as_itself(text: str) -> None:
    assert list(words(f"ENV KEY={quoted(text)}")) == [f"KEY={text}"]


@given(nasty, nasty)
def test_quoted_words_do_not_run_into_each_other(one: str, other: str) -> None:
    assert list(words(f"LABEL a={quoted(one)} b={quoted(other)}")) == [f"a={one}", f"b={other}"]


@given(nasty)
def test_a_quoted_word_stays_on_its_line(text: str) -> None:
    assert not re.search(r"[\r\n]", quoted(text))


@given(one_line, st.sampled_from("\0\r\n"), one_line)
def test_what_no_quoting_can_carry_is_refused(before: str, char: str, after: str) -> None:
    with pytest.raises(ValueError, match="cannot hold a line break"):
        quoted(before + char + after)


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1).map(tuple))
def test_an_exec_form_is_json_on_one_line_of_ascii(argv: tuple[str, ...]) -> None:
    form = exec_form(argv)
    assert tuple(json.loads(form)) == argv
    assert form.isascii()
    assert form.isprintable()


@pytest.mark.parametrize("unquoted", ["a$b", 'a"b', "a b", "a\\ b", "it's"])
def test_the_parser_sees_what_is_not_quoted(unquoted: str) -> None:
    with pytest.raises((ValueError, AssertionError)):
        assert list(words(f"ENV KEY={unquoted}")) == [f"KEY={unquoted}"]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return described(Workplace(Project(ROOT)), "quickstart").plan


def instructions(plan: Plan) -> list[str]:
    """The first words of the Dockerfile's lines, without comments."""
    (text,) = (file.content for file in render(plan).files if file.path == "Dockerfile")
    return [line.split(" ")[0] for line in text.split("\n") if line and not line.startswith("#")]


def test_no_text_of_the_configuration_adds_an_instruction(plan: Plan) -> None:
    odd = SPECIAL + "\u2028RUN id\x0bRUN id\x85RUN id \\"
    plain, strange = (
        plan.model_copy(update={"config": ImageConfig(env=(("A", value),), labels=(("b", value),), cmd=(value,))})
        for value in ("value", odd)
    )
    assert instructions(strange) == instructions(plain)


@pytest.fixture(scope="module")
def lock() -> Lock:
    found = Project(ROOT).read_lock("quickstart")
    assert found
    return found


BREAKS = ["\nRUN id", " RUN id", "$HOME", ",readonly=false", '"', "`id`", "\\"]


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize("field", ["name", "version", "path"])
def test_no_text_of_a_lock_reaches_the_dockerfile_but_as_a_plain_word(lock: Lock, field: str, text: str) -> None:
    data = json.loads(dump_lock(lock))
    package = data["pip"][0]
    place = package["artifact"] if field == "path" else package
    place[field] += text
    with pytest.raises(LockError, match="the lock cannot be read") as caught:
        parse_lock(json.dumps(data), "a.lock")
    where = "a.lock: pip[0]." + ("artifact.path" if field == "path" else field)
    assert [fault.where for fault in caught.value.faults] == [where]


@pytest.mark.parametrize("text", BREAKS)
def test_no_text_of_a_locked_base_reaches_the_dockerfile_but_as_a_plain_word(lock: Lock, text: str) -> None:
    data = json.loads(dump_lock(lock))
    data["base"]["suite"] += text
    with pytest.raises(LockError, match="the lock cannot be read"):
        parse_lock(json.dumps(data), "a.lock")
    data["base"] = {
        "kind": "image",
        "reference": "docker.io/library/debian:bookworm-slim" + text,
        "digest": "sha256:" + "0" * 64,
        "epoch": 0,
    }
    with pytest.raises(LockError, match="the lock cannot be read"):
        parse_lock(json.dumps(data), "a.lock")
