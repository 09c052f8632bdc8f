"""What is masked, and what stays readable."""

from __future__ import annotations

import pytest

from builder.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hunter2@h/x", "https://me:***@h/x"),
        ("https://me:p@ss@h/x", "https://me:***@h/x"),
        ("https://abcdefghijklmnopqrst1234@h/x", "https://***@h/x"),
        ("https://ghp_abcdefgh12@h/x", "https://ghp_***@h/x"),
        ("https://h/t/ab-1234-5678/team", "https://h/t/***/team"),
        ("//h/:_authToken=npm_abcdefgh", "//h/:_authToken=***"),
        ("two: https://a:b@h https://c:d@i", "two: https://a:***@h https://c:***@i"),
        ("user:pw@host:443", "user:***@host:443"),
    ],
)
def test_passwords_and_tokens_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text", ["https://git@h/x", "https://h/a@b", "mail me@h", "https://h:8080/x?a=b:c@d", "npm_x", "git@h:o/r"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text
