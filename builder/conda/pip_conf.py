"""The baked `/etc/pip.conf`: package indexes in order of preference, and the image's CA bundle."""

from __future__ import annotations

from builder.conda.condarc import BUNDLE, refuse_unsafe

TIMEOUT = 15
"""Seconds of silence: pip's own default, written down because a site's pip may have another."""

RETRIES = 2
"""How often pip asks a dead index again, for every package; its default is 5."""


def pip_conf(indexes: tuple[str, ...]) -> str:
    """The text of the file; without indexes pip asks where it would by itself."""
    for url in indexes:
        refuse_unsafe(url, what="a package index")
    lines = [
        "# Written by builder. pip asks every index and skips the one that does not answer.",
        "[global]",
        f"cert = {BUNDLE}",
        f"timeout = {TIMEOUT}",
        f"retries = {RETRIES}",
    ]
    if indexes:
        lines.append(f"index-url = {indexes[0]}")
    if len(indexes) > 1:
        lines += ["extra-index-url =", *(f"    {url}" for url in indexes[1:])]
    return "\n".join(lines) + "\n"
