"""The baked `/etc/pip.conf`: package indexes in order of preference, and the image's CA bundle."""

from __future__ import annotations

from builder.conda.condarc import BUNDLE, refuse_unsafe

RETRIES = 1
"""How often pip asks an index again where it has others to ask; its own default is 5.

pip 25.2 asks every index for every package and skips the one that does not answer. What a dead one costs for each
package, measured: refused 0.6 s with 2 and 7.6 s with 5; silent, 15 s (pip's timeout) for each try.
"""


def pip_conf(indexes: tuple[str, ...]) -> str:
    """The text of the file; without indexes pip asks where it would by itself."""
    for url in indexes:
        refuse_unsafe(url, what="a package index")
    lines = ["# Written by builder.", "[global]", f"cert = {BUNDLE}", "timeout = 15"]
    if indexes:
        lines.append(f"index-url = {indexes[0]}")
    if len(indexes) > 1:
        lines += [
            "# pip asks all of them for every package, and skips the one that does not answer.",
            "extra-index-url =",
            *(f"    {url}" for url in indexes[1:]),
            f"retries = {RETRIES}",
        ]
    return "\n".join(lines) + "\n"
