"""The baked `/etc/pip.conf`: package indexes so that a dead one does not stop pip, and the image's CA bundle."""

from __future__ import annotations

from builder.conda.condarc import refuse_unsafe
from builder.trust.layout import BUNDLE

RETRIES = 1
"""How often pip asks an index again where it has others to ask; its own default is 5.

pip 23.0, 25.2 and 26.3 ask every index for every package, whatever its order, and skip the one that does not answer.
What a dead one costs for each package, measured: refused 0.3 s with 1 and 8 s with 5; silent, 15 s (the timeout below)
for each try; 403 and 503 nothing.
"""


def pip_conf(indexes: tuple[str, ...], *, own: bool = False) -> str:
    """The text of the file; without indexes pip asks where it would by itself.

    indexes: in order of preference. own: whether pip's own index is to be asked beside them: it then is the one that is
    not named here, and a file comes from it only where no other index has it.
    """
    for url in indexes:
        refuse_unsafe(url, what="a package index")
    # Of one file on several indexes pip takes the one of the index that it was told last (the same three pips).
    told = [*reversed(indexes)]
    main = told.pop(0) if told and not own else None
    lines = ["# Written by builder.", "[global]", f"cert = {BUNDLE}", "timeout = 15"]
    lines += [f"index-url = {main}"] if main else []
    if told:
        lines += [
            "# pip asks all of them for every package, skips those that do not answer, and takes a file from the last.",
            "extra-index-url =",
            *(f"    {url}" for url in told),
            f"retries = {RETRIES}",
        ]
    return "\n".join(lines) + "\n"
