"""Logins and tokens are not shown; what only looks like one is."""

from __future__ import annotations

import pytest

from builder.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@ss@h/x", "https://u:***@h/x"),
        ("user:pw@host:443", "user:***@host:443"),
        ("https://u:S3CRET@ho st/x", "https://u:***@ho st/x"),
        ("see http://x:y@h and https://z:w@i:8/q", "see http://x:***@h and https://z:***@i:8/q"),
        ("https://ghp_123456789012345678@github.com/o", "https://***@github.com/o"),
        ("https://h/t/tk-1234567890/conda-forge", "https://h/t/***/conda-forge"),
        ("http://h:8080/x", "http://h:8080/x"),
        ("https://[::1]:8080/a@b", "https://[::1]:8080/a@b"),
        ("git@github.com:o/r", "git@github.com:o/r"),
    ],
)
def test_login_and_token_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
