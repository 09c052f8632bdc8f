"""No text crashes the audit, and what it says of a text lies within it."""

from __future__ import annotations

import pytest
from form_examples import FORMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_examples import BROKEN, SOUND

from builder.audit.examine import examine
from builder.audit.fix import fix
from builder.audit.kinds import Kind

EXAMPLES = [*(e for examples in BROKEN.values() for e in examples), *SOUND, *(e for _, e in FORMS)]
SEEDS = [e.text for e in EXAMPLES]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
WORDS = "curl  -k <<EOF EOF ' \" \\ $( ) { } [ ] # &a *a ssl_verify false http:// u:p@ A= trusted-host CERT_NONE"
PIECES = st.sampled_from(
    [
        *WORDS.split(" "),
        " ",
        "\n",
        "\t",
        ": ",
        "- ",
        "? ",
        "ENV ",
        "RUN ",
        "FROM x",
        "!!python/x ",
        "!x ",
        "|\n",
        ">\n",
        *"=\r\0\ufeff\x85\u2028\U0001f600\udce9",
    ]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=40).map("".join),
    st.tuples(st.sampled_from(SEEDS), st.integers(0, 60), st.lists(PIECES, max_size=4)).map(
        lambda t: t[0][: t[1]] + "".join(t[2]) + t[0][t[1] :]
    ),
)


@pytest.mark.parametrize("kind", Kind)
@given(data=st.binary(max_size=300))
@QUICK
def test_no_bytes_crash_a_reader(kind, data):
    examine("x", data.decode("utf-8", "surrogateescape"), kind=kind)


@pytest.mark.parametrize("kind", Kind)
@given(text=TEXTS)
@QUICK
def test_no_text_crashes_a_reader_and_fixes_are_idempotent(kind, text):
    found = examine("x", text, kind=kind)
    for finding in found:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert 1 <= finding.line <= len(lines)
        assert 1 <= finding.column <= len(lines[finding.line - 1]) + 2
    once = fix("x", text, found, kind=kind).after
    left = examine("x", once, kind=kind)
    assert fix("x", once, left, kind=kind).after == once


@pytest.mark.parametrize(
    "text", ["[" * 3000, "{a: " * 2000, "$(" * 3000, "(" * 3000, "- " * 2000, "a: &a [*a]\n", "'" * 4000]
)
@pytest.mark.parametrize("kind", Kind)
def test_deep_nesting_ends(kind, text):
    examine("x", f"{text} curl -k verify=False CERT_NONE ssl_verify: false", kind=kind)
